"""Training through the tool chain: 50 steps of Adam on digits, each one run of a compiled Gradient, against numpy.

    train_step.py --bin BUILD/bin [--steps N] [--keep DIR]

The network is the demonstration's (tests/demo/digits.onnx): two 3x3 convolutions with BatchNormalization by the batch's statistics, Relu
and pooling, and a fully connected layer, from fresh weights. One model is the whole step: it takes the parameters, the optimiser's states, a batch and
its labels, and gives the loss and all of them after the step. The reference is the backward pass by hand of tests/demo/train_digits.py, in double
precision. The loss of every step must be the reference's within 1e-4 relative, and the last ones clearly below the first; every product of forward
and backward pass must have run on the BCE array.
Ends with "N passed, N failed"; exit code 77 when scikit-learn is not there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

try:
    from sklearn.datasets import load_digits
except ImportError:
    print("0 passed, 0 failed, 1 skipped: no scikit-learn")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools"), os.path.join(HERE, "..", "demo")]
import onnx_write as ow  # noqa: E402
import train_digits  # noqa: E402

BATCH, RATE, TOLERANCE = 32, 0.005, 1e-4
ALPHA, BETA, EPSILON = 0.9, 0.999, 1e-3
NAMES = ["conv1.weight", "bn1.scale", "bn1.shift", "conv2.weight", "bn2.scale", "bn2.shift", "fc.weight", "fc.bias"]


def step_model(shapes):
    """One step as an ONNX model: R, T, image, label, then parameters and both states of each; the loss and their successors."""
    c1, c2 = shapes["bn1.scale"][0], shapes["bn2.scale"][0]
    init, nodes, last = {"batch": np.array(-BATCH, "float32")}, [], "image"
    for k, channels in ((1, c1), (2, c2)):
        init[f"mean{k}"], init[f"var{k}"] = np.zeros(channels, "float32"), np.ones(channels, "float32")
        nodes += [
            ow.node("Conv", [last, f"conv{k}.weight"], [f"conv{k}"], f"conv{k}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            ow.node("BatchNormalization", [f"conv{k}", f"bn{k}.scale", f"bn{k}.shift", f"mean{k}", f"var{k}"], [f"bn{k}"], f"bn{k}", epsilon=1e-5, training_mode=1),
            ow.node("Relu", [f"bn{k}"], [f"relu{k}"], f"relu{k}"),
            ow.node("MaxPool", [f"relu{k}"], [f"pool{k}"], f"pool{k}", kernel_shape=[2, 2], strides=[2, 2]),
        ]
        last = f"pool{k}"
    nodes += [
        ow.node("Flatten", [last], ["flat"], "flatten"),
        ow.node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
        ow.node("LogSoftmax", ["logits"], ["log_p"], "log_softmax", axis=1),
        ow.node("Mul", ["log_p", "label"], ["picked"], "pick"),
        ow.node("ReduceSum", ["picked"], ["sum"], "sum", keepdims=0),
        ow.node("Div", ["sum", "batch"], ["loss"], "loss"),
        ow.node("Gradient", NAMES, [f"d.{n}" for n in NAMES], "gradient", domain="ai.onnx.preview.training", xs=NAMES, y="loss"),
        ow.node(
            "Adam",
            ["rate", "count"] + [p + n for p in ("", "d.", "v.", "h.") for n in NAMES],
            ["new." + p + n for p in ("", "v.", "h.") for n in NAMES],
            "adam",
            domain="ai.onnx.preview.training",
            alpha=ALPHA,
            beta=BETA,
            epsilon=EPSILON,
        ),
    ]
    state = [(p + n, ow.FLOAT, list(shapes[n])) for p in ("", "v.", "h.") for n in NAMES]
    inputs = [("rate", ow.FLOAT, []), ("count", ow.INT64, []), ("image", ow.FLOAT, [BATCH, 1, 8, 8]), ("label", ow.FLOAT, [BATCH, 10])]
    outputs = [("loss", ow.FLOAT, [])] + [("new." + n, t, s) for n, t, s in state]
    return ow.model(nodes, inputs + state, outputs, init, opset=15, name="step", domains={"ai.onnx.preview.training": 1})


def run(args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(args)}\n{done.stdout}\nexit status {done.returncode}\n0 passed, 1 failed")


class Chain:
    """The compiled step."""

    def __init__(self, binaries, folder, parameters):
        self.simulator, self.folder = os.path.join(binaries, "bitlet-isa-sim"), folder
        self.binary, self.stats = os.path.join(folder, "step.blt"), os.path.join(folder, "stats.json")
        model = os.path.join(folder, "step.onnx")
        with open(model, "wb") as f:
            f.write(step_model({n: p.shape for n, p in parameters.items()}))
        run([os.path.join(binaries, "bitletc"), model, "-o", self.binary])
        zeros = [np.zeros_like(p) for p in parameters.values()]
        self.state = list(parameters.values()) + zeros + zeros

    def step(self, count, image, label):
        inputs = [np.array(RATE, "float32"), np.array(count, "int64"), image, label] + self.state
        files = [os.path.join(self.folder, f"input_{k}.npy") for k in range(len(inputs))]
        for file, array in zip(files, inputs):
            np.save(file, array)
        run([self.simulator, self.binary, "--quiet", "--inputs", *files, "--outputs", self.folder, "--stats", self.stats])
        outputs = [np.load(os.path.join(self.folder, f"output_{k}.npy")) for k in range(1 + len(self.state))]
        self.state = outputs[1:]
        return float(outputs[0])


def pool(x):
    """train_digits.pool, but the derivative goes to the first of equal elements, as the compiler's does; blank paper makes many."""
    n, c, h, w = x.shape
    v = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
    first = np.arange(4) == v.argmax(4)[..., None]
    return v.max(4), first.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)


class Reference:
    """The same in numpy."""

    def __init__(self, parameters):
        train_digits.pool = pool
        self.net = train_digits.Net(np.random.default_rng(0))
        for p, name in zip(self.net.params, NAMES):
            p[...] = parameters[name].reshape(p.shape)
        self.v, self.h = [np.zeros_like(p) for p in self.net.params], [np.zeros_like(p) for p in self.net.params]

    def step(self, count, image, label):
        logits = self.net.forward(image.astype(float), True)
        top = logits.max(1, keepdims=True)
        log_p = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
        rate = RATE * np.sqrt(1 - BETA**count) / (1 - ALPHA**count) if count > 0 else RATE
        for p, v, h, g in zip(self.net.params, self.v, self.h, self.net.gradients(logits, label.argmax(1))):
            v[...] = ALPHA * v + (1 - ALPHA) * g
            h[...] = BETA * h + (1 - BETA) * g * g
            p -= rate * v / (np.sqrt(h) + EPSILON)
        return -(log_p * label).sum() / len(label)


def start_values():
    rng = np.random.default_rng(3)
    net = train_digits.Net(rng)
    shapes = {"conv1.weight": (-1, 1, 3, 3), "conv2.weight": (-1, train_digits.C1, 3, 3)}
    return {n: p.reshape(shapes.get(n, p.shape)).astype("float32") for n, p in zip(NAMES, net.params)}


def products():
    """Multiply-accumulates of a step: every layer's forward, by its weights and, but for the first layer, by its input."""
    c1, c2 = train_digits.C1, train_digits.C2
    first, second, third = BATCH * 64 * c1 * 9, BATCH * 16 * c2 * c1 * 9, BATCH * 10 * c2 * 4
    return 2 * first + 3 * second + 3 * third


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--keep", help="folder for the files, which stay")
    args = parser.parse_args()
    digits = load_digits()
    order = np.random.default_rng(7).permutation(len(digits.images))
    images, labels = (digits.images[order, None] / 16).astype("float32"), np.eye(10, dtype="float32")[digits.target[order]]
    with tempfile.TemporaryDirectory() as folder:
        parameters = start_values()
        if args.keep:
            os.makedirs(args.keep, exist_ok=True)
        chain, reference = Chain(args.bin, args.keep or folder, parameters), Reference(parameters)
        losses, worst = [], 0
        for k in range(args.steps):
            batch = slice(k * BATCH % (len(images) - BATCH), k * BATCH % (len(images) - BATCH) + BATCH)
            got, want = chain.step(k, images[batch], labels[batch]), reference.step(k, images[batch], labels[batch])
            worst = max(worst, abs(got - want) / abs(want))
            losses.append(got)
            print(f"step {k:2d}  loss {got:.6f}  numpy {want:.6f}  relative difference {abs(got - want) / abs(want):.1e}")
        with open(chain.stats, encoding="utf-8") as f:
            macs = json.load(f)["total"]["macs"]
    checks = [worst <= TOLERANCE, np.mean(losses[-5:]) < losses[0] / 4, macs == products()]
    print(f"worst relative difference {worst:.2e}, at most {TOLERANCE:.0e} is right; loss {losses[0]:.4f} to {np.mean(losses[-5:]):.4f}")
    print(f"{macs} multiply-accumulates of a step ran on the BCE array, {products()} are right")
    print(f"{sum(checks)} passed, {len(checks) - sum(checks)} failed")
    return 0 if all(checks) else 1


if __name__ == "__main__":
    sys.exit(main())
