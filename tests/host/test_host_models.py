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
    """shape None: not told."""
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


def undeclared(folder):
    """Results whose extents follow from data and are declared nowhere."""
    f32, i64, u8 = ow.FLOAT, ow.INT64, ow.UINT8
    x = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [2, 3, 2, 4]], np.float32)
    values, first, inverse, counts = (np.asarray(v) for v in np.unique(x, True, True, True, axis=1))
    nodes = [ow.node("Unique", ["x"], ["u", "first", "inverse", "counts"], axis=1), ow.node("ReduceSum", ["u"], ["y"], keepdims=0)]
    onnx = model(nodes, [("x", tensor_type(f32, [3, 4]))], [(n, tensor_type(t, None)) for n, t in (("u", f32), ("first", i64), ("inverse", i64), ("counts", i64))] +
                 [("y", tensor_type(f32, []))])
    case(folder, "distinct columns", onnx, [ow.tensor(x)], [ow.tensor(v) for v in (values, first, inverse, counts, values.sum().astype(np.float32))])
    onnx = model([ow.node("Unique", ["x"], ["y"], sorted=0)], [("x", tensor_type(i64, [5]))], [("y", tensor_type(i64, ["n"]))])
    for given, want in (([3, 1, 3, 2, 1], [3, 1, 2]), ([7] * 5, [7]), ([5, 4, 3, 2, 1], [5, 4, 3, 2, 1])):
        case(folder, "distinct values", onnx, [ow.tensor(np.array(given, np.int64))], [ow.tensor(np.array(want, np.int64))])

    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 100, 1, 101]]], np.float32)
    scores = np.array([[[0.9, 0.75, 0.95, 0.3]]], np.float32)
    kept = np.array([[0, 0, 2], [0, 0, 0]], np.int64)
    thresholds = [ow.tensor(np.array(v, t)) for v, t in (([2], np.int64), ([0.5], np.float32))]
    types = [("most", tensor_type(i64, [1])), ("iou", tensor_type(f32, [1]))]
    for dims in ([1, 4], [1, "N"]):
        onnx = model([ow.node("NonMaxSuppression", ["b", "s", "most", "iou"], ["y"])],
                     [("b", tensor_type(f32, dims + [4])), ("s", tensor_type(f32, [1, 1] + dims[1:]))] + types, [("y", tensor_type(i64, ["n", 3]))])
        case(folder, "boxes that stay", onnx, [ow.tensor(boxes), ow.tensor(scores)] + thresholds, [ow.tensor(kept)])
    case(folder, "boxes that stay, of a smaller number", onnx, [ow.tensor(boxes[:, :2]), ow.tensor(scores[..., :2].copy())] + thresholds,
         [ow.tensor(kept[1:])])

    for most, want in ((-1, [["a", "b", "c"], ["", "", ""], ["d", "e", ""]]), (1, [["a", "b c"], ["", ""], ["d", "e"]])):
        onnx = model([ow.node("StringSplit", ["x"], ["y", "n"], maxsplit=most)], [("x", tensor_type(STRING, [3]))],
                     [("y", tensor_type(STRING, None)), ("n", tensor_type(i64, [3]))])
        count = np.array([len([w for w in row if w]) for row in want], np.int64)
        case(folder, "parts of strings", onnx, [strings(["a b c", " ", "d e"])], [strings(want), ow.tensor(count)])
        case(folder, "parts of empty strings", onnx, [strings(["", " ", ""])], [[(1, 3), (1, 0), (2, STRING)], ow.tensor(0 * count)])
    onnx = model([ow.node("StringSplit", ["x"], ["y", "n"])], [("x", tensor_type(STRING, [1]))], [("y", tensor_type(STRING, None)), ("n", tensor_type(i64, [1]))])
    case(folder, "too many parts", onnx, [strings(["a " * 1500])], [], "1024, which --max-dim sets")
    onnx = model([ow.node("StringNormalizer", ["x"], ["y"], stopwords=["a"])], [("x", tensor_type(STRING, [3]))], [("y", tensor_type(STRING, ["n"]))])
    case(folder, "words that stay", onnx, [strings(["b", "a", "c"])], [strings(["b", "c"])])
    case(folder, "no word stays", onnx, [strings(["a", "a", "a"])], [strings([""])])

    image = np.frombuffer(b"P5 3 2 255\n" + bytes(range(6)), np.uint8)
    pixels = np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 3, 2)
    onnx = model([ow.node("ImageDecoder", ["x"], ["y"])], [("x", tensor_type(u8, ["bytes"]))], [("y", tensor_type(u8, ["h", "w", "c"]))])
    case(folder, "an image", onnx, [ow.tensor(image)], [ow.tensor(pixels)])
    wide = np.frombuffer(b"P4 2000 1\n" + bytes(250), np.uint8)
    case(folder, "too large an image", onnx, [ow.tensor(wide)], [], "extent 1 of the image is larger than")


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
        with open(os.path.join(folder, "m.onnx"), "wb") as f:
            f.write(onnx)
        status, said = run("bitletc", os.path.join(folder, "m.onnx"), "-o", os.path.join(folder, "none.blt"))
        check("an expression that ONNX has not", status == 1 and "node 0 (RegexFullMatch" in said and "has \\1, which RE2" in said, said)
        undeclared(folder)
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
    print("%d failed" % failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
