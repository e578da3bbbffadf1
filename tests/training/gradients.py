"""Derivatives made by the compiler, against differences: every rule of frontend/gradient.def in small models.

    gradients.py --bin BUILD/bin [-k NAME]

Each case is an expression of ONNX nodes from x (and w) to y. The model holds it three times: at x, where a Gradient node differentiates
sum(y * v) by x and w, and at x + h u and x - h u for random directions u; it gives the derivative along u less the quotient of
differences. In double precision, on the reference evaluator, that must be 0 within 1e-6. Then the gradient is compiled in single precision
and simulated, and the evaluator's must agree.
Ends with "N passed, N failed".
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import onnx_write as ow  # noqa: E402

H = 1e-5
DOMAIN = "ai.onnx.preview.training"


def one(op, shape=(3, 4), low=-2.0, high=2.0, extra=None, **attrs):
    """A case of one node: y = op(x, constants ..)."""
    constants = extra or {}
    return dict(x=(shape, low, high), w=None, constants=constants, nodes=[(op, ["x"] + list(constants), ["y"], attrs)])


def two(op, x=(3, 4), w=(3, 4), low=0.5, high=2.0, opset=18, **attrs):
    return dict(x=(x, low, high), w=(w, low, high), constants={}, nodes=[(op, ["x", "w"], ["y"], attrs)], opset=opset)


def ints(*v):
    return np.array(v, "int64")


def scatter(**attrs):
    nodes = [("ScatterElements", ["x", "at", "w"], ["y"], attrs)]
    return dict(x=((3, 4), -1, 1), w=((2, 3), -1, 1), constants={"at": ints([0, 1, 2], [2, 0, 1])}, nodes=nodes)


CASES = {
    **{f: one(f) for f in ("Neg", "Abs", "Exp", "Sin", "Cos", "Tanh", "Sigmoid", "Softplus", "Softsign", "Erf", "Relu", "Elu", "Selu", "Sinh", "Cosh", "Atan", "Asinh")},
    **{f: one(f, low=0.2, high=3.0) for f in ("Sqrt", "Log", "Reciprocal")},
    **{f: one(f, low=-0.9, high=0.9) for f in ("Asin", "Acos", "Atanh", "Tan")},
    "Acosh": one("Acosh", low=1.2, high=3.0),
    "LeakyRelu": one("LeakyRelu", alpha=0.1),
    "Clip": one("Clip", extra={"lo": np.float64(-1), "hi": np.float64(1)}),
    "Softmax": one("Softmax", axis=1),
    "LogSoftmax": one("LogSoftmax", axis=1),
    "Gelu": dict(one("Gelu"), opset=20),
    **{f: two(f) for f in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")},
    **{f + " broadcast": two(f, x=(3, 4), w=(4,)) for f in ("Add", "Sub", "Mul", "Div", "Pow")},
    "Mul broadcast middle": two("Mul", x=(2, 1, 3), w=(2, 4, 1)),
    "CumSum": one("CumSum", extra={"axis": np.int64(1)}),
    "CumSum exclusive reverse": one("CumSum", extra={"axis": np.int64(0)}, exclusive=1, reverse=1),
    "GatherElements": one("GatherElements", extra={"at": ints([0, 1], [2, -1], [0, 0])}, axis=1),
    "ScatterElements": scatter(axis=0),
    "ScatterElements add": scatter(axis=1, reduction="add"),
    "TopK": dict(one("TopK", extra={"k": ints(2)}, axis=0), nodes=[("TopK", ["x", "k"], ["y", "at"], {"axis": 0})]),
    "ReduceSum": one("ReduceSum", extra={"axes": ints(1)}),
    "ReduceMean keep": one("ReduceMean", extra={"axes": ints(0)}, keepdims=1),
    "ReduceMax": one("ReduceMax", extra={"axes": ints(1)}, keepdims=0),
    "ReduceMin": one("ReduceMin", extra={"axes": ints(1)}),
    "ReduceProd": one("ReduceProd", extra={"axes": ints(1)}, low=0.5),
    "ReduceL2": one("ReduceL2", extra={"axes": ints(1)}),
    "ReduceLogSumExp": one("ReduceLogSumExp", extra={"axes": ints(1)}),
    "Reshape": one("Reshape", extra={"shape": ints(2, 6)}),
    "Transpose": one("Transpose", (2, 3, 4), perm=[2, 0, 1]),
    "Slice": one("Slice", (6, 5), extra={"starts": ints(1, 4), "ends": ints(6, -6), "axes": ints(0, 1), "steps": ints(2, -2)}),
    "Concat": two("Concat", x=(2, 3), w=(2, 4), axis=1),
    "Pad": one("Pad", extra={"pads": ints(1, 0, 0, 2)}),
    "Pad reflect": one("Pad", extra={"pads": ints(1, 1, 2, 0)}, mode="reflect"),
    "Expand": one("Expand", (3, 1), extra={"shape": ints(2, 3, 4)}),
    "Gather": one("Gather", extra={"indices": ints(2, 0, 2, -1)}, axis=1),
    "Tile": one("Tile", (2, 3), extra={"repeats": ints(2, 2)}),
    "Where": dict(x=((2, 3), -1, 1), w=((2, 3), -1, 1), constants={"c": np.array([[True, False, True], [False, True, False]])}, nodes=[("Where", ["c", "x", "w"], ["y"], {})]),
    "MatMul": two("MatMul", x=(3, 4), w=(4, 2)),
    "MatMul batch": two("MatMul", x=(2, 3, 4), w=(2, 4, 2)),
    "MatMul shared": two("MatMul", x=(2, 3, 4), w=(4, 2)),
    "MatMul spread": two("MatMul", x=(3, 4), w=(2, 4, 2)),
    "Gemm": two("Gemm", x=(4, 3), w=(2, 4), transA=1, transB=1, alpha=0.5),
    "Conv": two("Conv", x=(2, 3, 5, 6), w=(4, 3, 3, 2), pads=[1, 0, 1, 1], strides=[2, 1]),
    "Conv dilated": two("Conv", x=(1, 2, 8), w=(3, 2, 3), dilations=[2], strides=[2], pads=[2, 1]),
    "Conv grouped": two("Conv", x=(2, 4, 5, 5), w=(6, 2, 2, 2), group=2),
    "Conv depthwise": two("Conv", x=(1, 3, 6), w=(3, 1, 3), group=3, pads=[1, 1]),
    "Conv 3d": two("Conv", x=(1, 2, 3, 4, 3), w=(2, 2, 2, 2, 2)),
    "ConvTranspose": two("ConvTranspose", x=(2, 3, 4, 3), w=(3, 2, 3, 2), strides=[2, 1], pads=[1, 0, 0, 1]),
    "ConvTranspose grouped": two("ConvTranspose", x=(1, 4, 5), w=(4, 3, 3), group=2, strides=[2], output_padding=[1]),
    "MaxPool": one("MaxPool", (1, 2, 6, 5), kernel_shape=[2, 3], strides=[2, 1], pads=[0, 1, 0, 1]),
    "AveragePool": one("AveragePool", (1, 2, 6, 5), kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
    "GlobalAveragePool": one("GlobalAveragePool", (2, 3, 4, 4)),
    "LpPool": one("LpPool", (1, 2, 6), low=0.5, kernel_shape=[2], strides=[2]),
    "LayerNormalization": two("LayerNormalization", x=(3, 5), w=(5,), stash_type=ow.DOUBLE),
    "BatchNormalization": dict(
        x=((4, 3, 2, 2), -2, 2),
        w=((3,), 0.5, 2),
        constants={"b": np.arange(3.0), "m": np.zeros(3), "s": np.ones(3)},
        nodes=[("BatchNormalization", ["x", "w", "b", "m", "s"], ["y"], {"training_mode": 1})],
    ),
    "GroupNormalization": dict(
        x=((2, 4, 3), -2, 2),
        w=((4,), 0.5, 2),
        constants={"b": np.arange(4.0)},
        nodes=[("GroupNormalization", ["x", "w", "b"], ["y"], {"num_groups": 2, "stash_type": ow.DOUBLE})],
        opset=21,
    ),
    "used twice": dict(x=((3, 3), -1, 1), w=None, constants={}, nodes=[("MatMul", ["x", "x"], ["a"], {}), ("Mul", ["a", "x"], ["y"], {})]),
    "two layers": dict(
        x=((4, 3), -1, 1),
        w=((3, 5), -1, 1),
        constants={"k": np.linspace(-1, 1, 10).reshape(5, 2)},
        nodes=[("MatMul", ["x", "w"], ["a"], {}), ("Tanh", ["a"], ["b"], {}), ("MatMul", ["b", "k"], ["y"], {})],
    ),
}


def typed(array, t):
    return array.astype(t) if array.dtype.kind == "f" else array


class Case:
    def __init__(self, name, spec, seed):
        rng = np.random.default_rng(seed)
        self.name, self.spec, self.opset = name, spec, spec.get("opset", 18)
        self.leaves = {k: self.draw(rng, *spec[k]) for k in ("x", "w") if spec[k]}
        self.directions = {k: rng.normal(size=v.shape) for k, v in self.leaves.items()}

    @staticmethod
    def draw(rng, shape, low, high):
        """Distinct numbers, so that no two are the largest, and none at a bend of a usual function."""
        count = int(np.prod(shape))
        return rng.permutation((np.arange(count) + 0.37) / count * (high - low) + low).reshape(shape)

    def copy(self, suffix):
        """The expression with its tensors renamed; sum(y * v) is loss<suffix>, v = sin of a ramp over y."""
        own = set(self.leaves) | {o for _, _, outs, _ in self.spec["nodes"] for o in outs}
        nodes = [ow.node(op, [i + suffix if i in own else i for i in ins], [o + suffix for o in outs], op + suffix, **attrs) for op, ins, outs, attrs in self.spec["nodes"]]
        return nodes + [
            ow.node("Flatten", ["y" + suffix], ["flat" + suffix], axis=0),
            ow.node("Shape", ["flat" + suffix], ["extents" + suffix]),
            ow.node("Gather", ["extents" + suffix, "one"], ["count" + suffix], axis=0),
            ow.node("Range", ["zero", "count" + suffix, "one"], ["ramp" + suffix]),
            ow.node("CastLike", ["ramp" + suffix, "y" + suffix], ["float" + suffix]),
            ow.node("Sin", ["float" + suffix], ["v" + suffix]),
            ow.node("Mul", ["flat" + suffix, "v" + suffix], ["vy" + suffix]),
            ow.node("ReduceSum", ["vy" + suffix], ["loss" + suffix], keepdims=0),
        ]

    def model(self, t, check):
        """With check: sum(dx * u) less the quotient of differences; without: the derivatives themselves."""
        leaves = list(self.leaves)
        code = {"float64": ow.DOUBLE, "float32": ow.FLOAT}[t]
        init = {k: typed(np.asarray(v), t) for k, v in self.spec["constants"].items()}
        init.update(zero=np.int64(0), one=np.int64(1))
        nodes = self.copy("") + [ow.node("Gradient", leaves, ["d" + k for k in leaves], domain=DOMAIN, xs=leaves, y="loss")]
        outputs = [("d" + k, code, list(self.leaves[k].shape)) for k in leaves]
        if check:
            init.update({"u" + k: typed(u, t) for k, u in self.directions.items()}, h=np.array(H, t), h2=np.array(2 * H, t))
            for k in leaves:
                nodes += [ow.node("Mul", ["u" + k, "h"], ["hu" + k]), ow.node("Add", [k, "hu" + k], [k + ".up"]), ow.node("Sub", [k, "hu" + k], [k + ".down"])]
                nodes += [ow.node("Mul", ["d" + k, "u" + k], ["du" + k]), ow.node("ReduceSum", ["du" + k], ["along" + k], keepdims=0)]
            nodes += self.copy(".up") + self.copy(".down")
            nodes += [ow.node("Sub", ["loss.up", "loss.down"], ["difference"]), ow.node("Div", ["difference", "h2"], ["quotient"])]
            nodes += [ow.node("Sum", ["along" + k for k in leaves], ["along"]), ow.node("Sub", ["along", "quotient"], ["error"])]
            outputs = [("error", code, [])]
        inputs = [(k, code, list(v.shape)) for k, v in self.leaves.items()]
        init = {k: np.asarray(v) for k, v in init.items()}
        return ow.model(nodes, inputs, outputs, init, opset=self.opset, domains={DOMAIN: 1})


class Chain:
    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder

    def run(self, tool, *args):
        """What the tool printed when it failed, or an empty text."""
        done = subprocess.run([os.path.join(self.binaries, tool), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return (done.stdout or "exit status %d" % done.returncode) if done.returncode else ""

    def write(self, case, t, check):
        """(model, options with the inputs)"""
        model, feeds = os.path.join(self.folder, "m.onnx"), []
        with open(model, "wb") as f:
            f.write(case.model(t, check))
        for k, v in case.leaves.items():
            feeds += ["--inputs", os.path.join(self.folder, k + ".npy")]
            np.save(feeds[-1], v.astype(t))
        return model, feeds

    def try_case(self, case):
        """What is wrong, or an empty text."""
        zero, out, binary = (os.path.join(self.folder, n) for n in ("zero", "out", "m.blt"))
        os.makedirs(zero, exist_ok=True)
        np.save(os.path.join(zero, "output_0.npy"), np.zeros((), "float64"))
        model, feeds = self.write(case, "float64", True)
        why = self.run("onnx-eval", model, *feeds, "--expect", zero, "--rtol", "0", "--atol", "1e-6")
        if why:
            return why
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        model, feeds = self.write(case, "float32", False)
        why = self.run("bitletc", model, "-o", binary) or self.run("bitlet-isa-sim", binary, "--quiet", *feeds, "--outputs", out)
        return why or self.run("onnx-eval", model, *feeds, "--expect", out, "--rtol", "1e-4", "--atol", "1e-5")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("-k", default="", help="only cases whose names contain this")
    args = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(args.bin, folder)
        for seed, (name, spec) in enumerate(CASES.items()):
            if args.k not in name:
                continue
            why = chain.try_case(Case(name, spec, seed))
            passed, failed = passed + (not why), failed + bool(why)
            if why:
                print(f"FAILED {name}: {why.strip()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
