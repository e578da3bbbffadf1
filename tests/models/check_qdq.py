"""A quantised model step by step against ONNX Runtime without optimisation.

    check_qdq.py --bin DIR --model MODEL.onnx --input input_0.pb [--ort FOLDER] [-v]

Cut at every QuantizeLinear: its integers become an output, and whoever reads them reads a new input instead, which is fed with the integers
of ONNX Runtime. So no step sees another step's differences. Of every step it is held that
- all integers are equal or one quantum apart,
- ours are round-half-even(y / scale) + zero point, saturated, of our y, bit for bit, and those of ONNX Runtime are the same of its y,
- the two y differ by no more than float sums in another order do, so that every unequal integer lies at a half step,
- the float outputs of the model agree within 1e-3.

FOLDER holds node_modules/onnxruntime-node (npm install --ignore-scripts onnxruntime-node@1.20.1); default: $BITLET_ORT, else /tmp/ort. Exit
status 77 without it. Ends with "N passed, N failed".
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
sys.path.insert(0, os.path.join(HERE, "..", "conformance"))
import conform  # noqa: E402
import onnx_write as ow  # noqa: E402

SKIPPED = 77
# Of the largest |y|: rounding errors of a float sum of a thousand terms, summed without luck over blocks of 16.
FLOAT_SUMS = 64 * 2.0**-24
TYPES = {"float32": np.float32, "uint8": np.uint8, "int8": np.int8, "int32": np.int32}
RUN_ORT = """
const ort = require(process.argv[1] + '/node_modules/onnxruntime-node'), fs = require('fs');
const [, , model, input, dims, out] = process.argv;
(async () => {
  const session = await ort.InferenceSession.create(model, {graphOptimizationLevel: 'disabled', intraOpNumThreads: 1});
  const data = fs.readFileSync(input), x = new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
  const result = await session.run({[session.inputNames[0]]: new ort.Tensor('float32', x, dims.split('x').map(Number))});
  const index = [];
  for (const name of session.outputNames) {
    const t = result[name];
    fs.writeFileSync(out + '/' + index.length + '.raw', Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength));
    index.push([name, t.type, t.dims]);
  }
  fs.writeFileSync(out + '/index.json', JSON.stringify(index));
})();
"""


class Model:
    """A model whose graph's interface and node operands can be changed; everything else stays as it is."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        self.rest = [(n, v) for n, v in conform.fields(data) if n != 7]
        graph = conform.children(data, 7)[-1]
        self.nodes = conform.children(graph, 1)
        self.inputs, self.outputs = conform.children(graph, 11), conform.children(graph, 12)
        self.graph_rest = [(n, v) for n, v in conform.fields(graph) if n not in (1, 11, 12, 13)]
        self.constants = {conform.text(t, 8): constant(t) for t in conform.children(graph, 5)}

    def steps(self):
        """(float operand, integers, scale, zero point) of every QuantizeLinear."""
        for n in self.nodes:
            if conform.text(n, 4) == "QuantizeLinear":
                x, scale, zero = (v.decode() for v in conform.children(n, 1))
                yield x, conform.children(n, 2)[0].decode(), self.constants[scale], self.constants[zero]

    def write(self, path, more_outputs, cut=None):
        """cut: {tensor: array}; its readers read a new input of that name and the ending `/in`. more_outputs: [(name, type)]."""
        nodes, names = self.nodes, {}
        if cut is not None:
            names = {k.encode(): (k + "/in").encode() for k in cut}
            nodes = [[(k, names.get(v, v) if k == 1 else v) for k, v in conform.fields(n)] for n in nodes]
        extra = [ow.value_info(k + "/in", ow.UINT8, list(v.shape)) for k, v in (cut or {}).items()]
        told = {conform.text(o, 1) for o in self.outputs}
        outs = list(self.outputs) + [ow.value_info(k, t, None) for k, t in more_outputs if k not in told]
        graph = [(1, n) for n in nodes] + self.graph_rest + [(11, i) for i in list(self.inputs) + extra] + [(12, o) for o in outs]
        with open(path, "wb") as f:
            f.write(ow.encode(self.rest + [(7, graph)]))


def constant(t):
    """A float or 8-bit constant as an array, or None."""
    kind = {1: np.float32, 2: np.uint8, 3: np.int8}.get((conform.children(t, 2) or [0])[-1])
    raw = conform.children(t, 9)
    if kind is None or not raw:
        return None
    dims = []
    for d in conform.children(t, 1):
        dims += [d] if isinstance(d, int) else list(d)
    return np.frombuffer(raw[-1], kind).reshape(dims)


def run_ort(folder, ort, model, x):
    x.tofile(os.path.join(folder, "x.raw"))
    out = os.path.join(folder, "ort")
    os.makedirs(out, exist_ok=True)
    script = os.path.join(folder, "run.js")
    with open(script, "w", encoding="utf-8") as f:
        f.write(RUN_ORT.replace("process.argv[1] + ", json.dumps(ort) + " + "))
    subprocess.run(["node", script, model, os.path.join(folder, "x.raw"), "x".join(map(str, x.shape)), out], check=True)
    with open(os.path.join(out, "index.json"), encoding="utf-8") as f:
        index = json.load(f)
    return {name: np.fromfile(os.path.join(out, f"{k}.raw"), TYPES[t]).reshape(dims) for k, (name, t, dims) in enumerate(index)}


def run_ours(folder, binaries, model, inputs, names):
    """Outputs by name."""
    feeds, out, binary = [], os.path.join(folder, "ours"), os.path.join(folder, "m.blt")
    for k, v in enumerate(inputs):
        feeds += ["--inputs", os.path.join(folder, f"input_{k}.npy")]
        np.save(feeds[-1], v)
    subprocess.run([os.path.join(binaries, "bitletc"), model, "-o", binary], check=True)
    subprocess.run([os.path.join(binaries, "bitlet-isa-sim"), binary, "--quiet", *feeds, "--outputs", out], check=True)
    return {name: np.load(os.path.join(out, f"output_{k}.npy")) for k, name in enumerate(names)}


def quantised(y, scale, zero):
    """The operator, in single precision."""
    info = np.iinfo(zero.dtype)
    return np.clip(np.rint(y / scale) + np.float32(zero), info.min, info.max).astype(zero.dtype)


def check_step(name, ours, theirs, y, their_y, scale, zero):
    """(what is wrong or an empty text, number of unequal integers, the farthest of them from a half step)."""
    apart = np.abs(ours.astype(np.int32) - theirs.astype(np.int32))
    if apart.max(initial=0) > 1:
        return f"{(apart > 1).sum()} of {apart.size} integers are more than one quantum apart, up to {apart.max()}", 0, 0
    if not np.array_equal(ours, quantised(y, scale, zero)):
        return "our integers are not the quantised y", 0, 0
    if not np.array_equal(theirs, quantised(their_y, scale, zero)):
        return "ONNX Runtime's integers are not its quantised y", 0, 0
    far = float(np.abs(y - their_y).max(initial=0))
    allowed = FLOAT_SUMS * float(np.abs(their_y).max(initial=0))
    if far > allowed:
        return f"our y lies {far:.3g} away, float sums of this size {allowed:.3g}", 0, 0
    steps = their_y[apart > 0].astype(np.float64) / scale.astype(np.float64)
    from_half = np.abs(steps - np.floor(steps) - 0.5)
    limit = 2 * allowed / float(scale)
    worst = float(from_half.max(initial=0))
    return f"an unequal integer lies {worst:.3g} steps from a half step, at most {limit:.3g} is explained" if worst > limit else "", int((apart > 0).sum()), worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--ort", default=os.environ.get("BITLET_ORT", "/tmp/ort"))
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for every step")
    args = parser.parse_args()
    for what, there in ((args.model, os.path.exists(args.model)), ("node", shutil.which("node")), (args.ort, os.path.isdir(os.path.join(args.ort, "node_modules", "onnxruntime-node")))):
        if not there:
            print(f"skipped: {what} is not there")
            return SKIPPED
    model = Model(args.model)
    steps = list(model.steps())
    shape = conform.tensor_dims(args.input)
    with open(args.input, "rb") as f:
        x = np.frombuffer(conform.children(f.read(), 9)[-1], np.float32).reshape(shape)
    floats, integers = [(s[0], ow.FLOAT) for s in steps], [(s[1], ow.UINT8) for s in steps]
    own = [conform.text(o, 1) for o in model.outputs]
    passed = failed = unequal = elements = 0
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "m.onnx")
        more = [v for v in dict.fromkeys(floats) if v[0] not in {conform.text(i, 1) for i in model.inputs}] + integers
        model.write(file, more)
        theirs = run_ort(folder, args.ort, file, x)
        theirs[conform.text(model.inputs[0], 1)] = x
        cut = {s[1]: theirs[s[1]] for s in steps}
        feeds = [x, *cut.values()]
        model.write(file, integers, cut)
        plain = run_ours(folder, args.bin, file, feeds, own + [k for k, _ in integers])
        model.write(file, more, cut)
        ours = run_ours(folder, args.bin, file, feeds, own + [k for k, _ in more])
        ours[conform.text(model.inputs[0], 1)] = x
    worst = 0.0
    for y, q, scale, zero in steps:
        why, count, far = check_step(q, plain[q], theirs[q], ours[y], theirs[y], scale, zero)
        why = why or ("" if np.array_equal(plain[q], ours[q]) else "showing y changes the integers")
        passed, failed, unequal, elements, worst = passed + (not why), failed + bool(why), unequal + count, elements + plain[q].size, max(worst, far)
        if why or args.verbose:
            print(f"{'FAILED' if why else 'ok    '} {q}: {why or f'{count} of {plain[q].size} integers one quantum apart, at most {far:.2e} steps from a half step'}")
    for name in own:
        close = np.allclose(plain[name], theirs[name], 1e-3, 1e-5)
        passed, failed = passed + close, failed + (not close)
        if not close:
            print(f"FAILED {name}: differs by up to {np.abs(plain[name] - theirs[name]).max():.3g}")
    print(f"{len(steps)} steps: {unequal} of {elements} integers are one quantum apart, at most {worst:.2e} steps from a half step")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
