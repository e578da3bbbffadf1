"""Compiles and simulates trained models and holds the outputs against reference outputs. Standard library only.

    check_models.py --bin DIR --models DIR [-k NAME] [--bodies fp32,int16,...] [-v]

DIR/NAME/{model.onnx, test_data_set_0/{input_K.pb, output_K.pb}}. What a model must show stands in MODELS. Ends with
"N passed, N failed"; exit status 77 when there is no such folder.
"""

import argparse
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import time

IMAGE = ("int16", "l2")  # image to image: relative L2 error under 1e-2
CLASS = (("int16", "top1"), ("int8", "top1"))  # classifier: the same first class
L2_MAX = 1e-2
RTOL, ATOL = 1e-3, 1e-4

# name: (options of bitletc, checks besides fp32 within RTOL and ATOL)
MODELS = {
    "mnist_cnn": ([], CLASS),
    "resnet8_cifar": ([], CLASS),
    "mobilenetv2_nsfw": ([], CLASS),
    "inceptionv3_nsfw": ([], CLASS),
    "cct_2_32": ([], CLASS),
    "ultraface_rfb320": ([], ()),
    "yolox_nano": ([], ()),
    "bodypix_mbv1_050": (["--shape", "input=1x257x257x3"], ()),
    "tbefn_180x320": ([], (IMAGE,)),
    "lapsrn_x2": ([], (IMAGE,)),
    "super_resolution_10": ([], (IMAGE,)),
    "fast_style_udnie_224": ([], (IMAGE,)),
    "meshnet3d_gwm": ([], (IMAGE,)),
    "lapsrn_x4": ([], ()),
    "byte_sb_bidi_lstm": (["--shape", "input=2x60"], ()),
    "gtcrn_simple": ([], ()),
    "hey_jarvis": ([], ()),
    "magika_v3_3": ([], ()),
    "silero_vad_16k": (["--shape", "input=1x576", "--shape", "state=2x1x128"], ()),
    "silero_vad_half": (["--shape", "input=1x576", "--shape", "state=2x1x128"], ()),
    "stories260k": (["--shape", "tokens=1x32"], ()),
    "ultraface_slim320_qlinear": ([], ()),
    "fastestdet_qdq": ([], ()),
}
# One integer that falls to the other side of a half step grows over the quantised layers behind it: here the outputs only have to be
# near (relative L2), check_qdq.py holds every layer by itself against the reference.
FP32_NEAR = {"fastestdet_qdq": 0.05}
# What INDEX.tsv charges for ConvTranspose elements that pads cut off: extents of the operand times taps, less those of the result.
# gtcrn_simple: three depthwise ones over 16 x 33, 11, 5 and 3 rows to 1, 3 x 3 taps; two of 5 taps with stride 2, 33 to 65 and 65 to 129.
CROPPED = {"gtcrn_simple": 16 * 33 * 9 * (10 + 4 + 2) + 128 * (33 * 5 - 163) + 32 * (65 * 5 - 323)}
# The heads of bodypix add up offsets of hundreds of pixels to almost nothing: the reference itself lies 8e-7 (relative L2) from sums in
# double precision, the datapath's truncated groups 3e-6. 14 of its 61,000 elements lie between these tolerances and ATOL.
FP32_ATOL = {"bodypix_mbv1_050": 6e-4}
# Compiled for their bits alone: mean D of the stationary tiles, to be within 3 % (paper: trained weights, popcount, N = 64).
WEIGHT_D = {"inceptionv3_nsfw": ("int8", 33.3), "mobilenetv2_nsfw": ("int8", 28.5), "lapsrn_x4": ("int16", 37.7)}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def read_floats(path):
    """The elements of a float TensorProto."""
    data, at, raw = open(path, "rb").read(), 0, b""
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            _, at = varint(data, at)
        elif key & 7 == 5:
            at += 4
        else:
            size, at = varint(data, at)
            if key >> 3 in (4, 9):
                raw = data[at : at + size]
            at += size
    return struct.unpack(f"<{len(raw) // 4}f", raw)


class Checker:
    def __init__(self, args):
        self.args, self.passed, self.failed = args, 0, 0
        self.work = tempfile.TemporaryDirectory(prefix="bitlet-models-")

    def tool(self, name, *args):
        command = [os.path.join(self.args.bin, name), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        if self.args.verbose:
            print("$", " ".join(command), "\n" + done.stdout + done.stderr)
        return done

    def verdict(self, what, ok, detail):
        self.passed, self.failed = self.passed + ok, self.failed + (not ok)
        print(f"{'ok  ' if ok else 'FAIL'} {what}: {detail}", flush=True)

    def compile(self, name, options, precision):
        model, out = os.path.join(self.args.models, name), os.path.join(self.work.name, f"{name}-{precision}.blt")
        calibrate = [] if precision == "fp32" else ["--calibrate", model]
        done = self.tool("bitletc", os.path.join(model, "model.onnx"), "-p", precision, *options, *calibrate, "-o", out)
        if done.returncode != 0:
            self.verdict(f"{name} {precision}", False, f"bitletc exits with {done.returncode}: {done.stderr.strip()[-400:]}")
            return None
        return out

    def simulate(self, name, blt, *options):
        data = os.path.join(self.args.models, name, "test_data_set_0")
        outputs, stats = os.path.join(self.work.name, "out"), os.path.join(self.work.name, "stats.json")
        done = self.tool("bitlet-isa-sim", blt, "--inputs", data, "--outputs", outputs, "--stats", stats, *options)
        return done, outputs, json.load(open(stats)) if os.path.exists(stats) else None

    def layer_arithmetic(self, name):
        """MACs that INDEX.tsv counts from the operators' shapes, or None."""
        path = os.path.join(self.args.models, "INDEX.tsv")
        rows = [line.rstrip("\n").split("\t") for line in open(path)] if os.path.exists(path) else []
        return next((int(row[rows[0].index("macs")]) for row in rows if row[0] == name), None)

    def macs_on_array(self, what, stats):
        """Every layer that stems from a MAC operator and ran has its MACs on the array, as many as the layer arithmetic says. A
        ConvTranspose that crops its result is charged there for products that nobody computes."""
        with_macs = [l for l in stats["layers"] if l.get("ir_op") in ("conv", "conv_transpose", "matmul")]
        bare = [l["name"] for l in with_macs if not l["macs"] and l["instructions"]]
        stray = [l["name"] for l in stats["layers"] if l["macs"] and l not in with_macs]
        total, want = stats["total"]["macs"], self.layer_arithmetic(what)
        want = want and want - CROPPED.get(what, 0)
        cropped = any(l.get("ir_op") == "conv_transpose" for l in with_macs)
        equal = want is None or total == want or (cropped and 0.999 * want < total < want)
        self.verdict(f"{what} MACs on the array", with_macs and not bare and not stray and equal, f"{total} in {len(with_macs)} layers, arithmetic {want}")

    def fp32(self, name, options):
        start = time.time()
        blt = self.compile(name, options, "fp32")
        if not blt:
            return
        data = os.path.join(self.args.models, name, "test_data_set_0")
        if name in FP32_NEAR:
            done, outputs, stats = self.simulate(name, blt)
            self.near(f"{name} fp32", name, done, outputs, FP32_NEAR[name], start)
            return stats and self.macs_on_array(name, stats)
        done, _, stats = self.simulate(name, blt, "--expect", data, "--rtol", str(RTOL), "--atol", str(FP32_ATOL.get(name, ATOL)))
        lines = [l for l in (done.stdout + done.stderr).splitlines() if "error[" in l] or ["equal within tolerance"]
        self.verdict(f"{name} fp32", done.returncode == 0, f"{lines[0]} ({time.time() - start:.1f} s)")
        if stats:
            self.macs_on_array(name, stats)

    def near(self, what, name, done, outputs, limit, start):
        if done.returncode != 0:
            return self.verdict(what, False, done.stderr.strip()[-400:])
        got = read_floats(os.path.join(outputs, "output_0.pb"))
        want = read_floats(os.path.join(self.args.models, name, "test_data_set_0", "output_0.pb"))
        error = math.sqrt(sum((x - y) ** 2 for x, y in zip(got, want)) / sum(y * y for y in want))
        self.verdict(f"{what} relative L2", len(got) == len(want) and error < limit, f"{error:.2e} ({time.time() - start:.1f} s)")

    def quantised(self, name, options, precision, kind):
        start = time.time()
        blt = self.compile(name, options, precision)
        if not blt:
            return
        done, outputs, _ = self.simulate(name, blt)
        if kind != "top1":
            return self.near(f"{name} {precision}", name, done, outputs, L2_MAX, start)
        if done.returncode != 0:
            return self.verdict(f"{name} {precision}", False, done.stderr.strip()[-400:])
        got = read_floats(os.path.join(outputs, "output_0.pb"))
        want = read_floats(os.path.join(self.args.models, name, "test_data_set_0", "output_0.pb"))
        took = f"({time.time() - start:.1f} s)"
        a, b = max(range(len(got)), key=got.__getitem__), max(range(len(want)), key=want.__getitem__)
        self.verdict(f"{name} {precision} top-1", a == b, f"class {a}, reference {b} {took}")

    def weight_d(self, name, precision, want):
        blt = self.compile(name, ["-O0", "--weight-scales", "tensor"], precision)
        if not blt:
            return
        done, _, stats = self.simulate(name, blt, "--timing", "ideal")
        if done.returncode != 0:
            return self.verdict(f"{name} mean D", False, done.stderr.strip()[-400:])
        got = stats["total"]["bce"]["tile_d_mean"]
        self.verdict(f"{name} mean D of its weights, {precision}", abs(got / want - 1) < 0.03, f"{got:.2f}, paper.md {want}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--bin", required=True)
    p.add_argument("--models", required=True)
    p.add_argument("-k", default="")
    p.add_argument("--only", choices=("fp32", "quantised", "d"))
    p.add_argument("-v", "--verbose", action="store_true")
    args = p.parse_args()
    if not os.path.isdir(args.models):
        print(f"skipped: no folder {args.models}")
        sys.exit(77)
    check = Checker(args)
    for name, (options, kinds) in MODELS.items():
        if args.k not in name:
            continue
        if args.only in (None, "fp32"):
            check.fp32(name, options)
        if args.only in (None, "quantised"):
            for precision, kind in kinds:
                check.quantised(name, options, precision, kind)
    if args.only in (None, "d"):
        for name, (precision, want) in WEIGHT_D.items():
            if args.k in name:
                check.weight_d(name, precision, want)
    print(f"{check.passed} passed, {check.failed} failed")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
