"""RNN, GRU and LSTM against numpy, written from the specification's equations in double precision.

    recurrent.py --bin BUILD/bin [-k NAME]

Every attribute, optional operand and output, and random combinations of them, by evaluator and by compiler and simulator. Ends with
"N passed, N failed".
"""

import argparse
import json
import sys
import tempfile

import numpy as np

import tool_case as tc

ow = tc.ow
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
# (alpha, beta) of those that take them, and what they are when they are not given
PARAMETERS = {"Affine": (1.0, 0.0), "Elu": (1.0, None), "HardSigmoid": (0.2, 0.5), "LeakyRelu": (0.01, None), "ScaledTanh": (1.0, 1.0), "ThresholdedRelu": (1.0, None)}
ACTIVATIONS = {
    "Affine": lambda x, a, b: a * x + b,
    "Elu": lambda x, a, b: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "LeakyRelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "Relu": lambda x, a, b: np.maximum(x, 0),
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x, a, b: np.log1p(np.exp(x)),
    "Softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "Tanh": lambda x, a, b: np.tanh(x),
    "ThresholdedRelu": lambda x, a, b: np.where(x >= a, x, 0),
}


def bind(names, alphas, betas, clip):
    """Functions of one argument; alphas and betas go to those that take them, in order."""
    alphas, betas, bound = list(alphas), list(betas), []
    for name in names:
        a, b = PARAMETERS.get(name, (None, None))
        if a is not None and alphas:
            a = alphas.pop(0)
        if b is not None and betas:
            b = betas.pop(0)

        def f(x, fn=ACTIVATIONS[name], a=a, b=b):
            return fn(x if clip is None else np.clip(x, -clip, clip), a, b)

        bound.append(f)
    return bound


def cell(op, acts, x, h, c, w, r, wb, rb, p, attrs):
    """One step: the next h and c."""
    n = h.shape[1]

    def part(m, i):
        return m[i * n : (i + 1) * n]

    def gate(i):
        return x @ part(w, i).T + h @ part(r, i).T + part(wb, i) + part(rb, i)

    if op == "RNN":
        return acts[0](gate(0)), c
    if op == "GRU":
        z, reset = acts[0](gate(0)), acts[0](gate(1))
        if attrs.get("linear_before_reset"):
            fresh = acts[1](x @ part(w, 2).T + reset * (h @ part(r, 2).T + part(rb, 2)) + part(wb, 2))
        else:
            fresh = acts[1](x @ part(w, 2).T + (reset * h) @ part(r, 2).T + part(rb, 2) + part(wb, 2))
        return (1 - z) * fresh + z * h, c
    i = acts[0](gate(0) + part(p, 0) * c)
    f = 1 - i if attrs.get("input_forget") else acts[0](gate(2) + part(p, 2) * c)
    c = f * c + i * acts[1](gate(3))
    o = acts[0](gate(1) + part(p, 1) * c)
    return o * acts[2](c), c


def reference(op, x, w, r, bias, lens, h0, c0, p, attrs):
    """Y, Y_h, Y_c as with layout 0."""
    direction = attrs.get("direction", "forward")
    dirs, (steps, batch), n = w.shape[0], x.shape[:2], r.shape[2]
    per = len(DEFAULTS[op])
    names = attrs.get("activations") or DEFAULTS[op] * dirs
    acts = bind(names, attrs.get("activation_alpha", []), attrs.get("activation_beta", []), attrs.get("clip"))
    y, yh, yc = np.zeros((steps, dirs, batch, n)), np.zeros((dirs, batch, n)), np.zeros((dirs, batch, n))
    for d in range(dirs):
        half = GATES[op] * n
        for b in range(batch):
            length = int(lens[b])
            h, c = h0[d, b : b + 1], c0[d, b : b + 1]
            order = range(length)
            if direction == "reverse" or d == 1:
                order = reversed(order)
            for t in order:
                h, c = cell(op, acts[d * per : (d + 1) * per], x[t, b : b + 1], h, c, w[d], r[d], bias[d, :half], bias[d, half:], p[d], attrs)
                y[t, d, b] = h[0]
            yh[d, b], yc[d, b] = h[0], c[0]
    return y, yh, yc


def build(seed, op, dtype=np.float32, opset=14, steps=4, batch=2, inputs=3, hidden=5, has="B", outputs="yhc", runtime=False, **attrs):
    """A model, its inputs and what it must give. has: B bias, s lengths, h and c states, p peepholes. runtime: weights are inputs too."""
    rng = np.random.default_rng(seed)
    dirs = 2 if attrs.get("direction") == "bidirectional" else 1
    rows = GATES[op] * hidden
    lstm = op == "LSTM"

    def draw(present, *shape, scale=1.0):
        v = rng.uniform(-scale, scale, shape).astype(dtype)
        return v if present else np.zeros(shape, dtype)

    x, w, r = draw(True, steps, batch, inputs, scale=2), draw(True, dirs, rows, inputs), draw(True, dirs, rows, hidden)
    bias, h0 = draw("B" in has, dirs, 2 * rows), draw("h" in has, dirs, batch, hidden)
    c0, p = draw("c" in has, dirs, batch, hidden), draw("p" in has, dirs, 3 * hidden)
    lens = rng.integers(1, steps + 1, batch).astype(np.int32) if "s" in has else np.full(batch, steps, np.int32)
    wide = [v.astype(np.float64) for v in (x, w, r, bias)]
    y, yh, yc = reference(op, *wide, lens, h0.astype(np.float64), c0.astype(np.float64), p.astype(np.float64), attrs)
    if attrs.get("layout"):
        x, h0, c0 = x.swapaxes(0, 1), h0.swapaxes(0, 1), c0.swapaxes(0, 1)
        y, yh, yc = y.transpose(2, 0, 1, 3), yh.swapaxes(0, 1), yc.swapaxes(0, 1)
    operands = {"x": x, "w": w, "r": r, "b": bias, "s": lens, "h": h0, "c": c0, "p": p}
    there = {"x", "w", "r"} | set(has.lower())
    fed = {k: np.ascontiguousarray(v) for k, v in operands.items() if k in there and (k in "xsh" or runtime)}
    init = {k: np.ascontiguousarray(v) for k, v in operands.items() if k in there and k not in fed}
    names = [k if k in there else "" for k in "xwrbsh" + ("cp" if lstm else "")]
    results = {"y": y, "h": yh, "c": yc}
    want = {"out_" + k: np.ascontiguousarray(results[k]).astype(dtype) for k in outputs if k != "c" or lstm}
    slots = ["out_" + k if "out_" + k in want else "" for k in "yhc"[: 3 if lstm else 2]]
    while not slots[-1]:
        slots.pop()
    while not names[-1]:
        names.pop()
    node = ow.node(op, names, slots, **{k: v for k, v in attrs.items()}, hidden_size=hidden)
    return tc.model([node], fed, want, init, opset=opset), fed, want


def cases():
    """name: arguments of build"""
    out = {}
    for op in GATES:
        dirs = {d: dict(direction=d) for d in ("forward", "reverse", "bidirectional")}
        for d, attr in dirs.items():
            out[f"{op} {d}"] = dict(op=op, **attr)
            out[f"{op} {d} lengths"] = dict(op=op, has="Bs", batch=4, steps=5, **attr)
            out[f"{op} {d} layout 1"] = dict(op=op, has="Bhc", layout=1, **attr)
            out[f"{op} {d} layout 1 lengths"] = dict(op=op, has="Bshc", layout=1, batch=3, **attr)
        out[f"{op} no bias"] = dict(op=op, has="")
        out[f"{op} states"] = dict(op=op, has="Bhc")
        out[f"{op} clip"] = dict(op=op, clip=0.25)
        out[f"{op} only Y"] = dict(op=op, outputs="y")
        out[f"{op} only Y_h"] = dict(op=op, outputs="h")
        out[f"{op} weights of run time"] = dict(op=op, has="Bhc", runtime=True)
        out[f"{op} one step"] = dict(op=op, steps=1, batch=1)
        out[f"{op} wide"] = dict(op=op, steps=3, batch=3, inputs=70, hidden=67, direction="bidirectional")
        out[f"{op} opset 7"] = dict(op=op, opset=7, has="Bs")
        out[f"{op} opset 22"] = dict(op=op, opset=22)
        out[f"{op} float16"] = dict(op=op, dtype=np.float16)
        out[f"{op} double"] = dict(op=op, dtype=np.float64, direction="bidirectional")
        per = len(DEFAULTS[op])
        for name in ACTIVATIONS:
            out[f"{op} {name}"] = dict(op=op, activations=[name] * per)
        a, b = [name for name in PARAMETERS], [name for name in PARAMETERS if PARAMETERS[name][1] is not None]
        for k in range(0, len(a), per):
            names = (a[k : k + per] + a)[:per] * 2
            alphas, betas = [0.5 + 0.125 * i for i in range(2 * per)], [0.75 - 0.25 * i for i in range(sum(n in b for n in names))]
            out[f"{op} parameters {' '.join(names[:per])}"] = dict(op=op, direction="bidirectional", activations=names, activation_alpha=alphas, activation_beta=betas or [1.0])
        mixed = (["Relu", "LeakyRelu", "ScaledTanh"] * 2)[:per]
        out[f"{op} fewer parameters than activations"] = dict(op=op, activations=mixed, activation_alpha=[0.5])
    for lbr in (0, 1):
        for d in ("forward", "reverse", "bidirectional"):
            out[f"GRU linear_before_reset {lbr} {d}"] = dict(op="GRU", linear_before_reset=lbr, direction=d, has="Bsh", batch=3)
        out[f"GRU linear_before_reset {lbr} no bias"] = dict(op="GRU", linear_before_reset=lbr, has="h", clip=0.5)
        out[f"GRU linear_before_reset {lbr} weights of run time"] = dict(op="GRU", linear_before_reset=lbr, has="Bh", runtime=True, direction="bidirectional")
    out["LSTM peepholes"] = dict(op="LSTM", has="Bp")
    out["LSTM peepholes bidirectional states"] = dict(op="LSTM", has="Bhcp", direction="bidirectional")
    out["LSTM peepholes clip"] = dict(op="LSTM", has="Bcp", clip=0.3)
    out["LSTM input_forget"] = dict(op="LSTM", has="Bhc", input_forget=1)
    out["LSTM input_forget peepholes"] = dict(op="LSTM", has="Bhcps", input_forget=1, direction="bidirectional", batch=3, layout=1)
    out["LSTM only Y_c"] = dict(op="LSTM", outputs="c")
    out["LSTM Y and Y_c"] = dict(op="LSTM", outputs="yc")
    return out


def random_case(seed):
    rng = np.random.default_rng(seed)
    op = str(rng.choice(list(GATES)))
    names = list(ACTIVATIONS)
    d = str(rng.choice(["forward", "reverse", "bidirectional"]))
    count = len(DEFAULTS[op]) * (2 if d == "bidirectional" else 1)
    spec = dict(op=op, direction=d, has="".join(c for c in "Bshcp" if rng.integers(2) and (op == "LSTM" or c not in "cp")), layout=int(rng.integers(2)))
    if rng.integers(2):
        spec["activations"] = [str(rng.choice(names)) for _ in range(count)]
    if rng.integers(2):
        spec["activation_alpha"] = [float(v) for v in np.round(rng.uniform(0.1, 1, rng.integers(1, count + 1)), 3)]
    if rng.integers(3) == 0:
        spec["clip"] = float(np.round(rng.uniform(0.1, 2), 2))
    if op == "GRU":
        spec["linear_before_reset"] = int(rng.integers(2))
    if op == "LSTM":
        spec["input_forget"] = int(rng.integers(2))
    spec.update(steps=int(rng.integers(1, 5)), batch=int(rng.integers(1, 4)), inputs=int(rng.integers(1, 6)), hidden=int(rng.integers(1, 7)))
    spec.update(runtime=bool(rng.integers(2)))
    return spec


# Machines on which all weights of a loop, some, or none stay in the weight buffer while it runs.
WEIGHT_BUFFERS = (65536, 98304, 131072, 524288)


def machine_cases():
    """(name, arguments of build, bytes of the weight buffer)"""
    for op in GATES:
        for runtime in (False, True):
            for size in WEIGHT_BUFFERS:
                spec = dict(op=op, steps=3, batch=2, inputs=5, hidden=67, has="Bh", runtime=runtime, direction="bidirectional")
                yield f"{op} weight buffer {size} {'run time' if runtime else 'constant'}", spec, size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("-k", default="", help="only cases whose names contain this")
    parser.add_argument("--random", type=int, default=40, help="number of random cases")
    args = parser.parse_args()
    count = tc.Count()
    specs = cases()
    specs.update({f"random {seed}": random_case(seed) for seed in range(args.random)})
    for seed, (name, spec) in enumerate(specs.items()):
        if args.k not in name:
            continue
        data, inputs, outputs = build(seed, **spec)
        rtol, atol = (2e-2, 1e-2) if spec.get("dtype") == np.float16 else (2e-4, 2e-5)
        count.note(f"{name} {spec}", tc.try_model(args.bin, data, inputs, outputs, rtol, atol))
    for seed, (name, spec, size) in enumerate(machine_cases()):
        if args.k in name:
            data, inputs, outputs = build(seed, **spec)
            with tempfile.NamedTemporaryFile("w", suffix=".json") as machine:
                json.dump({"base": "micro21", "name": "small", "weight_buffer": size}, machine)
                machine.flush()
                count.note(name, tc.try_model(args.bin, data, inputs, outputs, 2e-4, 2e-5, "--machine", machine.name))
    return count.end()


if __name__ == "__main__":
    sys.exit(main())
