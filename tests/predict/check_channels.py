#!/usr/bin/env python3
"""Convolutions whose channels the compiler sorts give the same bytes as unsorted ones, on every datapath, in fewer cycles.

    check_channels.py --bin DIR

Ends with "N passed, N failed"; exit status 77 without numpy.
"""
import argparse
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


def model(path, seed):
    """Convolutions in a row with readers of several kinds; the spread of weights differs between channels."""
    rng = np.random.default_rng(seed)
    nodes, weights, x, ci = [], {}, "x", 24
    for i, (co, k) in enumerate(((96, 1), (100, 3), (64, 1), (40, 1))):
        w = rng.laplace(0, 1, (co, ci, k, k))
        for channel in range(0, co, 2):  # an outlier makes all other weights of its channel small
            w[channel, 0, 0, 0] = 20
        weights["w%d" % i] = (w / np.sqrt(ci * k * k)).astype(np.float32)
        weights["b%d" % i] = rng.normal(0, 0.5, co).astype(np.float32)
        nodes.append(ow.node("Conv", [x, "w%d" % i, "b%d" % i], ["c%d" % i], pads=[k // 2] * 4))
        nodes.append(ow.node("Relu", ["c%d" % i], ["r%d" % i]))
        x, ci = "r%d" % i, co
    # one result with two readers, one of which is no convolution over all of its channels
    nodes.append(ow.node("GlobalAveragePool", ["r2"], ["y2"]))
    outputs = [("r3", ow.FLOAT, [1, 40, 12, 12]), ("y2", ow.FLOAT, [1, 64, 1, 1])]
    with open(path, "wb") as f:
        f.write(ow.model(nodes, [("x", ow.FLOAT, [1, 24, 12, 12])], outputs, weights))


class Checker:
    def __init__(self, args, scratch):
        self.args, self.scratch, self.passed, self.failed = args, scratch, 0, 0

    def tool(self, name, *args):
        return subprocess.run([os.path.join(self.args.bin, name), *args], capture_output=True, text=True)

    def verdict(self, what, ok, detail):
        self.passed, self.failed = self.passed + ok, self.failed + (not ok)
        print("%s %s: %s" % ("ok  " if ok else "FAIL", what, detail))

    def compile(self, onnx, precision, passes, out):
        done = self.tool("bitletc", onnx, "-p", precision, "--machine", "bitlet-x", "--predict", "--passes", ",".join(passes), "-o", out)
        return int(re.search(r"^predicted: (\d+) cycles", done.stdout, re.M)[1]) if done.returncode == 0 else None

    def check(self, seed, precision, passes):
        onnx, plain, ordered, outputs = (os.path.join(self.scratch, n) for n in ("m.onnx", "plain.blt", "sorted.blt", "out"))
        model(onnx, seed)
        before = self.compile(onnx, precision, [p for p in passes if p != "sort-channels"], plain)
        after = self.compile(onnx, precision, passes, ordered)
        what = "seed %d %s" % (seed, precision)
        if before is None or after is None:
            return self.verdict(what, False, "does not compile")
        self.verdict(what, after < before, "%d cycles sorted, %d unsorted" % (after, before))
        done = self.tool("bitlet-isa-sim", plain, "-q", "--seed", "3", "--outputs", outputs)
        for datapath in ("fast", "vector", "rtl"):
            same = self.tool("bitlet-isa-sim", ordered, "-q", "--seed", "3", "--datapath", datapath, "--expect", outputs, "--rtol", "0",
                             "--atol", "0")
            ok = done.returncode == 0 and same.returncode == 0
            self.verdict("%s, datapath %s" % (what, datapath), ok, "equal outputs" if ok else (done.stderr + same.stderr).strip()[-300:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bitlet-channels-") as scratch:
        checker = Checker(args, scratch)
        listed = checker.tool("bitletc", "--list-passes").stdout
        passes = re.findall(r"^(\S+) +-O[0-2] ", listed, re.M)
        for seed, precision in ((1, "int8"), (2, "w6a8"), (3, "int12")):
            checker.check(seed, precision, passes)
        print("%d passed, %d failed" % (checker.passed, checker.failed))
        return 1 if checker.failed else 0


if __name__ == "__main__":
    sys.exit(main())
