#!/usr/bin/env python3
"""Layers that hold their weights in the PEs, and the same that hold their activations.

    either_operand.py --bin BUILD/bin [--only layers|choice|models|floats|patches|maps] [--seed N] [--count N] [-k NAME] [--demo DIR] [--models DIR]

layers: random convolutions, transposed convolutions and matrix products in fixed point, for several machines, with --distill weights
and --distill activations: outputs are the same bytes, on every datapath in the same cycles, and the statistics name the operand.
choice: --distill auto measures what the simulator counts, and takes the operand of fewer cycles.
models: the demonstration's model and trained ones, all three ways: the same bytes, and auto is not slower.
floats: fp32 and fp16 take no activations and no lane maps: the same bytes and the same D on a machine with signed digits.
patches: convolutions whose PEs compute several positions side by side, by the attribute `patch` of the IR, against the same without.
maps: a layer has lane maps where it is the faster for them, loads included, and none where it is not; within a tenth either will do.
Ends with "N passed, N failed", and with the command that repeats a failure; status 77 without numpy.
"""
import argparse
import json
import math
import os
import re
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

MACHINES = ({"base": "micro21"}, {"base": "bitlet-x"}, {"base": "micro21", "name": "small", "pes": 5, "group": 16},
            {"base": "bitlet-x", "name": "small-x", "pes": 7, "group": 32, "act_buffer": 16384, "weight_buffer": 16384},
            {"base": "micro21", "name": "tight", "act_buffer": 12288, "weight_buffer": 32768, "psum_buffer": 8192})
PRECISIONS = ("int8", "int8", "int4", "int12", "int16", "int2", "int1", "w4a8", "w8a4", "int24")


def pick(rng, *choices):
    return choices[int(rng.integers(len(choices)))]


def weights(rng, shape):
    return (rng.standard_normal(shape) * 2.0 ** rng.integers(-2, 2)).astype(np.float32)


def conv(rng, transposed):
    axes = int(rng.integers(1, 4)) if not transposed else int(rng.integers(1, 3))
    group = pick(rng, 1, 1, 2, 3)
    ins, outs = pick(rng, 1, int(rng.integers(1, 9))), int(rng.integers(1, 20))
    kernel = [int(rng.integers(1, 4)) for _ in range(axes)]
    strides = [int(rng.integers(1, k + 1)) if transposed else int(rng.integers(1, 3)) for k in kernel]
    dilations = [1 if transposed else int(rng.integers(1, 3)) for _ in range(axes)]
    pads = [int(rng.integers(0, 3)) for _ in range(2 * axes)]
    spatial = [int(rng.integers(5, 12)) for _ in range(axes)]
    x = [pick(rng, 1, 1, 2), group * ins] + spatial
    w = [x[1], outs] + kernel if transposed else [group * outs, ins] + kernel
    init = {"w": weights(rng, w)}
    if rng.integers(2):
        init["b"] = weights(rng, [group * outs])
    node = ow.node("ConvTranspose" if transposed else "Conv", ["x", "w"] + (["b"] if "b" in init else []), ["c"], name="layer",
                   strides=strides, dilations=dilations, pads=pads, group=group, kernel_shape=kernel)
    return x, [node], init


def depthwise(rng):
    channels, kernel, stride = int(rng.integers(2, 40)), int(rng.integers(1, 4)), int(rng.integers(1, 3))
    x, w = [1, channels, int(rng.integers(6, 20)), int(rng.integers(6, 20))], weights(rng, [channels, 1, kernel, kernel])
    node = ow.node("Conv", ["x", "w", "b"], ["c"], name="layer", strides=[stride, stride], pads=[kernel // 2] * 4, group=channels)
    return x, [node], {"w": w, "b": weights(rng, [channels])}


def product(rng):
    rows, inner, cols = int(rng.integers(1, 60)), int(rng.integers(1, 150)), int(rng.integers(1, 60))
    batch = pick(rng, [], [2], [2, 3])
    init = {"w": weights(rng, [inner, cols])}
    return batch + [rows, inner], [ow.node("MatMul", ["x", "w"], ["c"], name="layer")], init


def gemm(rng):
    rows, inner, cols = int(rng.integers(1, 40)), int(rng.integers(1, 150)), int(rng.integers(1, 60))
    swap = int(rng.integers(2))
    init = {"w": weights(rng, [cols, inner] if swap else [inner, cols]), "b": weights(rng, [cols])}
    return [rows, inner], [ow.node("Gemm", ["x", "w", "b"], ["c"], name="layer", transB=swap)], init


LAYERS = {"conv": lambda r: conv(r, False), "transposed": lambda r: conv(r, True), "product": product, "gemm": gemm}


def make(rng, name):
    """Model bytes and input."""
    shape, nodes, init = (depthwise(rng) if name == "depthwise" else LAYERS[name](rng))
    tail = pick(rng, "", "Relu", "Sigmoid")
    if tail:
        nodes.append(ow.node(tail, ["c"], ["y"]))
    else:
        nodes.append(ow.node("Identity", ["c"], ["y"]))
    x = rng.standard_normal(shape).astype(np.float32)
    if rng.integers(2):
        x = np.maximum(x, 0)
    return ow.model(nodes, [("x", ow.FLOAT, shape)], [("y", ow.FLOAT, None)], init, opset=18), x


class Case:
    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def tool(self, name, *args):
        done = subprocess.run([os.path.join(self.binaries, name), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} {' '.join(args)}: status {done.returncode}\n{done.stdout}")
        return done.stdout

    def write(self, model, machine, calibrate, inputs):
        with open(self.path("m.onnx"), "wb") as f:
            f.write(model)
        with open(self.path("machine.json"), "w") as f:
            json.dump(machine, f)
        np.save(self.path("calibrate.npy"), calibrate)
        np.save(self.path("input.npy"), inputs)

    def run(self, how, precision, model=None, calibrate=None, inputs=None, machine=None, patches="auto"):
        """Output bytes and statistics."""
        self.tool("bitletc", model or self.path("m.onnx"), "-p", precision, "--distill", how, "--patches", patches, "--machine",
                  machine or self.path("machine.json"), "--calibrate", calibrate or self.path("calibrate.npy"), "-o", self.path("m.blt"))
        return self.simulate("vector", inputs or self.path("input.npy"))

    def simulate(self, datapath, inputs):
        self.tool("bitlet-isa-sim", self.path("m.blt"), "--quiet", "--datapath", datapath, "--inputs", inputs, "--outputs",
                  self.path("out"), "--stats", self.path("stats.json"))
        with open(self.path("stats.json")) as f:
            stats = json.load(f)
        out = b""
        for name in sorted(os.listdir(self.path("out"))):
            with open(self.path(os.path.join("out", name)), "rb") as f:
                out += f.read()
        return out, stats


def layers_of(stats):
    return [layer["bce"] for layer in stats["layers"] if "bce" in layer]


def distilled(stats):
    return sorted({b["distilled"] for b in layers_of(stats)})


def check_layers(case, seed, name, _):
    rng = np.random.default_rng(seed)
    model, x = make(rng, name)
    precision = pick(rng, *PRECISIONS)
    case.write(model, pick(rng, *MACHINES), x * np.float32(0.7), x)  # what saturates reaches the lowest number
    runs = [case.run(how, precision) for how in ("weights", "activations")]
    if runs[0][0] != runs[1][0]:
        return f"{precision}: outputs differ"
    if [distilled(r[1]) for r in runs] != [["weights"], ["activations"]]:
        return f"{precision}: distilled {distilled(runs[0][1])} and {distilled(runs[1][1])}"
    for datapath in ("rtl", "fast"):
        out, stats = case.simulate(datapath, case.path("input.npy"))
        if out != runs[1][0] or [stats["total"][k] for k in ("cycles", "macs")] != [runs[1][1]["total"][k] for k in ("cycles", "macs")]:
            return f"{precision}: datapaths vector and {datapath} differ"
    return ""


def full_or_sparse(rng, sparse):
    """A product of one group, 16 columns and 16 rows; one operand has few essential bits."""
    x, w = (rng.choice([-1.0, 1.0], s).astype(np.float32) * rng.uniform(0.3, 1, s).astype(np.float32) for s in ((16, 64), (64, 16)))
    thin = x if sparse == "activations" else w
    thin *= rng.uniform(0, 1, thin.shape) < 0.1
    thin[0, 0] = 1
    model = ow.model([ow.node("MatMul", ["x", "w"], ["y"], name="layer")], [("x", ow.FLOAT, [16, 64])], [("y", ow.FLOAT, None)],
                     {"w": w}, opset=18)
    return model, x


def check_choice(case, seed, name, _):
    """One tile of each operand, so that the sample is all there is: what is measured is what the simulator then counts."""
    rng = np.random.default_rng(seed)
    machine = {"base": pick(rng, "micro21", "bitlet-x"), "name": "wide", "dma_act_gbs": 1000, "dma_weight_gbs": 1000, "dma_latency": 0,
               "buffer_gbs": 1000, "pre_walk": 64}
    model, x = full_or_sparse(rng, name)
    case.write(model, machine, x, x)
    text = case.tool("bitletc", case.path("m.onnx"), "-p", "int8", "--distill", "auto", "--machine", case.path("machine.json"),
                     "--calibrate", case.path("calibrate.npy"), "--stop-after", "quantize", "-o", "/dev/stdout")
    walks = [float(v) for v in text.split("walks = [")[1].split("]")[0].split(",")]
    runs = {how: case.run(how, "int8")[1] for how in ("weights", "activations", "auto")}
    for k, how in enumerate(("weights", "activations")):
        bce = layers_of(runs[how])[0]
        enter = 4 if machine["base"] == "bitlet-x" else 0  # 64 activations, 16 a cycle, bound a step with extension P
        counted = max(bce["step_cycles"] / bce["steps"], enter)
        if not any(abs(counted - walk) < 0.01 for walk in walks[2 * k:2 * k + 2]):
            return f"{how}: {counted} cycles a step, measured {walks}"
    if distilled(runs["auto"]) != [name]:
        return f"auto distils {distilled(runs['auto'])}; measured {walks}"
    return ""


MODELS = {"resnet8_cifar": "int8", "gtcrn_simple": "int8", "mnist_cnn": "int8", "ultraface_slim320_qlinear": "fp32"}


def check_models(case, _, name, args):
    folder = os.path.join(args.models, name) if name in MODELS else os.path.join(args.demo, "digits")
    model = os.path.join(folder, "model.onnx") if name in MODELS else os.path.join(args.demo, "digits.onnx")
    for machine in ("micro21", "bitlet-x"):
        runs = {how: case.run(how, MODELS.get(name, "int8"), model, folder, os.path.join(folder, "test_data_set_0"), machine)
                for how in ("weights", "activations", "auto")}
        if len({r[0] for r in runs.values()}) != 1:
            return f"{machine}: outputs differ"
        cycles = {how: r[1]["total"]["cycles"] for how, r in runs.items()}
        if cycles["auto"] > 1.01 * min(cycles["weights"], cycles["activations"]):
            return f"{machine}: auto is slower, {cycles}"
        if "activations" not in distilled(runs["activations"][1]):
            return f"{machine}: no layer distils activations"
    return ""


def check_floats(case, seed, name, _):
    rng = np.random.default_rng(seed)
    model, x = make(rng, name)
    precision = pick(rng, "fp32", "fp16")
    case.write(model, {"base": "micro21"}, x, x)
    runs = [case.run(how, precision, machine=machine, patches="off")
            for machine in ("micro21", "bitlet-x") for how in ("weights", "activations", "auto")]
    if len({r[0] for r in runs}) != 1:
        return f"{precision}: outputs differ"
    if {how for r in runs for how in distilled(r[1])} != {"weights"}:
        return f"{precision}: activations are distilled"
    if any([b["d_histogram"][:65] for b in layers_of(r[1])] != [b["d_histogram"][:65] for b in layers_of(runs[0][1])] for r in runs):
        return f"{precision}: D differs"
    return ""


def divisors(n):
    return [d for d in range(1, n + 1) if n % d == 0]


def patched(rng, text, pes, most):
    """The IR with a patch for its convolution that the machine can take; an empty text: there is none but 1."""
    line = next(v for v in text.splitlines() if " = conv(" in v)
    out = [int(v) for v in re.search(r"} : \w+\[([0-9,]+)\]", line).group(1).split(",")][2:]
    name = re.escape(re.search(r"conv\(\S+, (%[^,)]+)", line).group(1))
    kernel = [int(v) for v in re.search(name + r" = const : \w+\[([0-9,]+)\]", text).group(1).split(",")]
    strides, dilations = ([int(v) for v in re.search(name + r" = \[([0-9, ]+)\]", line).group(1).split(",")]
                          for name in ("strides", "dilations"))
    patch = [int(rng.choice(divisors(o))) if d == 1 else 1 for o, d in zip(out, dilations)]
    window = kernel[1] * math.prod(k + (q - 1) * s for k, q, s in zip(kernel[2:], patch, strides))
    if math.prod(patch) > pes or math.prod(patch) == 1 or window > most:
        return ""
    return [text.replace(line, line.replace("{strides", "{patch = %s, strides" % p)) for p in (patch, [1] * len(patch))]


def check_patches(case, seed, name, _):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        model, x = make(rng, name)
        machine, precision = pick(rng, *MACHINES), pick(rng, "fp32", "fp16", *PRECISIONS)
        case.write(model, machine, x * np.float32(0.7), x)
        text = case.tool("bitletc", case.path("m.onnx"), "-p", precision, "--calibrate", case.path("calibrate.npy"), "--machine",
                         case.path("machine.json"), "--stop-after", "fuse-requant", "-o", case.path("m.bir"))
        with open(case.path("m.bir")) as f:
            text = f.read()
        texts = patched(rng, text, machine.get("pes", 32), machine.get("group", 64) if precision[0] == "f" else 4096)
        if texts:
            break
    else:
        return "no case of a patch was found"
    runs = []
    for text in texts:
        with open(case.path("m.bir"), "w") as f:
            f.write(text)
        runs.append(case.run("weights", precision, case.path("m.bir")))
    if runs[0][0] != runs[1][0]:
        return f"{precision}: outputs differ"
    if runs[0][1]["total"]["macs"] != runs[1][1]["total"]["macs"]:
        return f"{precision}: MACs differ"
    return ""


def check_maps(case, seed, name, _):
    rng = np.random.default_rng(seed)
    rows, inner = int(name), int(rng.integers(2, 30)) * 64
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((rows, inner), (inner, 64)))
    model = ow.model([ow.node("MatMul", ["x", "w"], ["y"], name="layer")], [("x", ow.FLOAT, [rows, inner])], [("y", ow.FLOAT, None)],
                     {"w": w}, opset=18)
    case.write(model, {"base": "bitlet-x"}, x, x)
    case.tool("bitletc", case.path("m.onnx"), "-p", "int8", "--calibrate", case.path("calibrate.npy"), "--machine",
              case.path("machine.json"), "--stop-after", "tile", "-o", case.path("m.bir"))
    with open(case.path("m.bir")) as f:
        text = f.read()
    chosen = ", map = 1" in text
    texts = (text.replace(", map = 1", ""), text if chosen else re.sub(r"(resident = \d)", r"\1, map = 1", text))
    cycles = []
    for t in texts:
        with open(case.path("m.bir"), "w") as f:
            f.write(t)
        cycles.append(case.run("weights", "int8", case.path("m.bir"))[1]["total"]["cycles"])
    if cycles[chosen] > 1.1 * cycles[not chosen]:
        return f"{rows} rows of {inner}: {cycles[0]} cycles without maps, {cycles[1]} with; maps are {'' if chosen else 'not '}chosen"
    return ""


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--only", default="layers", choices=("layers", "choice", "models", "floats", "patches", "maps"))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=40)
    p.add_argument("--demo", default="")
    p.add_argument("--models", default="")
    p.add_argument("-k", default="")
    args = p.parse_args()
    names, check = {"layers": (list(LAYERS), check_layers), "choice": (["weights", "activations"], check_choice),
                    "models": (["digits"] + [m for m in MODELS if os.path.isdir(os.path.join(args.models, m))], check_models),
                    "floats": (list(LAYERS), check_floats), "patches": (["conv", "depthwise"], check_patches),
                    "maps": (["1", "2", "4", "8", "16", "64", "300"], check_maps)}[args.only]
    passed = failed = 0
    for n in range(len(names) if args.only == "models" else args.count):
        name = names[n % len(names)]
        if args.k not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                why = check(Case(args.bin, folder), args.seed + n, name, args)
            except RuntimeError as e:
                why = str(e)
        passed, failed = passed + (not why), failed + bool(why)
        if why:
            again = args.seed + n - n % len(names)
            print(f"FAILED {name} seed {args.seed + n}: {why[:1500]}\n  repeat: {sys.argv[0]} --bin {args.bin} --only {args.only} --seed "
                  f"{again} --count {len(names)} -k {name}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
