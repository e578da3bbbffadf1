#!/usr/bin/env python3
"""Shapes known only at run time: one binary, inputs of several sizes, against numpy.

    check_extents.py --bin BUILD/bin

Every model is compiled once. For each size it runs on the simulator and on the reference evaluator; both must give the extents and the
values that numpy gives. What the program cannot take must end with a message of its own.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import onnx_write as ow  # noqa: E402


class Checks:
    def __init__(self, folder):
        self.bin, self.passed, self.failed = folder, 0, 0

    def note(self, good, what, detail=""):
        self.passed += good
        self.failed += not good
        if not good:
            print("FAILED %s\n    %s" % (what, detail.replace("\n", "\n    ")))

    def run(self, *words):
        done = subprocess.run([os.path.join(self.bin, words[0])] + list(words[1:]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.decode("utf-8", "replace")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def padded(x, pads, mode, **more):
    cut = x[max(-pads[0], 0):x.shape[0] - max(-pads[2], 0), max(-pads[1], 0):x.shape[1] - max(-pads[3], 0)]
    return np.pad(cut, [(max(pads[0], 0), max(pads[2], 0)), (max(pads[1], 0), max(pads[3], 0))], mode, **more)


RNG = np.random.default_rng(5)
W = RNG.standard_normal((6, 5)).astype("f")
K = RNG.standard_normal((4, 3, 3, 3)).astype("f")
LSTM_W, LSTM_R = RNG.standard_normal((2, 12, 4)).astype("f"), RNG.standard_normal((2, 12, 3)).astype("f")


def doubled(x):
    """Linear interpolation to twice the size: half-pixel centres."""
    for axis in (2, 3):
        at = (np.arange(2 * x.shape[axis]) + 0.5) / 2 - 0.5
        low, part = np.floor(at).astype(int), (at - np.floor(at)).astype("f")
        part = part.reshape([-1 if d == axis else 1 for d in range(4)])
        x = x.take(low.clip(0, x.shape[axis] - 1), axis) * (1 - part) + x.take((low + 1).clip(0, x.shape[axis] - 1), axis) * part
    return x


def pooled(x):
    """2x2 windows: the largest elements, and where they lie in x."""
    n, c, h, w = x.shape
    at = np.arange(x.size).reshape(x.shape)
    parts = [v.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4) for v in (x, at)]
    best = parts[0].argmax(-1)[..., None]
    return [np.take_along_axis(v, best, -1)[..., 0] for v in parts]


def quantised(x, w):
    low, high = min(x.min(), 0), max(x.max(), 0)
    step = np.float32((high - low) / np.float32(255))
    zero = np.clip(np.rint(-low / step), 0, 255)
    a, product = np.rint(x * 16), None
    product = a @ w
    return [np.clip(np.rint(x / step) + zero, 0, 255).astype(np.uint8), x, product.astype(np.int32), np.clip(np.rint(product * 0.0625) + 128, 0, 255).astype(np.uint8)]


def batches(x, q):
    n = len(x)
    d = x.reshape(n, 2, 2, 1, 3, 3).transpose(0, 3, 4, 1, 5, 2).reshape(n, 1, 6, 6)
    p = np.sqrt(sum(x[:, :, i:i + 2, j:j + 2] ** 2 for i in (0, 1) for j in (0, 1)))
    c = np.stack([q[:, 0] + 2 * q[:, 1].astype(np.int32), q[:, 1]], 1)
    return [np.minimum(c, 255).astype(np.uint8), c.astype(np.int32), -np.sort(-x, 3)[..., :2], d, x, p]


def asked(x, shape):
    return x.reshape([x.shape[d] if e == 0 else e for d, e in enumerate(shape)])


def i64(*v):
    return np.array(v, dtype=np.int64)


def model(nodes, inputs, outputs, constants=None):
    """inputs, outputs: (name, element type, extents); a string is a dimension parameter."""
    return nodes, inputs, outputs, constants or {}


# name: (model, options, sizes -> feeds, feeds -> expected)
CASES = {
    "elementwise": (model([("Add", ["x", "x"], ["a"]), ("Relu", ["a"], ["y"])], [("x", ow.FLOAT, ["N", "M"])], [("y", ow.FLOAT, ["N", "M"])]),
                    ["--shape", "x=1..7x1..9"], [(1, 1), (7, 9), (3, 4)], lambda n, m: [RNG.standard_normal((n, m)).astype("f")],
                    lambda x: [np.maximum(x + x, 0)]),
    "softmax": (model([("Softmax", ["x"], ["y"])], [("x", ow.FLOAT, ["N", "M"])], [("y", ow.FLOAT, ["N", "M"])]),
                [], [(2, 3), (5, 1), (4, 200)], lambda n, m: [RNG.standard_normal((n, m)).astype("f")], lambda x: [softmax(x)]),
    "transpose_reduce": (model([("Transpose", ["x"], ["t"]), ("ReduceMean", ["t", "axes"], ["m"]), ("ReduceMax", ["t", "axes"], ["h"])],
                               [("x", ow.FLOAT, ["N", 3, "M"])], [("t", ow.FLOAT, ["M", 3, "N"]), ("m", ow.FLOAT, ["M", 3, 1]), ("h", ow.FLOAT, ["M", 3, 1])],
                               {"axes": i64(2)}),
                         ["--shape", "N=1..6", "--shape", "M=1..4"], [(6, 4), (2, 3), (1, 4)],
                         lambda n, m: [RNG.standard_normal((n, 3, m)).astype("f")],
                         lambda x: [x.T, x.T.mean(2, keepdims=True), x.T.max(2, keepdims=True)]),
    "matmul": (model([("MatMul", ["x", "w"], ["p"]), ("Add", ["p", "b"], ["y"])], [("x", ow.FLOAT, ["N", 6])], [("y", ow.FLOAT, ["N", 5])],
                     {"w": W, "b": W[0, :5].copy()}),
               ["--shape", "x=1..300x6"], [(1,), (300,), (129,)], lambda n: [RNG.standard_normal((n, 6)).astype("f")],
               lambda x: [(x.astype("d") @ W + W[0, :5]).astype("f")]),
    "conv_batch": (model([("Conv", ["x", "k"], ["c"], {"pads": [1, 1, 1, 1]}), ("Relu", ["c"], ["r"]), ("GlobalAveragePool", ["r"], ["g"]), ("Flatten", ["g"], ["y"])],
                         [("x", ow.FLOAT, ["N", 3, 6, 6])], [("y", ow.FLOAT, ["N", 4])], {"k": K}),
                   ["--shape", "x=1..5x3x6x6"], [(1,), (5,), (2,)], lambda n: [RNG.standard_normal((n, 3, 6, 6)).astype("f")], None),
    # K, rows and columns of a product of two operands of run time; groups and tiles that are not full.
    "matmul_open": (model([("Transpose", ["b"], ["bt"]), ("MatMul", ["a", "bt"], ["p"]), ("MatMul", ["p", "b"], ["y"])],
                          [("a", ow.FLOAT, ["N", "K"]), ("b", ow.FLOAT, ["M", "K"])], [("p", ow.FLOAT, ["N", "M"]), ("y", ow.FLOAT, ["N", "K"])]),
                    ["--shape", "N=1..40", "--shape", "M=1..70", "--shape", "K=1..150"], [(1, 1, 1), (40, 70, 150), (3, 33, 65), (17, 5, 64)],
                    lambda n, m, k: [RNG.standard_normal((n, k)).astype("f"), RNG.standard_normal((m, k)).astype("f")],
                    lambda a, b: [(a.astype("d") @ b.T).astype("f"), (a.astype("d") @ b.T @ b).astype("f")]),
    "matmul_batches": (model([("MatMul", ["a", "b"], ["y"])], [("a", ow.FLOAT, ["B", 2, "N", 5]), ("b", ow.FLOAT, ["B", 2, 5, "M"])], [("y", ow.FLOAT, None)]),
                       ["--shape", "B=1..3", "--shape", "N=1..4", "--shape", "M=1..6"], [(3, 4, 6), (1, 1, 1), (2, 3, 5)],
                       lambda k, n, m: [RNG.standard_normal((k, 2, n, 5)).astype("f"), RNG.standard_normal((k, 2, 5, m)).astype("f")],
                       lambda a, b: [np.matmul(a.astype("d"), b).astype("f")]),
    "conv_open": (model([("Conv", ["x", "k"], ["y"], {"pads": [1, 1, 1, 1]}), ("Conv", ["y", "k2"], ["z"], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
                         ("Conv", ["y", "k2"], ["v"], {"dilations": [1, 2]})],
                        [("x", ow.FLOAT, ["N", 3, "H", "W"])], [("y", ow.FLOAT, None), ("z", ow.FLOAT, None), ("v", ow.FLOAT, None)],
                        {"k": K, "k2": np.concatenate([K, K[:, :1]], 1)}),
                  ["--shape", "x=1..2x3x3..12x5..40"], [(2, 12, 40), (1, 3, 5), (1, 7, 8), (2, 4, 11)],
                  lambda n, h, w: [RNG.standard_normal((n, 3, h, w)).astype("f")], None),
    "pools_open": (model([("MaxPool", ["x"], ["m"], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
                          ("AveragePool", ["x"], ["a"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
                          ("AveragePool", ["x"], ["b"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
                          ("GlobalAveragePool", ["x"], ["g"])],
                         [("x", ow.FLOAT, ["N", 2, "H", "W"])], [(k, ow.FLOAT, None) for k in "mabg"]),
                   ["--shape", "x=1..2x2x2..9x2..11"], [(2, 9, 11), (1, 2, 2), (1, 5, 4)], lambda n, h, w: [RNG.standard_normal((n, 2, h, w)).astype("f")], None),
    "concat_open": (model([("Concat", ["a", "b", "c", "a"], ["y"], {"axis": 1})], [("a", ow.FLOAT, ["N", "P"]), ("b", ow.FLOAT, ["N", 2]), ("c", ow.FLOAT, ["N", "Q"])],
                          [("y", ow.FLOAT, None)]),
                    ["--shape", "N=1..3", "--shape", "P=0..4", "--shape", "Q=0..5"], [(3, 4, 5), (1, 0, 2), (2, 1, 0), (2, 0, 0)],
                    lambda n, p, q: [RNG.standard_normal((n, p)).astype("f"), RNG.standard_normal((n, 2)).astype("f"), RNG.standard_normal((n, q)).astype("f")],
                    lambda a, b, c: [np.concatenate([a, b, c, a], 1)]),
    "lstm": (model([("LSTM", ["x", "w", "r"], ["y", "h"], {"hidden_size": 3, "direction": "bidirectional"})], [("x", ow.FLOAT, ["T", "N", 4])],
                   [("y", ow.FLOAT, None), ("h", ow.FLOAT, None)], {"w": LSTM_W, "r": LSTM_R}),
             ["--shape", "x=1..6x1..4x4"], [(6, 4), (1, 1), (3, 2)], lambda t, n: [RNG.standard_normal((t, n, 4)).astype("f")], None),
    "reshape": (model([("Shape", ["x"], ["s"]), ("Gather", ["s", "zero"], ["n"]), ("Unsqueeze", ["n", "zero1"], ["n1"]), ("Concat", ["n1", "rest"], ["to"], {"axis": 0}),
                       ("Reshape", ["x", "to"], ["y"]), ("Reshape", ["x", "flat"], ["z"]), ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}), ("Reshape", ["t", "flat"], ["u"])],
                      [("x", ow.FLOAT, ["N", "M", 4])], [("y", ow.FLOAT, None), ("z", ow.FLOAT, None), ("u", ow.FLOAT, None)],
                      {"zero": np.int64(0).reshape(()), "zero1": i64(0), "rest": i64(-1, 2), "flat": i64(-1)}),
                ["--shape", "x=1..5x1..3x4"], [(5, 3), (1, 1), (4, 2)], lambda n, m: [RNG.standard_normal((n, m, 4)).astype("f")],
                lambda x: [x.reshape(x.shape[0], -1, 2), x.reshape(-1), x.transpose(1, 0, 2).reshape(-1)]),
    "range_expand": (model([("Range", ["start", "stop", "step"], ["r"]), ("Cast", ["r"], ["y"], {"to": ow.FLOAT})],
                           [("stop", ow.INT64, [])], [("y", ow.FLOAT, None)], {"start": np.int64(1).reshape(()), "step": np.int64(3).reshape(())}),
                     [], [(2,), (100,), (1,), (-5,)], lambda n: [np.int64(n).reshape(())], lambda n: [np.arange(1, n, 3).astype("f")]),
    "constant_of_shape": (model([("ConstantOfShape", ["s"], ["c"]), ("Expand", ["x", "s"], ["e"]), ("Add", ["c", "e"], ["y"])], [("s", ow.INT64, [2]), ("x", ow.FLOAT, [3, 1])],
                                [("y", ow.FLOAT, None)]),
                          ["--max-dim", "16"], [(3, 4), (3, 1), (3, 16)], lambda n, m: [i64(n, m), np.arange(3).astype("f").reshape(3, 1)],
                          lambda s, x: [np.broadcast_to(x, s)]),
    "slice": (model([("Slice", ["x", "from", "to", "axes", "step"], ["y"]), ("Slice", ["x", "last", "most", "one"], ["z"])], [("x", ow.FLOAT, ["N", "M"])],
                    [("y", ow.FLOAT, None), ("z", ow.FLOAT, None)],
                    {"from": i64(-1), "to": i64(-1000), "axes": i64(0), "step": i64(-2), "last": i64(-2), "most": i64(1 << 60), "one": i64(1)}),
              ["--shape", "x=1..5x1..4"], [(5, 4), (1, 1), (4, 3)], lambda n, m: [RNG.standard_normal((n, m)).astype("f")], lambda x: [x[::-2], x[:, -2:]]),
    "pad": (model([("Pad", ["x", "pads", "value"], ["y"]), ("Pad", ["x", "pads"], ["z"], {"mode": "edge"})], [("x", ow.FLOAT, [2, 3]), ("pads", ow.INT64, [4])],
                  [("y", ow.FLOAT, None), ("z", ow.FLOAT, None)], {"value": np.float32(7).reshape(())}),
            [], [(1, 0, 2, 3), (0, 0, 0, 0), (-1, 2, 3, -1)], lambda *p: [RNG.standard_normal((2, 3)).astype("f"), i64(*p)],
            lambda x, p: [padded(x, p, "constant", constant_values=7), padded(x, p, "edge")]),
    "nonzero": (model([("NonZero", ["x"], ["y"]), ("Compress", ["x", "c"], ["z"], {"axis": 1}), ("TopK", ["x", "k"], ["v", "w"], {"axis": 1})],
                      [("x", ow.FLOAT, [3, 4]), ("c", ow.BOOL, [4]), ("k", ow.INT64, [1])],
                      [("y", ow.INT64, None), ("z", ow.FLOAT, None), ("v", ow.FLOAT, None), ("w", ow.INT64, None)]),
                [], [(0, 0), (5, 2), (12, 4)], lambda n, k: [(RNG.permutation(12) < n).astype("f").reshape(3, 4), np.arange(4) < k, i64(k)],
                lambda x, c, k: [np.array(np.nonzero(x)), x[:, c], -np.sort(-x, axis=1)[:, :k[0]], np.argsort(-x, axis=1, kind="stable")[:, :k[0]]]),
    "two_inputs": (model([("Mul", ["a", "b"], ["y"])], [("a", ow.FLOAT, ["N", 2]), ("b", ow.FLOAT, ["N", 2])], [("y", ow.FLOAT, ["N", 2])]),
                   ["--shape", "N=1..4"], [(4, 4), (2, 2)], lambda n, m: [np.ones((n, 2), "f") * 3, np.ones((m, 2), "f") * 2], lambda a, b: [a * b]),
    "gather_rows": (model([("Gather", ["x", "i"], ["g"]), ("Shape", ["g"], ["s"]), ("Size", ["g"], ["z"])], [("x", ow.FLOAT, ["N", 3]), ("i", ow.INT64, ["K"])],
                          [("g", ow.FLOAT, None), ("s", ow.INT64, None), ("z", ow.INT64, None)]),
                    ["--shape", "N=1..6", "--shape", "K=0..5"], [(6, 5), (2, 1), (3, 0)],
                    lambda n, k: [RNG.standard_normal((n, 3)).astype("f"), np.array([(-1) ** j * (j % n) for j in range(k)], dtype=np.int64)],
                    lambda x, i: [x[i], i64(len(i), 3), np.int64(3 * len(i)).reshape(())]),
    # Bodies that look at no extents, or ask for positions along a dimension.
    "by_element": (model([("Mean", ["x", "x"], ["mean"]), ("CumSum", ["x", "axis"], ["prod"]), ("Dropout", ["x"], ["same", "mask"]),
                          ("Hardmax", ["x"], ["hard"], {"axis": 1}), ("Trilu", ["x", "one"], ["upper"]), ("LpNormalization", ["x"], ["unit"], {"axis": 0}),
                          ("ArgMax", ["x"], ["best"], {"axis": 1, "keepdims": 0}), ("Compress", ["x", "mask1"], ["some"], {"axis": 1})],
                         [("x", ow.FLOAT, ["N", "M"])], [(n, t, None) for n, t in (("mean", ow.FLOAT), ("prod", ow.FLOAT), ("same", ow.FLOAT), ("mask", ow.BOOL),
                                                         ("hard", ow.FLOAT), ("upper", ow.FLOAT), ("unit", ow.FLOAT), ("best", ow.INT64), ("some", ow.FLOAT))],
                         {"axis": np.array(1), "one": np.array(1), "mask1": np.array([True, False, True])}),
                   ["--shape", "N=1..5", "--shape", "M=3..8"], [(5, 8), (1, 3), (4, 5)], lambda n, m: [RNG.standard_normal((n, m)).astype("f")],
                   lambda x: [x, x.cumsum(1), x, np.ones(x.shape, bool), (x == x.max(1, keepdims=True)).astype("f"), np.triu(x, 1),
                              x / np.sqrt((x ** 2).sum(0, keepdims=True)), x.argmax(1), x[:, [0, 2]]]),
    "quantised": (model([("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]), ("QuantizeLinear", ["x", "s", "z"], ["a"]), ("DequantizeLinear", ["a", "s", "z"], ["d"]),
                         ("MatMulInteger", ["a", "w", "z"], ["i"]), ("QLinearMatMul", ["a", "s", "z", "w", "s", "wz", "s", "z"], ["m"])], [("x", ow.FLOAT, ["N", "K"]), ("w", ow.INT8, ["K", 3])],
                        [("q", ow.UINT8, None), ("d", ow.FLOAT, None), ("i", ow.INT32, None), ("m", ow.UINT8, None)],
                        {"s": np.array(0.0625, "f"), "z": np.array(128, np.uint8), "wz": np.array(0, np.int8)}),
                  ["--shape", "N=1..40", "--shape", "K=1..80"], [(40, 80), (1, 1), (7, 70)],
                  lambda n, k: [RNG.integers(-32, 33, (n, k)).astype("f") / 16, RNG.integers(-8, 9, (k, 3)).astype(np.int8)], lambda x, w: quantised(x, w)),
    "batches": (model([("QLinearConv", ["x8", "s", "z", "k8", "s", "z", "s", "z"], ["t"]), ("ConvInteger", ["x8", "k8"], ["i"]), ("TopK", ["x", "two"], ["top", "at"]), ("DepthToSpace", ["x"], ["d"], {"blocksize": 2}), ("SpaceToDepth", ["d"], ["b"], {"blocksize": 2}), ("LpPool", ["x"], ["p"], {"kernel_shape": [2, 2]})],
                      [("x", ow.FLOAT, ["N", 4, 3, 3]), ("x8", ow.UINT8, ["N", 2, 3, 3])],
                      [("t", ow.UINT8, None), ("i", ow.INT32, None), ("top", ow.FLOAT, None), ("d", ow.FLOAT, None), ("b", ow.FLOAT, None), ("p", ow.FLOAT, None)],
                      {"k8": np.array([[[[1]], [[2]]], [[[0]], [[1]]]], np.uint8), "s": np.array(1, "f"), "z": np.array(0, np.uint8), "two": i64(2)}),
                [], [(3,), (1,), (16,)], lambda n: [RNG.standard_normal((n, 4, 3, 3)).astype("f"), RNG.integers(0, 80, (n, 2, 3, 3)).astype(np.uint8)], lambda x, q: batches(x, q)),
    "scan": (model([("Scan", ["zero", "x"], ["sum", "sums"], {"body": ow.graph([ow.node("Add", ["a", "b"], ["c"]), ow.node("Identity", ["c"], ["d"])],
                                                                              [("a", ow.FLOAT, [3]), ("b", ow.FLOAT, [3])], [("c", ow.FLOAT, [3]), ("d", ow.FLOAT, [3])]),
                                                              "num_scan_inputs": 1, "scan_input_directions": [1], "scan_output_directions": [1]})],
                   [("x", ow.FLOAT, ["N", 3])], [("sum", ow.FLOAT, [3]), ("sums", ow.FLOAT, None)], {"zero": np.zeros(3, "f")}),
             ["--shape", "N=1..6"], [(6,), (1,), (4,)], lambda n: [RNG.standard_normal((n, 3)).astype("f")], lambda x: [x[::-1].cumsum(0)[-1], x[::-1].cumsum(0)[::-1]]),
    "max_positions": (model([("MaxPool", ["x"], ["y", "at"], {"kernel_shape": [2, 2], "strides": [2, 2]})], [("x", ow.FLOAT, ["N", 2, 4, 4])],
                            [("y", ow.FLOAT, None), ("at", ow.INT64, None)]),
                      ["--shape", "N=1..3"], [(3,), (1,)], lambda n: [RNG.permutation(n * 32).astype("f").reshape(n, 2, 4, 4)], lambda x: pooled(x)),
    # A batch that only the input tells, an image of strings, and a shape of the user's with 0 and -1.
    "cast_strings": (model([("Cast", ["x"], ["s"], {"to": ow.STRING}), ("Cast", ["s"], ["y"], {"to": ow.FLOAT}), ("Equal", ["s", "s"], ["e"])], [("x", ow.FLOAT, ["N", 3])],
                           [("y", ow.FLOAT, None), ("e", ow.BOOL, None)]),
                     ["--shape", "N=1..5"], [(5,), (1,), (4,)], lambda n: [RNG.standard_normal((n, 3)).astype("f")], lambda x: [x, x == x]),
    "reshape_asked": (model([("Reshape", ["x", "s"], ["y"]), ("Neg", ["y"], ["z"])], [("x", ow.FLOAT, ["N", 6]), ("s", ow.INT64, [3])], [("y", ow.FLOAT, None), ("z", ow.FLOAT, None)]),
                      ["--shape", "N=1..4"], [(4, 0, -1, 2), (2, 3, 4, 1), (1, -1, 0, 1), (3, 2, -1, 3)], lambda n, *s: [RNG.standard_normal((n, 6)).astype("f"), i64(*s)],
                      lambda x, s: [asked(x, s), -asked(x, s)]),
    # Expanded from a function: its result is given the shape of the operand again.
    "reshape_back": (model([("Shape", ["x"], ["s"]), ("Flatten", ["x"], ["f"], {"axis": 2}), ("Neg", ["f"], ["g"]), ("Reshape", ["g", "s"], ["y"])], [("x", ow.FLOAT, ["N", 3, 5])],
                           [("y", ow.FLOAT, None)]), [], [(16,), (1,), (7,)], lambda n: [RNG.standard_normal((n, 3, 5)).astype("f")], lambda x: [-x]),
    "reduce_named": (model([("ReduceMean", ["x", "axes"], ["y"], {"keepdims": 0}), ("ReduceLogSumExp", ["x", "axes"], ["z"]), ("Squeeze", ["z", "axes"], ["q"]),
                            ("Unsqueeze", ["q", "axes"], ["u"])], [("x", ow.FLOAT, ["N", 3, "M"]), ("axes", ow.INT64, [1])],
                           [("y", ow.FLOAT, None), ("z", ow.FLOAT, None), ("q", ow.FLOAT, None), ("u", ow.FLOAT, None)]),
                     ["--shape", "N=1..4", "--shape", "M=1..5"], [(4, 5, 0), (2, 1, -1), (3, 2, 1)], lambda n, m, a: [RNG.standard_normal((n, 3, m)).astype("f"), i64(a)],
                     lambda x, a: [x.mean(a[0]), *[np.log(np.exp(x).sum(a[0], keepdims=k)) for k in (True, False, True)]]),
    "split_named": (model([("Split", ["x", "sizes"], ["a", "b"], {"axis": 0}), ("Neg", ["b"], ["c"])], [("x", ow.FLOAT, ["N", 3]), ("sizes", ow.INT64, [2])],
                          [("a", ow.FLOAT, None), ("c", ow.FLOAT, None)]),
                    ["--shape", "N=1..6"], [(6, 2), (1, 0), (4, 4)], lambda n, k: [RNG.standard_normal((n, 3)).astype("f"), i64(k, n - k)], lambda x, s: [x[:s[0]], -x[s[0]:]]),
    "resize_scales": (model([("Resize", ["x", "", "scales"], ["y"], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"})],
                            [("x", ow.FLOAT, [1, 2, "H", "W"])], [("y", ow.FLOAT, [1, 2, "OH", "OW"])], {"scales": np.array([1, 1, 2, 1.5], "f")}),
                      ["--shape", "H=1..9", "--shape", "W=2..12"], [(9, 12), (1, 2), (4, 7)], lambda h, w: [RNG.standard_normal((1, 2, h, w)).astype("f")],
                      lambda x: [x.repeat(2, 2)[..., (np.arange(x.shape[3] * 3 // 2) / 1.5).astype(int)]]),
    # As exporters write it: the batch and the channels from Shape, the size a multiple of the operand's; halves of halves, so that linear is exact.
    "resize_sizes": (model([("Shape", ["x"], ["s"]), ("Slice", ["s", "zero", "two"], ["head"]), ("Slice", ["s", "two", "four"], ["tail"]), ("Mul", ["tail", "two"], ["twice"]),
                            ("Concat", ["head", "twice"], ["sizes"], {"axis": 0}), ("Resize", ["x", "", "", "sizes"], ["y"], {"mode": "linear"}), ("Relu", ["y"], ["z"])],
                           [("x", ow.FLOAT, ["N", 2, "H", "W"])], [("y", ow.FLOAT, None), ("z", ow.FLOAT, None)],
                           {"zero": i64(0), "two": i64(2), "four": i64(4)}),
                     ["--shape", "N=1..3", "--shape", "H=1..6", "--shape", "W=1..5"], [(3, 6, 5), (1, 1, 1), (2, 3, 4)],
                     lambda n, h, w: [RNG.standard_normal((n, 2, h, w)).astype("f")], lambda x: [doubled(x), np.maximum(doubled(x), 0)]),
    "resize_to_fixed": (model([("Resize", ["x", "", "", "sizes"], ["y"], {"mode": "nearest", "axes": [2, 3]})], [("x", ow.FLOAT, ["N", 2, "H", 4])], [("y", ow.FLOAT, ["N", 2, 6, 4])],
                              {"sizes": i64(6, 4)}),
                        ["--shape", "N=1..2", "--shape", "H=1..9"], [(2, 9), (1, 1), (1, 4)], lambda n, h: [RNG.standard_normal((n, 2, h, 4)).astype("f")],
                        lambda x: [x[:, :, np.ceil((np.arange(6) + 0.5) * x.shape[2] / 6 - 1).astype(int).clip(0, x.shape[2] - 1)]]),
}
# name: (case, feeds, part of the message)
FAULTS = {
    "too long": ("constant_of_shape", lambda: [i64(3, 17), np.ones((3, 1), "f")], "--max-dim"),
    "negative": ("constant_of_shape", lambda: [i64(-3, 1), np.ones((3, 1), "f")], "contradicts the bound"),
    "unequal": ("two_inputs", lambda: [np.ones((4, 2), "f"), np.ones((3, 2), "f")], "is not the 'N' of others"),
    "beyond": ("gather_rows", lambda: [np.ones((2, 3), "f"), i64(2)], "index"),
}


def conv_reference(x):
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).astype("d")
    out = np.zeros((x.shape[0], 4, 6, 6))
    for i in range(3):
        for j in range(3):
            out += np.einsum("nchw,oc->nohw", padded[:, :, i:i + 6, j:j + 6], K[:, :, i, j].astype("d"))
    return [np.maximum(out, 0).mean((2, 3)).astype("f")]


def conv(x, k, pads, stride=1, dilation=(1, 1)):
    """pads: before and after of both dimensions."""
    x = np.pad(x.astype("d"), ((0, 0), (0, 0), pads[0], pads[1]))
    h, w = ((x.shape[2 + i] - dilation[i] * (k.shape[2 + i] - 1) - 1) // stride + 1 for i in range(2))
    out = np.zeros((x.shape[0], k.shape[0], h, w))
    for i in range(k.shape[2]):
        for j in range(k.shape[3]):
            part = x[:, :, i * dilation[0]:, j * dilation[1]:][:, :, :(h - 1) * stride + 1:stride, :(w - 1) * stride + 1:stride]
            out += np.einsum("nchw,oc->nohw", part, k[:, :, i, j].astype("d"))
    return out.astype("f")


def conv_open_reference(x):
    k2 = np.concatenate([K, K[:, :1]], 1)
    y = conv(x, K, ((1, 1), (1, 1)))
    total = [max((-(-e // 2) - 1) * 2 + 3 - e, 0) for e in y.shape[2:]]
    return [y, conv(y, k2, [(t // 2, t - t // 2) for t in total], 2), conv(y, k2, ((0, 0), (0, 0)), 1, (1, 2))]


def windows(x, kernel, pads, strides, fill, over):
    x = np.pad(x, ((0, 0), (0, 0)) + pads, constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))
    return over(view[:, :, ::strides[0], ::strides[1]], axis=(4, 5))


def pools_reference(x):
    square, ones = ((1, 1), (1, 1)), np.ones(x.shape, "f")
    total = windows(x, (3, 3), square, (1, 1), 0, np.sum)
    return [windows(x, (3, 2), ((1, 1), (0, 1)), (2, 1), -np.inf, np.max), total / windows(ones, (3, 3), square, (1, 1), 0, np.sum), total / np.float32(9),
            x.mean((2, 3), keepdims=True)]


def lstm_reference(x):
    """Gates i, o, f, c; forwards and backwards."""
    steps, batch = x.shape[:2]
    out, last = np.zeros((steps, 2, batch, 3)), np.zeros((2, batch, 3))
    for d in range(2):
        h, c = np.zeros((batch, 3)), np.zeros((batch, 3))
        for t in range(steps)[::-1 if d else 1]:
            i, o, f, g = np.split(x[t] @ LSTM_W[d].T.astype("d") + h @ LSTM_R[d].T, 4, 1)
            i, o, f = (1 / (1 + np.exp(-v)) for v in (i, o, f))
            c = f * c + i * np.tanh(g)
            out[t, d] = h = o * np.tanh(c)
        last[d] = h
    return [out.astype("f"), last.astype("f")]


REFERENCES = {"conv_batch": conv_reference, "conv_open": conv_open_reference, "pools_open": pools_reference, "lstm": lstm_reference}
# Multiplications that a run counts, from its inputs: those of the extents that it has.
MACS = {
    "matmul_open": lambda a, b: 2 * a.shape[0] * a.shape[1] * b.shape[0],
    "matmul_batches": lambda a, b: a.size * b.shape[3],
    "matmul": lambda x: x.size * 5,
}


def value_info(name, elem, dims):
    shape = [] if dims is None else [(2, [(1, [(2, d)] if isinstance(d, str) else [(1, d)]) for d in dims])]
    return [(1, name), (2, [(1, [(1, elem)] + shape)])]


def write_model(path, case):
    nodes, inputs, outputs, constants = case
    graph = [(1, ow.node(n[0], n[1], n[2], name=n[2][0], **(n[3] if len(n) > 3 else {}))) for n in nodes] + [(2, "g")]
    graph += [(5, ow.tensor(np.asarray(v), k)) for k, v in constants.items()]
    graph += [(11, value_info(*i)) for i in inputs] + [(12, value_info(*o)) for o in outputs]
    with open(path, "wb") as f:
        f.write(ow.encode([(1, 9), (7, graph), (8, [(1, ""), (2, 18)])]))


def write_data(folder, prefix, arrays):
    os.makedirs(folder, exist_ok=True)
    for k, a in enumerate(arrays):
        np.save(os.path.join(folder, "%s_%d.npy" % (prefix, k)), np.asarray(a))


def check_case(checks, name, folder):
    case, options, sizes, feeds, reference = CASES[name]
    path, binary = os.path.join(folder, name + ".onnx"), os.path.join(folder, name + ".blt")
    write_model(path, case)
    status, text = checks.run("bitletc", path, "-o", binary, *options)
    checks.note(status == 0, name, text)
    for size in sizes if status == 0 else []:
        x = feeds(*size)
        data = os.path.join(folder, name + "x".join(map(str, size)))
        write_data(data, "input", x)
        write_data(data, "output", (reference or REFERENCES[name])(*x))
        if name in MACS:
            checks.run("bitlet-isa-sim", binary, "--inputs", data, "--stats", data + ".json")
            with open(data + ".json", encoding="utf-8") as f:
                count = sum(layer["macs"] for layer in json.load(f)["layers"])
            checks.note(count == MACS[name](*x), "%s %s: multiplications" % (name, size), "%d, expected are %d" % (count, MACS[name](*x)))
        for words in (["bitlet-isa-sim", binary], ["onnx-eval", path] + options):
            status, text = checks.run(*words, "--inputs", data, "--expect", data)
            checks.note(status == 0, "%s %s %s" % (name, size, words[0]), text)


def check_fault(checks, name, folder):
    case, feeds, part = FAULTS[name]
    data = os.path.join(folder, "fault-" + name.replace(" ", "-"))
    write_data(data, "input", feeds())
    for words in (["bitlet-isa-sim", os.path.join(folder, case + ".blt")], ["onnx-eval", os.path.join(folder, case + ".onnx")] + CASES[case][1]):
        status, text = checks.run(*words, "--inputs", data)
        checks.note(status == 1 and part in text, "fault %s, %s" % (name, words[0]), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the tools")
    checks = Checks(parser.parse_args().bin)
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            check_case(checks, name, folder)
        for name in FAULTS:
            check_fault(checks, name, folder)
    print("%d passed, %d failed" % (checks.passed, checks.failed))
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
