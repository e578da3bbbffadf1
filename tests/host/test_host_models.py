#!/usr/bin/env python3
"""Models with strings, sequences and optionals that only the program knows: compiled and simulated, evaluated, and what a run says when the
data contradicts the shapes it was compiled for.

    test_host_models.py BIN
"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not there")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "tools"))
import onnx_write as ow

BIN = sys.argv[1]
STRING = 8
failures = 0


def strings(values, name=""):
    array = np.array(values, dtype=object)
    return [(1, d) for d in array.shape] + [(2, STRING)] + [(6, str(v)) for v in array.ravel()] + ([(8, name)] if name else [])


def sequence(items):
    return [(2, 1)] + [(3, i) for i in items]


def optional(item):
    return [(2, 1), (3, item)] if item else [(2, 0)]


def tensor_type(dtype, shape):
    return ow.value_info("", dtype, shape)[1][1]


def sequence_type(element):
    return [(4, [(1, element)])]


def optional_type(element):
    return [(9, [(1, element)])]


def model(nodes, inputs, outputs, initializers=(), opset=20):
    graph = [(1, n) for n in nodes] + [(2, "g")] + [(5, t) for t in initializers]
    graph += [(11, [(1, n), (2, t)]) for n, t in inputs] + [(12, [(1, n), (2, t)]) for n, t in outputs]
    return ow.encode([(1, 8), (7, graph), (8, [(1, ""), (2, opset)])])


def run(tool, *args):
    done = subprocess.run([os.path.join(BIN, tool)] + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode()


def check(what, good, text=""):
    global failures
    if not good:
        failures += 1
        print("FAILED %s\n%s" % (what, text))


def case(folder, what, onnx, inputs, outputs, says=None):
    """Runs in simulator and evaluator; says: words of the failure that is expected at run time."""
    path, blt = os.path.join(folder, "m.onnx"), os.path.join(folder, "m.blt")
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))
    for name, data in [("m.onnx", onnx)] + [("input_%d.pb" % i, ow.encode(v)) for i, v in enumerate(inputs)] + \
            [("output_%d.pb" % i, ow.encode(v)) for i, v in enumerate(outputs)]:
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    status, text = run("bitletc", path, "-o", blt)
    check(what + ": bitletc", status == 0, text)
    for tool, first in (("bitlet-isa-sim", blt), ("onnx-eval", path)):
        status, text = run(tool, first, "--inputs", folder, "--expect", folder)
        check("%s: %s" % (what, tool), status == 0 if says is None else status == 1 and says in text, text)
    return path, blt


def main():
    f32, i64 = ow.FLOAT, ow.INT64
    a, b, c = (np.arange(6, dtype=np.float32).reshape(2, 3) + 10 * k for k in range(3))
    at = np.array(-2, np.int64)
    vector = tensor_type(f32, [2, 3])
    with tempfile.TemporaryDirectory() as folder:
        nodes = [ow.node("SequenceInsert", ["s", "x", "at"], ["t"]), ow.node("SequenceAt", ["t", "at"], ["y"]),
                 ow.node("SequenceErase", ["t", "at"], ["u"]), ow.node("SequenceLength", ["t"], ["n"]),
                 ow.node("ConcatFromSequence", ["t"], ["z"], axis=1), ow.node("Add", ["y", "x"], ["sum"])]
        onnx = model(nodes, [("s", sequence_type(vector)), ("x", vector), ("at", tensor_type(i64, []))],
                     [("t", sequence_type(vector)), ("u", sequence_type(vector)), ("n", tensor_type(i64, [])), ("z", tensor_type(f32, [2, 9])),
                      ("sum", vector)])
        t = [c, a, b]
        path, blt = case(folder, "a sequence that is an input", onnx, [sequence([ow.tensor(a), ow.tensor(b)]), ow.tensor(c), ow.tensor(at)],
                         [sequence(map(ow.tensor, t)), sequence(map(ow.tensor, [c, b])), ow.tensor(np.array(3, np.int64)),
                          ow.tensor(np.concatenate(t, 1)), ow.tensor(a + c)])
        outputs = os.path.join(folder, "out")
        status, text = run("bitlet-isa-sim", blt, "--inputs", folder, "--outputs", outputs)
        status2, text2 = run("bitlet-isa-sim", blt, "--inputs", folder, "--expect", outputs)
        check("written sequences read back", status == 0 and status2 == 0, text + text2)
        for name in os.listdir(outputs):
            os.remove(os.path.join(outputs, name))
        os.rmdir(outputs)
        with open(os.path.join(folder, "output_0.pb"), "wb") as f:
            f.write(ow.encode(sequence(map(ow.tensor, [c, a + 1, b]))))
        status, text = run("bitlet-isa-sim", blt, "--inputs", folder, "--expect", folder)
        check("a differing element is told", status == 1 and "t[1]" in text, text)
        case(folder, "an element of another shape", onnx, [sequence([ow.tensor(a[:1]), ow.tensor(b)]), ow.tensor(c), ow.tensor(at)], [], "f32[1,3]")

        nodes = [ow.node("OptionalHasElement", ["o"], ["has"]), ow.node("OptionalGetElement", ["o"], ["x"]), ow.node("Neg", ["x"], ["y"])]
        onnx = model(nodes, [("o", optional_type(vector))], [("has", tensor_type(ow.BOOL, [])), ("y", vector)])
        case(folder, "an optional that is an input", onnx, [optional(ow.tensor(a))], [ow.tensor(np.array(True)), ow.tensor(-a)])
        case(folder, "an empty optional", onnx, [optional(None)], [], "the optional is empty")

        words = [["Zwei", "drei "], ["", "\u00e4hnlich"]]
        nodes = [ow.node("StringConcat", ["x", "tail"], ["joined"]), ow.node("Transpose", ["joined"], ["turned"]),
                 ow.node("Gather", ["turned", "row"], ["y"]), ow.node("Equal", ["y", "like"], ["same"]),
                 ow.node("Concat", ["y", "x"], ["both"], axis=0), ow.node("Where", ["mask", "x", "tail"], ["w"])]
        both = [["drei !", "\u00e4hnlich!"]] + words
        onnx = model(nodes, [("x", tensor_type(STRING, [2, 2]))],
                     [("same", tensor_type(ow.BOOL, [1, 2])), ("both", tensor_type(STRING, [3, 2])), ("w", tensor_type(STRING, [2, 2]))],
                     [strings(["!"], "tail"), strings(["\u00e4hnlich!"], "like"), ow.tensor(np.array([1], np.int64), "row"),
                      ow.tensor(np.array([True, False]), "mask")])
        path, blt = case(folder, "strings", onnx, [strings(words)],
                         [ow.tensor(np.array([[False, True]])), strings(both), strings([["Zwei", "!"], ["", "!"]])])
        os.mkdir(os.path.join(folder, "npy"))
        np.save(os.path.join(folder, "npy", "input_0.npy"), np.array(words))
        status, text = run("bitlet-isa-sim", blt, "--inputs", os.path.join(folder, "npy"), "--expect", folder)
        check("strings from .npy", status == 0, text)
        os.remove(os.path.join(folder, "npy", "input_0.npy"))
        os.rmdir(os.path.join(folder, "npy"))
        status, text = run("bitlet-isa-sim", blt)
        check("seeded random strings", status == 0, text)

        onnx = model([ow.node("Unique", ["x"], ["y", "", "", "n"])], [("x", tensor_type(i64, [4]))],
                     [("y", tensor_type(i64, [2])), ("n", tensor_type(i64, [2]))])
        values = [ow.tensor(np.array(v, np.int64)) for v in ([5, 3, 5, 5], [3, 5], [1, 3], [1, 2, 3, 3])]
        case(folder, "a number of values as declared", onnx, values[:1], values[1:3])
        case(folder, "another number of values", onnx, values[3:], [], "compiled for 2")
        onnx = model([ow.node("RegexFullMatch", ["x"], ["y"], pattern="(a)\\1")], [("x", tensor_type(STRING, [1]))], [("y", tensor_type(ow.BOOL, [1]))])
        case(folder, "an expression that ONNX has not", onnx, [strings(["aa"])], [], "refers back")
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
    print("%d failed" % failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
