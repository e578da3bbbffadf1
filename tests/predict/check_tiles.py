#!/usr/bin/env python3
"""Holds the tiles that bitletc chooses against all others, by exact prediction of the machine's cycles.

    check_tiles.py --bin DIR [--layers resnet50|mobilenetv2] [--machine NAME|FILE] [-v]

Every layer is compiled as far as pass `tile`, its attributes tile, kchunk and resident are replaced by each candidate of a grid, and
the rest of the compilation predicts the cycles. Without --layers: small layers on machines with small buffers, where every extent of a
tile is tried, and chunks of K by five sizes. Ends with "N passed, N failed"; a layer fails when the choice takes more than WORST times the cycles of the best, and all of them
when together they take more than TOGETHER times as many.
"""
import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: no numpy")
    sys.exit(77)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import onnx_write as ow

WORST, TOGETHER = 1.25, 1.02
# kind, channels in, out, height and width, kernel, stride
SMALL = (
    ("conv", 24, 40, 14, 3, 1),
    ("conv", 96, 64, 10, 1, 1),
    ("conv", 16, 33, 15, 5, 2),
    ("conv", 3, 16, 20, 7, 2),
    ("depthwise", 32, 32, 14, 3, 1),
    ("transposed", 24, 16, 7, 4, 2),
    ("gemm", 512, 100, 1, 1, 1),
    ("matmul", 96, 64, 50, 1, 1),
)
MACHINES = (
    {"base": "micro21", "act_buffer": 16384, "weight_buffer": 16384, "psum_buffer": 16384},
    {"base": "bitlet-x", "act_buffer": 16384, "weight_buffer": 32768, "psum_buffer": 16384},
    {"base": "bitlet-x", "act_buffer": 65536, "weight_buffer": 8192, "psum_buffer": 65536},
)
LAYERS = {
    "resnet50": (
        ("conv", 3, 64, 224, 7, 2), ("conv", 64, 64, 56, 1, 1), ("conv", 64, 64, 56, 3, 1), ("conv", 64, 256, 56, 1, 1),
        ("conv", 256, 64, 56, 1, 1), ("conv", 256, 128, 56, 1, 1), ("conv", 128, 128, 56, 3, 2), ("conv", 128, 512, 28, 1, 1),
        ("conv", 256, 512, 56, 1, 2), ("conv", 512, 128, 28, 1, 1), ("conv", 128, 128, 28, 3, 1), ("conv", 512, 256, 28, 1, 1),
        ("conv", 256, 256, 28, 3, 2), ("conv", 256, 1024, 14, 1, 1), ("conv", 512, 1024, 28, 1, 2), ("conv", 1024, 256, 14, 1, 1),
        ("conv", 256, 256, 14, 3, 1), ("conv", 1024, 512, 14, 1, 1), ("conv", 512, 512, 14, 3, 2), ("conv", 512, 2048, 7, 1, 1),
        ("conv", 1024, 2048, 14, 1, 2), ("conv", 2048, 512, 7, 1, 1), ("conv", 512, 512, 7, 3, 1), ("gemm", 2048, 1000, 1, 1, 1)),
    "mobilenetv2": (
        ("conv", 3, 32, 224, 3, 2), ("depthwise", 32, 32, 112, 3, 1), ("conv", 32, 16, 112, 1, 1), ("conv", 16, 96, 112, 1, 1),
        ("depthwise", 96, 96, 112, 3, 2), ("conv", 96, 24, 56, 1, 1), ("conv", 24, 144, 56, 1, 1), ("depthwise", 144, 144, 56, 3, 1),
        ("conv", 144, 32, 28, 1, 1), ("conv", 192, 64, 14, 1, 1), ("depthwise", 384, 384, 14, 3, 1), ("conv", 384, 96, 14, 1, 1),
        ("depthwise", 576, 576, 14, 3, 2), ("conv", 960, 160, 7, 1, 1), ("depthwise", 960, 960, 7, 3, 1), ("conv", 320, 1280, 7, 1, 1)),
}


def model_of(layer, path):
    kind, ci, co, size, k, stride = layer
    rng = np.random.default_rng(7)
    shape, attrs = [1, ci, size, size], {}
    if kind == "gemm":
        node, shape, w = ow.node("Gemm", ["x", "w"], ["y"], transB=1), [1, ci], (co, ci)
    elif kind == "matmul":
        node, shape, w = ow.node("MatMul", ["x", "w"], ["y"]), [size, ci], (ci, co)
    elif kind == "transposed":
        node = ow.node("ConvTranspose", ["x", "w"], ["y"], strides=[stride, stride], pads=[(k - stride) // 2] * 4)
        w = (ci, co, k, k)
    else:
        group = ci if kind == "depthwise" else 1
        node = ow.node("Conv", ["x", "w"], ["y"], strides=[stride, stride], pads=[k // 2] * 4, group=group)
        w = (co, ci // group, k, k)
    weights = {"w": rng.laplace(0, 1 / np.sqrt(np.prod(w[1:])), w).astype(np.float32)}
    rank = len(shape)
    with open(path, "wb") as f:
        f.write(ow.model([node], [("x", ow.FLOAT, shape)], [("y", ow.FLOAT, ["d%d" % i for i in range(rank)])], weights))


class Tiles:
    def __init__(self, args, scratch):
        self.args, self.scratch = args, scratch
        self.ir = os.path.join(scratch, "layer.bir")

    def bitletc(self, *options):
        return subprocess.run([os.path.join(self.args.bin, "bitletc"), "--threads", "1", *options], capture_output=True, text=True)

    def start(self, layer, machine):
        """The layer after pass `tile`; gives what was chosen and what extents there are."""
        model = os.path.join(self.scratch, "layer.onnx")
        model_of(layer, model)
        done = self.bitletc(model, "-p", "int8", "--machine", machine, "--stop-after", "tile", "--emit", "ir", "-o", self.ir)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        text = open(self.ir).read()
        self.machine, self.head, self.tail = machine, *re.split(r"tile = \[[^\]]*\], kchunk = \d+, resident = \d", text)
        found = re.search(r"tile = \[([^\]]*)\], kchunk = (\d+), resident = (\d)", text)
        return tuple(int(x) for x in found[1].split(",")), int(found[2]), int(found[3])

    def cycles(self, tile, kchunk, resident):
        """Predicted cycles of the MAC op without what is before it; None: these tiles do not fit."""
        with open(self.ir, "w") as f:
            f.write("%stile = [%s], kchunk = %d, resident = %d%s" % (self.head, ", ".join(map(str, tile)), kchunk, resident, self.tail))
        done = self.bitletc(self.ir, "--machine", self.machine, "--predict", "-o", os.path.join(self.scratch, "layer.blt"))
        if done.returncode == 70:
            raise RuntimeError(done.stderr)
        total = re.search(r"predicted: (\d+) cycles", done.stdout)
        before = re.search(r"^x\.q .* (\d+) +(\d+) +\d+  -$", done.stdout, re.M)
        return int(total[1]) - int(before[1]) - int(before[2]) if done.returncode == 0 else None


def halves(extent):
    """Extents that cut into equal parts."""
    return sorted({-(-extent // parts) for parts in range(1, extent + 1)}, reverse=True)


def grid(layer, chosen, small):
    kind, ci, co, size, k, stride = layer
    tile, kchunk, _ = chosen
    steps = halves(ci)[:5] if small else [c for c in (64, 128, 256, 512) if c < ci]
    ks = {kchunk} if kind in ("depthwise", "transposed") else {kchunk, ci, *steps}
    if kind in ("gemm", "matmul"):
        rows = [(e,) for e in (halves(size) if kind == "matmul" else [1])]
    else:
        out = size * stride if kind == "transposed" else (size + stride - 1) // stride
        out = tile[2] if kind == "transposed" else out
        hs, ws = halves(out), halves(out)
        rows = [(1, h, w) for h, w in itertools.product(hs if small else hs[:12] + [1], ws[:4] if small else ws[:2])]
    rows = [tuple([1] * (len(tile) - len(r)) + list(r)) for r in rows]
    return [(r, c, resident) for r in rows for c in sorted(ks) for resident in (1, 0)]


def check_layer(t, layer, machine, small):
    chosen = t.start(layer, machine)
    own = t.cycles(*chosen)
    best, at, tried = own, chosen, 0
    for candidate in grid(layer, chosen, small):
        n = t.cycles(*candidate)
        tried += n is not None
        if n is not None and n < best:
            best, at = n, candidate
    return own, chosen, best, at, tried


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--layers", choices=sorted(LAYERS))
    parser.add_argument("--machine", default="bitlet-x")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="bitlet-tiles-") as scratch:
        machines = [args.machine]
        if not args.layers:
            machines = [os.path.join(scratch, "machine%d.json" % i) for i in range(len(MACHINES))]
            for path, machine in zip(machines, MACHINES):
                json.dump(machine, open(path, "w"))
        t, sums = Tiles(args, scratch), [0, 0]
        for machine in machines:
            for layer in LAYERS[args.layers] if args.layers else SMALL:
                own, chosen, best, at, tried = check_layer(t, layer, machine, not args.layers)
                ok = own <= WORST * best and tried > 0
                passed, failed, sums = passed + ok, failed + (not ok), [sums[0] + own, sums[1] + best]
                if args.verbose or args.layers or not ok:
                    print("%s %-34s %s: %d cycles with %s; best of %d: %d with %s; %.3f" % (
                        "ok  " if ok else "FAIL", " ".join(map(str, layer)), os.path.basename(machine), own, chosen, tried, best, at, own / best),
                        flush=True)
    ok = sums[0] <= TOGETHER * sums[1]
    passed, failed = passed + ok, failed + (not ok)
    print("%s all together %.4f times the best" % ("ok  " if ok else "FAIL", sums[0] / sums[1]))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
