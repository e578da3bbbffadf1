#!/usr/bin/env python3
"""Layers in fixed point that hold their weights, and the same that hold their activations: equal to the bit.

    either_operand.py --bin BUILD/bin [--seed N] [--count N] [-k NAME]

Random convolutions, transposed convolutions and matrix products are compiled with --distill weights and --distill activations, for
several machines, and simulated on random inputs; outputs must be the same bytes, and the statistics must name the operand.
Ends with "N passed, N failed", and with the command that repeats a failure; status 77 without numpy.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "tools"))
try:
    import numpy as np
    import onnx_write as ow
except ImportError:
    print("skipped: numpy is not there")
    sys.exit(77)

MACHINES = ({"base": "micro21"}, {"base": "bitlet-x"}, {"base": "micro21", "name": "small", "pes": 5, "group": 16},
            {"base": "bitlet-x", "name": "small-x", "pes": 7, "group": 32, "act_buffer": 16384, "weight_buffer": 16384},
            {"base": "micro21", "name": "tight", "act_buffer": 12288, "weight_buffer": 16384, "psum_buffer": 8192})
PRECISIONS = ("int8", "int8", "int4", "int12", "int16", "int2", "int1", "w4a8", "w8a4", "int24")


def pick(rng, *choices):
    return choices[int(rng.integers(len(choices)))]


def weights(rng, shape):
    return (rng.standard_normal(shape) * 2.0 ** rng.integers(-2, 2)).astype(np.float32)


def conv(rng, transposed):
    axes = int(rng.integers(1, 4)) if not transposed else int(rng.integers(1, 3))
    group = pick(rng, 1, 1, 1, 2, 3)
    ins, outs = int(rng.integers(1, 9)), int(rng.integers(1, 20))
    kernel = [int(rng.integers(1, 4)) for _ in range(axes)]
    strides = [int(rng.integers(1, k + 1)) if transposed else int(rng.integers(1, 3)) for k in kernel]
    dilations = [1 if transposed else int(rng.integers(1, 3)) for _ in range(axes)]
    pads = [int(rng.integers(0, 2)) for _ in range(2 * axes)]
    spatial = [int(rng.integers(5, 12)) for _ in range(axes)]
    x = [pick(rng, 1, 1, 2), group * ins] + spatial
    w = [x[1], outs] + kernel if transposed else [group * outs, ins] + kernel
    init = {"w": weights(rng, w)}
    if rng.integers(2):
        init["b"] = weights(rng, [group * outs])
    node = ow.node("ConvTranspose" if transposed else "Conv", ["x", "w"] + (["b"] if "b" in init else []), ["c"], name="layer",
                   strides=strides, dilations=dilations, pads=pads, group=group, kernel_shape=kernel)
    return x, [node], init


def product(rng):
    rows, inner, cols = int(rng.integers(1, 60)), int(rng.integers(1, 150)), int(rng.integers(1, 60))
    batch = pick(rng, [], [2], [2, 3])
    init = {"w": weights(rng, [inner, cols])}
    return batch + [rows, inner], [ow.node("MatMul", ["x", "w"], ["c"], name="layer")], init


def gemm(rng):
    rows, inner, cols = int(rng.integers(1, 40)), int(rng.integers(1, 150)), int(rng.integers(1, 60))
    swap = int(rng.integers(2))
    init = {"w": weights(rng, [cols, inner] if swap else [inner, cols]), "b": weights(rng, [cols])}
    return [rows, inner], [ow.node("Gemm", ["x", "w", "b"], ["c"], name="layer", transB=swap)], init


LAYERS = {"conv": lambda r: conv(r, False), "transposed": lambda r: conv(r, True), "product": product, "gemm": gemm}


def make(rng, name):
    """Model bytes and input."""
    shape, nodes, init = LAYERS[name](rng)
    tail = pick(rng, "", "Relu", "Sigmoid")
    if tail:
        nodes.append(ow.node(tail, ["c"], ["y"]))
    else:
        nodes.append(ow.node("Identity", ["c"], ["y"]))
    x = rng.standard_normal(shape).astype(np.float32)
    if rng.integers(2):
        x = np.maximum(x, 0)
    return ow.model(nodes, [("x", ow.FLOAT, shape)], [("y", ow.FLOAT, None)], init, opset=18), x


class Case:
    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def tool(self, name, *args):
        done = subprocess.run([os.path.join(self.binaries, name), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} {' '.join(args)}: status {done.returncode}\n{done.stdout}")

    def run(self, model, how, precision, calibrate, inputs):
        """Output bytes and what the statistics say was distilled."""
        self.tool("bitletc", model, "-p", precision, "--distill", how, "--machine", self.path("machine.json"), "--calibrate",
                  calibrate, "-o", self.path("m.blt"))
        self.tool("bitlet-isa-sim", self.path("m.blt"), "--quiet", "--inputs", inputs, "--outputs", self.path("out"), "--stats",
                  self.path("stats.json"))
        with open(self.path("stats.json")) as f:
            layers = json.load(f)["layers"]
        out = b""
        for name in sorted(os.listdir(self.path("out"))):
            with open(self.path(os.path.join("out", name)), "rb") as f:
                out += f.read()
        return out, sorted({layer["bce"]["distilled"] for layer in layers if "bce" in layer})


def check(case, seed, name):
    rng = np.random.default_rng(seed)
    model, x = make(rng, name)
    with open(case.path("m.onnx"), "wb") as f:
        f.write(model)
    with open(case.path("machine.json"), "w") as f:
        json.dump(pick(rng, *MACHINES), f)
    np.save(case.path("calibrate.npy"), x * np.float32(0.7))  # what saturates reaches the lowest number
    np.save(case.path("input.npy"), x)
    precision = pick(rng, *PRECISIONS)
    runs = [case.run(case.path("m.onnx"), how, precision, case.path("calibrate.npy"), case.path("input.npy"))
            for how in ("weights", "activations")]
    if runs[0][0] != runs[1][0]:
        return f"{precision}: outputs differ"
    if [r[1] for r in runs] != [["weights"], ["activations"]]:
        return f"{precision}: distilled {runs[0][1]} and {runs[1][1]}"
    return ""


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=40)
    p.add_argument("-k", default="")
    args = p.parse_args()
    passed = failed = 0
    for n in range(args.count):
        name = list(LAYERS)[n % len(LAYERS)]
        if args.k not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                why = check(Case(args.bin, folder), args.seed + n, name)
            except RuntimeError as e:
                why = str(e)
        passed, failed = passed + (not why), failed + bool(why)
        if why:
            again = args.seed + n - n % len(LAYERS)
            print(f"FAILED {name} seed {args.seed + n}: {why[:1500]}\n  repeat: {sys.argv[0]} --bin {args.bin} --seed {again} --count "
                  f"{len(LAYERS)} -k {name}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
