#!/usr/bin/env python3
"""Writes the models of the benchmarks. Everything follows from the seed; nothing is downloaded.

    bench_models.py DIR [NAME..]     without names: all

    resnet50     ResNet-50 at 224x224 with BatchNormalization as trained models have it, 25.6 M weights, about 102 MB
    chain        20,000 nodes one behind the other
    wide         20,000 nodes side by side that one sum collects
    external     a model whose one weight of 2.2 GB lies in a sparse file beside it
"""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import onnx_write as ow

SEED = 50
NODES = 20000


class Net:
    """Nodes and initializers that grow, with a name for the newest tensor."""

    def __init__(self, seed=SEED):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], {}, 0

    def add(self, op, *inputs, **attrs):
        self.count += 1
        out = "t%d" % self.count
        self.nodes.append(ow.node(op, list(inputs), [out], "%s_%d" % (op.lower(), self.count), **attrs))
        return out

    def weight(self, array):
        name = "w%d" % len(self.weights)
        self.weights[name] = np.ascontiguousarray(array, dtype=array.dtype)
        return name

    def normal(self, shape, deviation):
        # Trained weights have heavier tails than a normal distribution; Laplace is close to them.
        return self.rng.laplace(0, deviation / np.sqrt(2), shape).astype(np.float32)

    def conv(self, x, ci, co, k, stride=1, gain=1.0):
        """A convolution and its BatchNormalization; the gain keeps sums of branches from growing."""
        w = self.weight(self.normal((co, ci, k, k), np.sqrt(2.0 / (ci * k * k))))
        y = self.add("Conv", x, w, kernel_shape=[k, k], strides=[stride, stride], pads=[k // 2] * 4)
        rng = self.rng
        scale = (gain * rng.uniform(0.8, 1.2, co)).astype(np.float32)
        shift, mean = (rng.normal(0, 0.1, co).astype(np.float32) for _ in range(2))
        var = rng.uniform(0.8, 1.2, co).astype(np.float32)
        return self.add("BatchNormalization", y, *(self.weight(v) for v in (scale, shift, mean, var)))

    def relu(self, x):
        return self.add("Relu", x)


def bottleneck(n, x, ci, mid, co, stride):
    y = n.relu(n.conv(x, ci, mid, 1))
    y = n.relu(n.conv(y, mid, mid, 3, stride))
    y = n.conv(y, mid, co, 1, gain=0.3)
    if stride != 1 or ci != co:
        x = n.conv(x, ci, co, 1, stride)
    return n.relu(n.add("Add", y, x))


def resnet50(path):
    n = Net()
    x = n.relu(n.conv("image", 3, 64, 7, 2))
    x = n.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    ci = 64
    for mid, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for b in range(blocks):
            x = bottleneck(n, x, ci, mid, 4 * mid, stride if b == 0 else 1)
            ci = 4 * mid
    x = n.add("Flatten", n.add("GlobalAveragePool", x))
    w, b = n.weight(n.normal((1000, 2048), 0.02)), n.weight(n.normal((1000,), 0.02))
    n.add("Gemm", x, w, b, transB=1)
    finish(path, n, [("image", ow.FLOAT, [1, 3, 224, 224])], [1, 1000])


def finish(path, n, inputs, shape):
    data = ow.model(n.nodes, inputs, [("t%d" % n.count, ow.FLOAT, shape)], n.weights)
    with open(path, "wb") as f:
        f.write(data)


def chain(path, nodes=NODES):
    """Operators that no optimiser may take out: a weighted sum, then a function, and again."""
    n = Net()
    x = "x"
    for i in range(nodes // 2):
        x = n.add("Add", x, n.weight(n.normal((16,), 1.0)))
        x = n.add(("Sigmoid", "Tanh")[i % 2], x)
    finish(path, n, [("x", ow.FLOAT, [1, 16])], [1, 16])


def wide(path, nodes=NODES):
    n = Net()
    ends = []
    for i in range((nodes - 1) // 2):
        y = n.add("Mul", "x", n.weight(n.normal((16,), 1.0)))
        ends.append(n.add(("Sigmoid", "Tanh")[i % 2], y))
    n.add("Sum", *ends)
    finish(path, n, [("x", ow.FLOAT, [1, 16])], [1, 16])


def external(path, rows=16384, parts=9):
    """More than 2 GB of weights of which the file holds no block; its parts differ in their first weight."""
    name = "external.onnx.data"
    part = rows * 4096 * 4
    initializers, n = [], Net()
    ends = []
    for i in range(parts):
        initializers.append([(1, 4096), (1, rows), (2, ow.FLOAT), (8, "big%d" % i),
                             (13, [(1, "location"), (2, name)]), (13, [(1, "offset"), (2, str(i * part))]),
                             (13, [(1, "length"), (2, str(part))]), (14, 1)])
        ends.append(n.add("MatMul", "x", "big%d" % i))
    n.add("Sum", *ends)
    with open(os.path.join(os.path.dirname(path), name), "wb") as f:
        f.truncate(part * parts)
        for i in range(parts):
            f.seek(i * part)
            f.write(np.float32(i + 1).tobytes())
            f.seek((i + 1) * part - 4)
            f.write(np.float32(1).tobytes())
    graph = [(1, x) for x in n.nodes] + [(2, "graph")] + [(5, t) for t in initializers]
    graph += [(11, ow.value_info("x", ow.FLOAT, [1, 4096])),
              (12, ow.value_info("t%d" % n.count, ow.FLOAT, [1, rows]))]
    with open(path, "wb") as f:
        f.write(ow.encode([(1, 8), (7, graph), (8, [(1, ""), (2, 13)])]))


MODELS = {"resnet50": resnet50, "chain": chain, "wide": wide, "external": external}


def make(folder, name):
    """The model's path; written when it is not there yet."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + ".onnx")
    if not os.path.exists(path):
        MODELS[name](path + ".part")
        os.rename(path + ".part", path)
    return path


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    for wanted in sys.argv[2:] or MODELS:
        print(make(sys.argv[1], wanted))
