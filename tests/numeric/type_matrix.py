#!/usr/bin/env python3
"""Arithmetic operators on every element type that their specification allows, on the evaluator and on the whole tool chain.

    type_matrix.py --bin BUILD/bin [-k NAME] [-v]

The expected values come from numpy; integers must be equal. Types that numpy has not
are reached through Cast. Ends with
"N passed, N failed"; status 77 without numpy.
"""
import argparse
import concurrent.futures
import math
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

UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
SIGNED = ("int8", "int16", "int32", "int64")
INTS = UNSIGNED + SIGNED
WIDE_INTS = ("uint32", "uint64", "int32", "int64")
FLOATS = ("float16", "float32", "float64", "bfloat16")
NUMBERS = INTS + FLOATS
WIDE = WIDE_INTS + FLOATS
TOLERANCE = {"float16": 4e-3, "float32": 1e-5, "float64": 1e-12, "bfloat16": 3e-2}
# Types that numpy has not: the type of the interface, and ONNX's number.
THROUGH = {"bfloat16": ("float32", ow.BFLOAT16), "float8e4m3fn": ("float32", ow.FLOAT8E4M3FN), "float8e5m2": ("float32", ow.FLOAT8E5M2),
           "float8e4m3fnuz": ("float32", ow.FLOAT8E4M3FNUZ), "float8e5m2fnuz": ("float32", ow.FLOAT8E5M2FNUZ),
           "float4e2m1": ("float32", ow.FLOAT4E2M1), "int4": ("int8", ow.INT4), "uint4": ("uint8", ow.UINT4), "int2": ("int8", ow.INT2),
           "uint2": ("uint8", ow.UINT2)}
NARROW = tuple(t for t in THROUGH if t != "bfloat16")
RNG = np.random.default_rng(11)


def small(t, shape, low=-6, high=6):
    """Numbers small enough that sums and squares of a few do not wrap."""
    if t == "bool":
        return RNG.integers(0, 2, shape).astype(bool)
    if t in NARROW:  # what two bits and every small float hold
        return RNG.integers(-2 if t == "int2" else 0, 1 if t == "int2" else 3, shape, endpoint=True).astype(THROUGH[t][0])
    if t in FLOATS:
        values = np.round(RNG.uniform(low, high, shape) * 8) / 8
        return values.astype("float32" if t == "bfloat16" else t)
    return RNG.integers(max(low, 0) if t in UNSIGNED else low, high, shape, endpoint=True).astype(t)


def whole_range(t, shape):
    if t not in INTS:
        return small(t, shape)
    info = np.iinfo(t)
    return RNG.integers(info.min, info.max, shape, dtype=t, endpoint=True)


def nonzero(t, shape):
    values = small(t, shape)
    values[values == 0] = 3
    return values


def positive(t, shape):
    return small(t, shape, 1, 6)


def wide_of(t):
    return "float64" if t in FLOATS else t


class Case:
    """A node `op` on `inputs`; reference(*inputs) in double for floats, in the type itself for integers."""

    def __init__(self, op, types, inputs, reference, opset=25, tag="", **attrs):
        self.op, self.types, self.inputs, self.reference = op, types, inputs, reference
        self.opset, self.tag, self.attrs = opset, tag, attrs


def two(maker=small, second=None):
    return lambda t: [maker(t, (3, 4, 5)), (second or maker)(t, (4, 1))]


def one(maker=small, shape=(2, 3, 4)):
    return lambda t: [maker(t, shape)]


def truncated_division(a, b):
    return a / b if a.dtype.kind == "f" else np.array([int(math.copysign(1, int(x) * int(y))) * (abs(int(x)) // abs(int(y)))
                                                        for x, y in np.broadcast(a, b)], dtype=object).reshape(np.broadcast(a, b).shape)


def erf(x):
    return np.vectorize(math.erf)(x.astype("float64"))


def pool(x, fold):
    """2 x 2 windows, stride 1, of x[N, C, H, W]."""
    return fold([x[..., i:x.shape[2] - 1 + i, j:x.shape[3] - 1 + j] for i in range(2) for j in range(2)])


def truncating(f):
    """A real function whose result an integer type holds truncated."""
    return lambda x: (lambda y: y if x.dtype.kind == "f" else np.trunc(y))(f(x.astype("float64")))


AXIS = 1


def reduction(op, types, f, maker=small):
    for keep in (0, 1):
        yield Case(op, types, lambda t, m=maker: [m(t, (3, 4, 5)), np.array([AXIS], "int64")],
                   lambda x, _, k=keep: f(x, axis=AXIS, keepdims=bool(k)), tag=" keep%d" % keep, keepdims=keep)


def log_sum_exp(x, axis, keepdims):
    return np.log(np.sum(np.exp(x.astype("float64")), axis=axis, keepdims=keepdims))


def over(f):
    return lambda x, axis, keepdims: truncating(lambda v: f(v, axis, keepdims))(x)


def cases():
    yield Case("Add", NUMBERS, two(whole_range), lambda a, b: a + b)
    yield Case("Sub", NUMBERS, two(whole_range), lambda a, b: a - b)
    yield Case("Mul", NUMBERS, two(whole_range), lambda a, b: a * b)
    yield Case("Div", NUMBERS, two(whole_range, nonzero), truncated_division)
    yield Case("Mod", INTS, two(whole_range, nonzero), np.mod)
    yield Case("Mod", INTS + FLOATS, two(whole_range, nonzero), np.fmod, tag=" fmod", fmod=1)
    yield Case("Pow", ("int32", "int64") + FLOATS, two(positive, positive), lambda a, b: a ** b)
    for op, f in (("Max", np.maximum), ("Min", np.minimum)):
        yield Case(op, NUMBERS, two(whole_range), f)
    yield Case("Sum", FLOATS, two(), lambda a, b: a + b)
    yield Case("Mean", FLOATS, two(), lambda a, b: (a + b) / 2)
    for op, f in (("Less", np.less), ("LessOrEqual", np.less_equal), ("Greater", np.greater), ("GreaterOrEqual", np.greater_equal)):
        yield Case(op, NUMBERS, two(whole_range), f)
    yield Case("Equal", NUMBERS + ("bool",), two(), np.equal)
    for op, f in (("And", np.logical_and), ("Or", np.logical_or), ("Xor", np.logical_xor)):
        yield Case(op, ("bool",), two(), f)
    yield Case("Not", ("bool",), one(), np.logical_not)
    for op, f in (("BitwiseAnd", np.bitwise_and), ("BitwiseOr", np.bitwise_or), ("BitwiseXor", np.bitwise_xor)):
        yield Case(op, INTS, two(whole_range), f)
    yield Case("BitwiseNot", INTS, one(whole_range), np.bitwise_not)
    for direction, f in (("LEFT", np.left_shift), ("RIGHT", np.right_shift)):
        yield Case("BitShift", UNSIGNED, two(whole_range, small), f, tag=" " + direction, direction=direction)
    yield Case("Abs", NUMBERS, one(whole_range), np.abs)
    yield Case("Neg", SIGNED + FLOATS, one(whole_range), np.negative)
    yield Case("Sign", NUMBERS, one(whole_range), np.sign)
    yield Case("Erf", NUMBERS, one(), truncating(erf))
    yield Case("Relu", SIGNED + FLOATS, one(whole_range), lambda x: np.maximum(x, 0))
    yield Case("Shrink", NUMBERS, one(), lambda x: np.where(x < -1.0, x + 1, np.where(x > 1, x - 1, 0)).astype(x.dtype), lambd=1.0, bias=1.0)
    yield Case("Clip", NUMBERS, lambda t: [whole_range(t, (3, 5)), positive(t, ()), np.asarray(9).astype("float32" if t == "bfloat16" else t)], np.clip)
    yield Case("PRelu", WIDE, two(small, positive), lambda x, s: np.where(x < 0, x * s, x))
    yield Case("Where", NUMBERS + ("bool",) + NARROW, lambda t: [small("bool", (4, 5)), small(t, (3, 1, 5)), small(t, (4, 1))], np.where)
    for op, f in (("Ceil", np.ceil), ("Floor", np.floor), ("Round", np.round), ("Exp", np.exp), ("Sin", np.sin), ("Tanh", np.tanh),
                  ("Softsign", lambda x: x / (1 + np.abs(x))), ("Sigmoid", lambda x: 1 / (1 + np.exp(-x))), ("LeakyRelu", lambda x: np.where(x < 0, 0.01 * x, x)),
                  ("HardSigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1)), ("Softplus", lambda x: np.log1p(np.exp(x))),
                  ("Elu", lambda x: np.where(x < 0, np.expm1(x), x)), ("Mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
                  ("HardSwish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1)), ("ThresholdedRelu", lambda x: np.where(x > 1, x, 0)),
                  ("Gelu", lambda x: x * (1 + erf(x / math.sqrt(2))) / 2)):
        yield Case(op, FLOATS, one(), f)
    for op, f in (("Sqrt", np.sqrt), ("Log", np.log), ("Reciprocal", lambda x: 1 / x)):
        yield Case(op, FLOATS, one(positive), f)
    yield Case("IsNaN", FLOATS, lambda t: [np.where(small("bool", (9,)), np.nan, small(t, (9,))).astype(small(t, ()).dtype)], np.isnan)
    yield Case("IsInf", FLOATS, lambda t: [np.where(small("bool", (9,)), -np.inf, small(t, (9,))).astype(small(t, ()).dtype)], np.isinf)

    yield from reduction("ReduceSum", WIDE, np.sum)
    yield from reduction("ReduceProd", WIDE, np.prod, positive)
    yield from reduction("ReduceMax", WIDE + ("uint8", "int8", "bool"), np.max)
    yield from reduction("ReduceMin", WIDE + ("uint8", "int8", "bool"), np.min)
    yield from reduction("ReduceMean", WIDE, over(lambda v, a, k: np.mean(v, axis=a, keepdims=k)))
    yield from reduction("ReduceL1", WIDE, lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims))
    yield from reduction("ReduceL2", WIDE, over(lambda v, a, k: np.sqrt(np.sum(v * v, axis=a, keepdims=k))))
    yield from reduction("ReduceSumSquare", WIDE, lambda x, axis, keepdims: np.sum(x * x, axis=axis, keepdims=keepdims))
    yield from reduction("ReduceLogSum", WIDE, over(lambda v, a, k: np.log(np.sum(v, axis=a, keepdims=k))), positive)
    yield from reduction("ReduceLogSumExp", WIDE, over(log_sum_exp))
    for op, f in (("ArgMax", np.argmax), ("ArgMin", np.argmin)):
        yield Case(op, NUMBERS, one(whole_range), lambda x, f=f: np.expand_dims(f(x, axis=1), 1).astype("int64"), axis=1)

    image = (2, 3, 5, 4)
    yield Case("MaxPool", ("uint8", "int8") + FLOATS, one(whole_range, image), lambda x: pool(x, lambda p: np.max(p, axis=0)), kernel_shape=[2, 2])
    yield Case("AveragePool", FLOATS, one(small, image), lambda x: pool(x, lambda p: np.mean(p, axis=0)), kernel_shape=[2, 2])
    yield Case("LpPool", FLOATS, one(small, image), lambda x: pool(x, lambda p: np.sqrt(np.sum(np.square(p), axis=0))), kernel_shape=[2, 2])
    for op, f in (("GlobalMaxPool", np.max), ("GlobalAveragePool", np.mean)):
        yield Case(op, FLOATS, one(small, image), lambda x, f=f: f(x, axis=(2, 3), keepdims=True))
    yield Case("Softmax", FLOATS, one(), lambda x: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True))
    yield Case("Hardmax", FLOATS, one(small, (4, 5)), lambda x: np.eye(5)[np.argmax(x, axis=-1)])

    yield Case("MatMul", WIDE, lambda t: [whole_range(t, (2, 3, 70)), whole_range(t, (70, 5))], np.matmul)
    yield Case("MatMul", WIDE, lambda t: [small(t, (6,)), small(t, (6, 5))], np.matmul, tag=" vector")
    yield Case("Gemm", WIDE, lambda t: [small(t, (6, 3)), small(t, (4, 6)), small(t, (4,))],
               lambda a, b, c: 2 * (a.T @ b.T) + 3 * c, transA=1, transB=1, alpha=2.0, beta=3.0)
    yield Case("Gemm", WIDE, lambda t: [small(t, (3, 6)), small(t, (6, 4)), small(t, (3, 1))], lambda a, b, c: a @ b + c, tag=" column")
    yield Case("Gemm", WIDE, lambda t: [small(t, (3, 6)), small(t, (6, 4))], lambda a, b: a @ b, tag=" no C")
    yield Case("Gemm", WIDE_INTS, lambda t: [small(t, (3, 6)), small(t, (6, 4)), small(t, (3, 4))],
               lambda a, b, c: np.trunc(0.5 * (a @ b) + 1.5 * c), tag=" fraction", alpha=0.5, beta=1.5)
    yield Case("Conv", FLOATS, lambda t: [small(t, (2, 4, 6)), small(t, (3, 4, 1)), small(t, (3,))],
               lambda x, w, b: np.einsum("ncp,mc->nmp", x, w[..., 0]) + b[:, None])
    yield Case("ConvTranspose", FLOATS, lambda t: [small(t, (2, 4, 6)), small(t, (4, 3, 1)), small(t, (3,))],
               lambda x, w, b: np.einsum("ncp,cm->nmp", x, w[..., 0]) + b[:, None])
    every = NUMBERS + ("bool",) + NARROW
    yield Case("Pad", every, lambda t: [small(t, (3, 4)), np.array([1, 0, 0, 2], "int64"), small(t, ())],
               lambda x, _, v: np.pad(x, ((1, 0), (0, 2)), constant_values=v))
    yield Case("Transpose", every, one(), np.transpose)
    yield Case("Tile", every, lambda t: [small(t, (3, 4)), np.array([2, 3], "int64")], np.tile)
    yield Case("Gather", every, lambda t: [small(t, (3, 4)), np.array([2, -3], "int64")], lambda x, i: x[i])
    yield Case("Concat", every, lambda t: [small(t, (3, 4)), small(t, (2, 4))], lambda a, b: np.concatenate((a, b)), axis=0)
    yield Case("Slice", every, lambda t: [small(t, (3, 7)), np.array([5], "int64"), np.array([0], "int64"), np.array([1], "int64"), np.array([-2], "int64")],
               lambda x, *_: x[:, 5:0:-2])
    yield Case("Expand", every, lambda t: [small(t, (3, 1)), np.array([2, 1, 4], "int64")], lambda x, _: np.broadcast_to(x, (2, 3, 4)))
    yield Case("DepthToSpace", every, one(small, (1, 4, 2, 3)), lambda x: x.reshape(1, 2, 2, 1, 2, 3).transpose(0, 3, 4, 1, 5, 2).reshape(1, 1, 4, 6),
               blocksize=2)
    yield Case("Split", every, one(small, (4, 3)), lambda x: x, axis=0, num_outputs=1)
    yield Case("Resize", every, lambda t: [small(t, (1, 1, 2, 3)), None, np.array([1, 1, 2, 2], "float32")],
               lambda x, _, s: x.repeat(2, 2).repeat(2, 3), mode="nearest")


def code(dtype):
    return getattr(ow, {"float64": "DOUBLE", "float32": "FLOAT"}.get(str(dtype), str(dtype).upper()))


def expected(case, t, inputs):
    with np.errstate(all="ignore"):
        y = np.asarray(case.reference(*[a if a is None or a.dtype.kind not in "f" else a.astype("float64") for a in inputs]))
    if y.dtype == bool or str(y.dtype) == "int64" and case.op.startswith("Arg"):
        return y
    return y.astype(THROUGH.get(t, (t,))[0])


def build(case, t, inputs, y):
    """The model; arguments named c.. are constants, what numpy has no type for stands between two casts."""
    names, feeds, constants, nodes = [], [], {}, []
    for i, a in enumerate(inputs):
        if a is None:
            names.append("")
            continue
        constant = a.dtype == np.int64 and t != "int64" and i > 0 or case.op in ("Expand", "Gather", "Pad", "Resize", "Slice", "Tile") and i > 0
        constant = constant or case.op.startswith("Reduce") and i > 0
        name = ("c%d" if constant else "x%d") % i
        names.append(name)
        if constant:
            constants[name] = a
        else:
            feeds.append((name, code(a.dtype), a.shape))
        if t in THROUGH and a.dtype == THROUGH[t][0] and not (case.op == "Resize" and i > 0):
            nodes.append(ow.node("Cast", [name], ["b" + name], to=THROUGH[t][1]))
            names[-1] = "b" + name
    cast = t in THROUGH and y.dtype == THROUGH[t][0]
    nodes.append(ow.node(case.op, names, ["z" if cast else "y"], **case.attrs))
    if cast:
        nodes.append(ow.node("Cast", ["z"], ["y"], to=code(y.dtype)))
    return ow.model(nodes, feeds, [("y", code(y.dtype), y.shape)], constants, opset=case.opset), [f[0] for f in feeds]


def run(options, scratch, number, case, t, inputs):
    """What went wrong, or an empty text."""
    folder = os.path.join(scratch, str(number))
    os.mkdir(folder)
    y = expected(case, t, inputs)
    data, feeds = build(case, t, inputs, y)
    path = lambda name: os.path.join(folder, name)
    with open(path("m.onnx"), "wb") as f:
        f.write(data)
    by_name = dict(zip(("x%d" % i for i in range(len(inputs))), inputs))
    for i, name in enumerate(feeds):
        np.save(path("input_%d.npy" % i), by_name[name])
    np.save(path("output_0.npy"), y)
    bound = str(0 if y.dtype.kind in "iub" else TOLERANCE.get(t, 0))
    checks = ["--inputs", folder, "--expect", folder, "--rtol", bound, "--atol", bound]
    tool = lambda name: os.path.join(options.bin, name)
    for command in ([tool("onnx-eval"), path("m.onnx")] + checks, [tool("bitletc"), path("m.onnx"), "-o", path("m.blt")],
                    [tool("bitlet-isa-sim"), path("m.blt")] + checks):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            return "%s: %s" % (os.path.basename(command[0]), done.stdout.decode("utf-8", "replace").strip())
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the tools")
    parser.add_argument("-k", metavar="NAME", default="", help="only cases whose name contains NAME")
    parser.add_argument("-v", action="store_true", help="name the cases that pass too")
    options = parser.parse_args()
    work = [("%s%s %s" % (c.op, c.tag, t), c, t) for c in cases() for t in c.types]
    work = [(name, c, t, c.inputs(t)) for name, c, t in work if options.k in name]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool_of_two:
        jobs = [(name, pool_of_two.submit(run, options, scratch, i, c, t, inputs)) for i, (name, c, t, inputs) in enumerate(work)]
        for name, job in jobs:
            problem = job.result()
            failed += problem != ""
            if problem:
                print("FAILED %s: %s" % (name, problem))
            elif options.v:
                print("passed %s" % name)
    print("%d passed, %d failed" % (len(work) - failed, failed))
    return 1 if failed or not work else 0


if __name__ == "__main__":
    sys.exit(main())
