"""Trains the digit classifier of the demo and writes it as ONNX, with test digits beside it.

Data: the 1,797 8x8 digits that scikit-learn ships (Debian: python3-sklearn). Network: two 3x3 convolutions with
BatchNormalization, Relu and pooling, then a fully connected layer. Training is plain numpy: SGD with momentum, fixed seeds. The last
fifth of a shuffled copy is held out; its accuracy must reach 97 %.

    /usr/bin/python3 train_digits.py OUT_DIR

OUT_DIR/digits.onnx, and OUT_DIR/digits/test_data_set_K/{input_0.npy, label.txt} for the first held-out digits.
"""

import os
import sys

import numpy as np
from sklearn.datasets import load_digits

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import onnx_write as ow  # noqa: E402

EPOCHS, BATCH, KEPT = 60, 32, 8
C1, C2 = 16, 32


def columns(x):
    """Rows of 3x3 neighbourhoods, zero-padded: [N, H, W, C * 9]."""
    n, c, h, w = x.shape
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.stack([p[:, :, i : i + h, j : j + w] for i in range(3) for j in range(3)], 2).transpose(0, 3, 4, 1, 2).reshape(n, h, w, c * 9)


class Conv:
    def __init__(self, rng, cin, cout):
        self.p = [rng.normal(0, np.sqrt(2 / (cin * 9)), (cout, cin * 9)), np.ones(cout), np.zeros(cout)]
        self.mean, self.var = np.zeros(cout), np.ones(cout)

    def forward(self, x, train):
        self.shape, self.cols = x.shape, columns(x)
        y = self.cols @ self.p[0].T
        if train:
            mean, var = y.mean((0, 1, 2)), y.var((0, 1, 2))
            self.mean, self.var = 0.9 * self.mean + 0.1 * mean, 0.9 * self.var + 0.1 * var
        else:
            mean, var = self.mean, self.var
        self.inv = 1 / np.sqrt(var + 1e-5)
        self.hat = (y - mean) * self.inv
        self.act = np.maximum(self.hat * self.p[1] + self.p[2], 0)
        return self.act.transpose(0, 3, 1, 2)

    def backward(self, dy):
        dy = dy.transpose(0, 2, 3, 1) * (self.act > 0)
        grads = [None, (dy * self.hat).sum((0, 1, 2)), dy.sum((0, 1, 2))]
        dh = dy * self.p[1]
        m = dh.shape[0] * dh.shape[1] * dh.shape[2]
        dz = self.inv / m * (m * dh - dh.sum((0, 1, 2)) - self.hat * (dh * self.hat).sum((0, 1, 2)))
        flat = self.cols.reshape(-1, self.cols.shape[-1])
        grads[0] = dz.reshape(-1, dz.shape[-1]).T @ flat
        dcols = (dz @ self.p[0]).reshape(*dz.shape[:3], self.shape[1], 9)
        dx = np.zeros((self.shape[0], self.shape[1], self.shape[2] + 2, self.shape[3] + 2))
        for k in range(9):
            dx[:, :, k // 3 : k // 3 + self.shape[2], k % 3 : k % 3 + self.shape[3]] += dcols[..., k].transpose(0, 3, 1, 2)
        return dx[:, :, 1:-1, 1:-1], grads


def pool(x):
    n, c, h, w = x.shape
    v = x.reshape(n, c, h // 2, 2, w // 2, 2)
    y = v.max((3, 5))
    return y, (v == y[:, :, :, None, :, None])


class Net:
    def __init__(self, rng):
        self.a, self.b = Conv(rng, 1, C1), Conv(rng, C1, C2)
        self.fc = [rng.normal(0, np.sqrt(1 / (C2 * 4)), (10, C2 * 4)), np.zeros(10)]
        self.params = self.a.p + self.b.p + self.fc

    def forward(self, x, train=False):
        y, self.ma = pool(self.a.forward(x, train))
        y, self.mb = pool(self.b.forward(y, train))
        self.flat = y.reshape(len(x), -1)
        return self.flat @ self.fc[0].T + self.fc[1]

    def gradients(self, logits, labels):
        e = np.exp(logits - logits.max(1, keepdims=True))
        d = e / e.sum(1, keepdims=True)
        d[np.arange(len(d)), labels] -= 1
        d /= len(d)
        fc = [d.T @ self.flat, d.sum(0)]
        dy = (d @ self.fc[0]).reshape(len(d), C2, 2, 1, 2, 1) * self.mb
        dy, gb = self.b.backward(dy.reshape(len(d), C2, 4, 4))
        dy = dy.reshape(len(d), C1, 4, 1, 4, 1) * self.ma
        return self.a.backward(dy.reshape(len(d), C1, 8, 8))[1] + gb + fc


def train(x, y, rng):
    net = Net(rng)
    velocity = [np.zeros_like(p) for p in net.params]
    for epoch in range(EPOCHS):
        rate = 0.05 * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = rng.permutation(len(x))
        for at in range(0, len(x) - BATCH + 1, BATCH):
            i = order[at : at + BATCH]
            for p, v, g in zip(net.params, velocity, net.gradients(net.forward(x[i], True), y[i])):
                v *= 0.9
                v -= rate * (g + 1e-4 * p)
                p += v
    return net


def export(net, path):
    init, nodes, last = {}, [], "image"
    for k, (conv, cin) in enumerate(((net.a, 1), (net.b, C1)), 1):
        init[f"conv{k}.weight"] = conv.p[0].reshape(-1, cin, 3, 3).astype("float32")
        for name, value in (("scale", conv.p[1]), ("shift", conv.p[2]), ("mean", conv.mean), ("var", conv.var)):
            init[f"bn{k}.{name}"] = value.astype("float32")
        nodes += [
            ow.node("Conv", [last, f"conv{k}.weight"], [f"conv{k}"], f"conv{k}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            ow.node("BatchNormalization", [f"conv{k}"] + [f"bn{k}.{n}" for n in ("scale", "shift", "mean", "var")], [f"bn{k}"], f"bn{k}", epsilon=1e-5),
            ow.node("Relu", [f"bn{k}"], [f"relu{k}"], f"relu{k}"),
            ow.node("MaxPool", [f"relu{k}"], [f"pool{k}"], f"pool{k}", kernel_shape=[2, 2], strides=[2, 2]),
        ]
        last = f"pool{k}"
    init["fc.weight"], init["fc.bias"] = net.fc[0].astype("float32"), net.fc[1].astype("float32")
    nodes += [
        ow.node("Flatten", [last], ["flat"], "flatten"),
        ow.node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
        ow.node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1),
    ]
    with open(path, "wb") as f:
        f.write(ow.model(nodes, [("image", ow.FLOAT, [1, 1, 8, 8])], [("probabilities", ow.FLOAT, [1, 10])], init, name="digits"))


def main():
    out = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    digits = load_digits()
    rng = np.random.default_rng(7)
    order = rng.permutation(len(digits.images))
    x, y = digits.images[order, None] / 16.0, digits.target[order]
    held = len(x) // 5
    net = train(x[held:], y[held:], rng)
    accuracy = (net.forward(x[:held]).argmax(1) == y[:held]).mean()
    print(f"held-out accuracy {100 * accuracy:.2f} % of {held} digits")
    if accuracy < 0.97:
        sys.exit("accuracy below 97 %")
    os.makedirs(out, exist_ok=True)
    export(net, os.path.join(out, "digits.onnx"))
    for k in range(KEPT):
        folder = os.path.join(out, "digits", f"test_data_set_{k}")
        os.makedirs(folder, exist_ok=True)
        np.save(os.path.join(folder, "input_0.npy"), x[k : k + 1].astype("float32"))
        with open(os.path.join(folder, "label.txt"), "w") as f:
            f.write(f"{y[k]}\n")


if __name__ == "__main__":
    main()
