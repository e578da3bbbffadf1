#!/usr/bin/env python3
"""Matrix products and convolutions of every type, compiled and simulated, against exact arithmetic.

    wide_products.py --bin BUILD/bin [-k NAME]

Integers must be equal modulo the type, doubles equal within 1e-12 relative to the sum of the magnitudes of the products (and within
1e-12 of the result where nothing cancels), and the array must have run them. Ends with "N passed, N failed"; status 77
without numpy.
"""
import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "tools"))
try:
    import numpy as np
    import onnx_write as ow
except ImportError:
    print("skipped: numpy is not there")
    sys.exit(77)

INTEGERS = ("int32", "uint32", "int64", "uint64")
RNG = np.random.default_rng(7)


def numbers(dtype, shape):
    """Over the whole range of an integer type; doubles of many magnitudes."""
    if dtype.startswith("float"):
        return (RNG.standard_normal(shape) * 2.0 ** RNG.integers(-8, 8, shape)).astype(dtype)
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def exact(array):
    if array.dtype.kind == "f":
        return np.array([Fraction(float(v)) for v in array.ravel()], dtype=object).reshape(array.shape)
    return array.astype(object)


def as_product(x, w, group=1):
    """A convolution with a kernel of 2 and no padding, as its definition has it: rows of exact sums."""
    y = np.zeros((x.shape[0], w.shape[0], x.shape[2] - 1), dtype=object)
    per, outs = w.shape[1], w.shape[0] // group
    for n, m, p in itertools.product(range(y.shape[0]), range(y.shape[1]), range(y.shape[2])):
        first = m // outs * per
        y[n, m, p] = sum(x[n, first + c, p + t] * w[m, c, t] for c in range(per) for t in range(2))
    return y


class Bench:
    def __init__(self, options, scratch):
        self.options, self.scratch, self.passed, self.failed = options, scratch, 0, 0

    def path(self, name):
        return os.path.join(self.scratch, name)

    def run(self, operator, x, w, shape, constant, attrs):
        names = ["x"] if constant else ["x", "w"]
        code = getattr(ow, {"float64": "DOUBLE", "float16": "FLOAT16"}.get(str(x.dtype), str(x.dtype).upper()))
        inputs = [(n, code, a.shape) for n, a in (("x", x), ("w", w)) if n in names]
        model = ow.model([ow.node(operator, ["x", "w"], ["y"], **attrs)], inputs, [("y", code, shape)], {"w": w} if constant else {})
        with open(self.path("m.onnx"), "wb") as f:
            f.write(model)
        np.save(self.path("x.npy"), x)
        np.save(self.path("w.npy"), w)
        feeds = [word for n in names for word in ("--inputs", self.path(n + ".npy"))]
        tool = lambda name: os.path.join(self.options.bin, name)
        subprocess.run([tool("bitletc"), self.path("m.onnx"), "-o", self.path("m.blt")], check=True)
        subprocess.run([tool("bitlet-isa-sim"), self.path("m.blt"), "--outputs", self.scratch, "--stats", self.path("s.json")] + feeds,
                       check=True, stdout=subprocess.DEVNULL)
        with open(self.path("s.json"), encoding="utf-8") as f:
            stats = f.read()
        return np.load(self.path("output_0.npy")), json.loads(stats)

    def check(self, name, operator, x, w, constant=False, **attrs):
        if self.options.k not in name:
            return
        product = (lambda a, b: as_product(a, b, attrs.get("group", 1))) if operator == "Conv" else np.matmul
        want, size = product(exact(x), exact(w)), product(abs(exact(x)), abs(exact(w)))
        got, stats = self.run(operator, x, w, want.shape, constant, attrs)
        if x.dtype.kind == "f":
            worst = max((abs(Fraction(float(g)) - v) / s if s else abs(Fraction(float(g))))
                        for g, v, s in zip(got.ravel(), want.ravel(), size.ravel()))
            good = worst <= Fraction(1, 10 ** 12)
        else:
            bits = np.iinfo(x.dtype).bits
            good = all((int(g) - v) % 2 ** bits == 0 for g, v in zip(got.ravel(), want.ravel()))
        good = good and got.dtype == x.dtype and got.shape == want.shape and stats["total"]["macs"] > 0
        self.passed += good
        self.failed += not good
        if not good:
            print("FAILED %s" % name)

    def check_odd_doubles(self, constant):
        """Zeros, infinities, NaN, subnormal and huge numbers: as IEEE has it at the operator."""
        x = np.array([[0, 0, 0], [np.inf, 1, 2], [np.nan, 0, 1], [1e-310, 0, 0], [1e300, 1e300, 0], [-1, 1, 3]])
        w = np.array([[1, 0, -np.inf], [2, 0, 1], [3, 1e-300, 1e10]])
        with np.errstate(all="ignore"):
            want = np.matmul(x, w)
        got, _ = self.run("MatMul", x, w, want.shape, constant, {})
        good = np.allclose(got, want, rtol=1e-12, atol=0, equal_nan=True)
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print("FAILED odd doubles, constant %s:\n%s\nexpected\n%s" % (constant, got, want))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the tools")
    parser.add_argument("-k", metavar="NAME", default="", help="only cases whose name contains NAME")
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(parser.parse_args(), scratch)
        for dtype, constant in itertools.product(INTEGERS + ("float64",), (False, True)):
            kind = "%s %s" % (dtype, "constant" if constant else "run time")
            bench.check("matmul " + kind, "MatMul", numbers(dtype, (5, 70)), numbers(dtype, (70, 9)), constant)
            bench.check("batches " + kind, "MatMul", numbers(dtype, (2, 1, 3, 4)), numbers(dtype, (3, 4, 2)), constant)
        for dtype, constant in itertools.product(("float64",), (False, True)):
            kind = "%s %s" % (dtype, "constant" if constant else "run time")
            bench.check("conv " + kind, "Conv", numbers(dtype, (2, 4, 6)), numbers(dtype, (6, 4, 2)), constant)
            bench.check("groups " + kind, "Conv", numbers(dtype, (1, 4, 6)), numbers(dtype, (6, 2, 2)), constant, group=2)
            bench.check_odd_doubles(constant)
    print("%d passed, %d failed" % (bench.passed, bench.failed))
    return 1 if bench.failed or not bench.passed else 0


if __name__ == "__main__":
    sys.exit(main())
