"""Operators of the default domain at the edges of their specification, against numpy.

    op_cases.py --bin BUILD/bin [-k NAME]

Each case is run by the reference evaluator and by compiler and simulator. Ends with "N passed, N failed".
"""

import argparse
import concurrent.futures
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not there")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import onnx_write as ow  # noqa: E402

F, D, I, H = np.float32, np.float64, np.int64, np.float16
NAN, INF = float("nan"), float("inf")
RNG = np.random.default_rng(23)
CASES = {}
REFUSED = {}  # name: (case, words of the diagnostic)


class Const:
    """An operand that the model holds."""

    def __init__(self, value, dtype=I):
        self.value = value if isinstance(value, ow.Sparse) else np.asarray(value, dtype)


def rnd(*shape, low=-2, high=2, dtype=F):
    return RNG.uniform(low, high, shape).astype(dtype)


class Typed:
    """A tensor of a type that numpy has not: its number, and the bit patterns of the elements."""

    def __init__(self, onnx, bits, patterns):
        self.onnx, self.bits, self.patterns = onnx, bits, np.asarray(patterns).astype(np.uint16)
        self.shape = self.patterns.shape

    def message(self):
        flat = self.patterns.reshape(-1)
        if self.bits == 16:
            data = flat.astype("<u2").tobytes()
        else:
            per = 8 // self.bits
            flat = np.concatenate([flat, np.zeros(-len(flat) % per, np.uint16)]).reshape(-1, per)
            data = sum(flat[:, i] << (i * self.bits) for i in range(per)).astype(np.uint8).tobytes()
        return [(1, int(d)) for d in self.shape] + [(2, self.onnx), (9, data)]


def onnx_type(v):
    return v.onnx if isinstance(v, Typed) else ow._NUMPY[str(v.dtype)]


def save(v, path):
    """The file written."""
    if isinstance(v, Typed):
        with open(path + ".pb", "wb") as f:
            f.write(ow.encode(v.message()))
        return path + ".pb"
    np.save(path + ".npy", v)
    return path + ".npy"


def add(name, op, inputs, outputs, opset=25, tol=1e-5, **attrs):
    """inputs: arrays, Const or None; outputs: arrays or None (not asked for)."""
    assert name not in CASES, name
    CASES[name] = (op, inputs, outputs, opset, tol, attrs)


def build(op, inputs, outputs, opset, attrs):
    names, feeds, init, results = [], [], {}, []
    told = "UNDECLARED" not in attrs
    attrs = {k: v for k, v in attrs.items() if k != "UNDECLARED"}
    for i, v in enumerate(inputs):
        name = "" if v is None else f"x{i}"
        names.append(name)
        if isinstance(v, Const):
            init[name] = v.value
        elif v is not None:
            feeds.append((name, v))
    for i, v in enumerate(outputs):
        if v is not None:
            results.append((f"y{i}", v))
    info = [[(k, onnx_type(v), list(v.shape)) for k, v in side] for side in (feeds, results)]
    if not told:
        info[1] = [(k, t, [f"{k}_{d}" for d in range(len(dims))]) for k, t, dims in info[1]]
    node = ow.node(op, names, ["" if v is None else f"y{i}" for i, v in enumerate(outputs)], **attrs)
    return ow.model([node], *info, init, opset=opset), [v for _, v in feeds], [v for _, v in results]


def run(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return (os.path.basename(args[0]) + ": " + (done.stdout or "exit status %d" % done.returncode)) if done.returncode else ""


def try_case(binaries, spec):
    """What is wrong, or an empty text."""
    op, inputs, outputs, opset, tol, attrs = spec
    model, feeds, results = build(op, inputs, [v if v is None or isinstance(v, Typed) else np.asarray(v) for v in outputs], opset, attrs)
    with tempfile.TemporaryDirectory() as folder:
        file, binary = os.path.join(folder, "m.onnx"), os.path.join(folder, "m.blt")
        with open(file, "wb") as f:
            f.write(model)
        arguments = []
        for k, v in enumerate(feeds):
            arguments += ["--inputs", save(v, os.path.join(folder, f"input_{k}"))]
        for k, v in enumerate(results):
            save(v, os.path.join(folder, f"output_{k}"))
        arguments += ["--expect", folder, "--rtol", str(tol), "--atol", str(tol)]
        tools = [os.path.join(binaries, t) for t in ("onnx-eval", "bitletc", "bitlet-isa-sim")]
        why = run(tools[0], file, *arguments)
        compiled = run(tools[1], file, "-o", binary)
        return why + (compiled or run(tools[2], binary, "--quiet", *arguments))


# ---- Attention


def softmax(x):
    with np.errstate(all="ignore"):
        e = np.exp(x - np.where(np.isneginf(x.max(-1, keepdims=True)), 0, x.max(-1, keepdims=True)))
        s = e.sum(-1, keepdims=True)
        return e / np.where(s == 0, 1, s)


def attend(q, k, v, mask=None, past=None, causal=False, lengths=None, scale=None, cap=0):
    """Y, present key and value, and the scores of the four modes; operands of four dimensions."""
    q, k, v = (a.astype(D) for a in (q, k, v))
    before = 0
    if past is not None:
        before = past[0].shape[2]
        k, v = np.concatenate([past[0], k], 2), np.concatenate([past[1], v], 2)
    kk, vv = (np.repeat(a, q.shape[1] // a.shape[1], 1) for a in (k, v))
    s0 = (q @ kk.swapaxes(2, 3)) * (q.shape[3] ** -0.5 if scale is None else scale)
    s1 = cap * np.tanh(s0 / cap) if cap else s0
    bias = np.zeros(s0.shape)
    rows, columns = np.arange(s0.shape[2])[:, None], np.arange(s0.shape[3])
    if mask is not None:
        short = s0.shape[3] - mask.shape[-1] if mask.shape[-1] > 1 else 0
        wide = np.where(mask, 0.0, -INF) if mask.dtype == bool else mask.astype(D)
        bias = bias + np.concatenate([wide, np.full(wide.shape[:-1] + (short,), -INF)], -1)
    if lengths is not None:
        bias[np.broadcast_to(columns >= lengths[:, None, None, None], bias.shape)] = -INF
    if causal:
        offset = np.full(len(q), before) if lengths is None else lengths - q.shape[2]
        bias[np.broadcast_to(columns > rows + offset[:, None, None, None], bias.shape)] = -INF
    s2 = s1 + bias
    s3 = softmax(s2)
    return s3 @ vv, k, v, [s0, s1, s2, s3]


def attention_cases():
    q, k, v = rnd(2, 4, 3, 8), rnd(2, 2, 5, 8), rnd(2, 2, 5, 6)
    past = rnd(2, 2, 4, 8), rnd(2, 2, 4, 6)
    allowed = RNG.integers(0, 2, (3, 5)).astype(bool)
    allowed[1] = False
    allowed[0, :2] = True

    def one(name, operands, attrs, mode=None, opset=24, **given):
        y, pk, pv, scores = attend(q, k, v, **given)
        outputs = [y, None, None, scores[mode]] if mode is not None else [y] + ([pk, pv] if "past" in given else [])
        if mode is not None:
            attrs = dict(attrs, qk_matmul_output_mode=mode)
        add("Attention " + name, "Attention", [q, k, v] + operands, [None if o is None else o.astype(F) for o in outputs], opset, **attrs)

    for opset in (23, 24):
        for mode in range(4):
            one(f"no key allowed, mode {mode}, opset {opset}", [allowed], {}, mode, opset, mask=allowed)
    one("no key allowed by floats", [np.where(allowed, 0.25, -INF).astype(F)], {}, mask=np.where(allowed, 0.25, -INF))
    one("mask and causal", [allowed], {"is_causal": 1}, mask=allowed, causal=True)
    one("causal, past", [None, *past], {"is_causal": 1}, past=past, causal=True)
    lengths = np.array([5, 4], I)
    one("lengths", [None, None, None, lengths], {}, lengths=lengths)
    one("lengths, causal", [None, None, None, lengths], {"is_causal": 1}, causal=True, lengths=lengths)
    few = np.array([2, 0], I)
    one("lengths below the queries, causal", [None, None, None, few], {"is_causal": 1}, causal=True, lengths=few)
    one("lengths, causal, mask", [allowed[None, None], None, None, lengths], {"is_causal": 1}, mode=2, causal=True, lengths=lengths, mask=allowed)
    for shape in ((1, 5), (3, 5), (4, 3, 5), (1, 3, 5), (2, 1, 3, 5), (2, 4, 1, 5), (3, 3), (2, 4, 3, 2)):
        mask = rnd(*shape)
        one(f"float mask {shape}", [mask], {"softcap": 0.5, "scale": 0.3}, mode=2, mask=mask, cap=0.5, scale=0.3)
    one("softcap, mode 1", [], {"softcap": 2.0}, mode=1, cap=2.0)
    one("precision double", [], {"softmax_precision": 11})
    one("mask over the past", [rnd(2, 1, 3, 9) * 0 + 1, *past], {}, past=past, mask=np.ones((2, 1, 3, 9)))
    packed = [a.transpose(0, 2, 1, 3).reshape(2, a.shape[2], -1).copy() for a in (q, k, v)]
    y = attend(q, k, v, allowed)[0].transpose(0, 2, 1, 3).reshape(2, 3, -1).astype(F)
    add("Attention 3-D", "Attention", packed + [allowed], [y], 23, q_num_heads=4, kv_num_heads=2)
    half = [a.astype(H) for a in (q, k, v)]
    add("Attention f16", "Attention", half + [allowed], [attend(*half, allowed)[0].astype(H)], 24, tol=4e-3)
    double = [a.astype(D) for a in (q, k, v)]
    add("Attention f64", "Attention", double + [allowed], [attend(*double, allowed)[0]], 24, tol=1e-9)


def rotate(x, cos, sin, interleaved=False):
    """x[batch, heads, length, size]; cos[batch, length, half]"""
    half = cos.shape[-1]
    c, s = cos[:, None], sin[:, None]
    a, b = (x[..., 0:2 * half:2], x[..., 1:2 * half:2]) if interleaved else (x[..., :half], x[..., half:2 * half])
    y = x.copy()
    p, r = c * a - s * b, s * a + c * b
    if interleaved:
        y[..., 0:2 * half:2], y[..., 1:2 * half:2] = p, r
    else:
        y[..., :half], y[..., half:2 * half] = p, r
    return y


def rotary_cases():
    x, where = rnd(2, 3, 4, 8), RNG.integers(0, 10, (2, 4)).astype(I)
    for half, attrs in ((4, {}), (2, {"rotary_embedding_dim": 4}), (3, {"rotary_embedding_dim": 6, "interleaved": 1}), (4, {"interleaved": 1})):
        cos, sin = rnd(10, half), rnd(10, half)
        y = rotate(x, cos[where], sin[where], attrs.get("interleaved"))
        add(f"RotaryEmbedding {half} {attrs}", "RotaryEmbedding", [x, cos, sin, where], [y], 23, **attrs)
        add(f"RotaryEmbedding {half} {attrs} no positions", "RotaryEmbedding", [x, cos[where], sin[where]], [y], 23, **attrs)
        flat = [a.transpose(0, 2, 1, 3).reshape(2, 4, 24).copy() for a in (x, y)]
        add(f"RotaryEmbedding {half} {attrs} 3-D", "RotaryEmbedding", [flat[0], cos, sin, where], [flat[1]], 23, num_heads=3, **attrs)
    h = x.astype(H), rnd(10, 4, dtype=H), rnd(10, 4, dtype=H)
    add("RotaryEmbedding f16", "RotaryEmbedding", [*h, where], [rotate(h[0].astype(F), h[1].astype(F)[where], h[2].astype(F)[where]).astype(H)], 23, tol=4e-3)


def tensor_scatter_cases():
    for axis in (-2, 1, 2, -1):
        for mode in ("linear", "circular"):
            past, at = rnd(2, 3, 6, 5), np.array([1, 2], I) if mode == "linear" else np.array([4, 1], I)
            a = axis % 4
            if mode == "circular":
                at = at % past.shape[a]
            shape = list(past.shape)
            shape[a] = 1 if a == 1 and mode == "linear" else 2
            update, want = rnd(*shape), past.copy()
            for b in range(2):
                for i in range(shape[a]):
                    place = (int(at[b]) + i) % past.shape[a]
                    np.moveaxis(want, a, 1)[b, place] = np.moveaxis(update, a, 1)[b, i]
            add(f"TensorScatter {axis} {mode}", "TensorScatter", [past, update, at], [want], 24, axis=axis, mode=mode)
    past, update = rnd(2, 6, 5), rnd(2, 3, 5)
    add("TensorScatter from 0", "TensorScatter", [past, update], [np.concatenate([update, past[:, 3:]], 1)], 24)
    p, u = past.astype(H), update.astype(H)
    add("TensorScatter f16", "TensorScatter", [p, u], [np.concatenate([u, p[:, 3:]], 1)], 24)
    p, u = (np.arange(n).reshape(2, -1, 5).astype(np.int8) for n in (60, 30))
    add("TensorScatter i8", "TensorScatter", [p, u], [np.concatenate([u, p[:, 3:]], 1)], 24)


attention_cases()
rotary_cases()
tensor_scatter_cases()


# ---- Normalisation and activations


def norm_cases():
    x, s, b = rnd(2, 6, 3, 4), rnd(6), rnd(6)
    for groups in (1, 2, 3, 6):
        g = x.astype(D).reshape(2, groups, -1)
        g = ((g - g.mean(-1, keepdims=True)) / np.sqrt(g.var(-1, keepdims=True) + 0.01)).reshape(x.shape)
        y = g * s[:, None, None] + b[:, None, None]
        add(f"GroupNormalization {groups}", "GroupNormalization", [x, s, b], [y.astype(F)], 21, num_groups=groups, epsilon=0.01)
        s18, b18 = rnd(groups), rnd(groups)
        y = g * np.repeat(s18, 6 // groups)[:, None, None] + np.repeat(b18, 6 // groups)[:, None, None]
        add(f"GroupNormalization-18 {groups}", "GroupNormalization", [x, s18, b18], [y.astype(F)], 18, num_groups=groups, epsilon=0.01)
    for axis in range(-4, 4):
        w = rnd(*x.shape[axis:])
        axes = tuple(range(axis % 4, 4))
        y = x / np.sqrt((x.astype(D) ** 2).mean(axes, keepdims=True) + 1e-5) * w
        add(f"RMSNormalization {axis}", "RMSNormalization", [x, w], [y.astype(F)], 23, axis=axis)
        c = x.astype(D) - x.astype(D).mean(axes, keepdims=True)
        inv = 1 / np.sqrt((c**2).mean(axes, keepdims=True) + 1e-5)
        add(f"LayerNormalization {axis}", "LayerNormalization", [x, w], [(c * inv * w).astype(F), x.mean(axes, keepdims=True), inv.astype(F)], 17, axis=axis)
    h, w = x.astype(H), rnd(4)
    y = h.astype(D) / np.sqrt((h.astype(D) ** 2).mean(-1, keepdims=True) + 1e-5)
    add("RMSNormalization f16, f32 scale", "RMSNormalization", [h, w], [(y.astype(H) * w).astype(F)], 23, tol=2e-3)
    add("RMSNormalization f16, scalar scale", "RMSNormalization", [h, np.array([2], H)], [(2 * y).astype(H)], 23, tol=4e-3)
    add("RMSNormalization f64", "RMSNormalization", [x.astype(D), rnd(4, dtype=D) * 0 + 3], [3 * x.astype(D) / np.sqrt((x.astype(D) ** 2).mean(-1, keepdims=True) + 1e-5)], 23, stash_type=11, tol=1e-9)
    for p in (1, 2):
        for axis in (0, -1, 2):
            z = x.copy()
            z[:, 0] = 0 if axis == 2 else z[:, 0]
            norm = np.abs(z).sum(axis, keepdims=True) if p == 1 else np.sqrt((z**2).sum(axis, keepdims=True))
            add(f"LpNormalization {p} {axis}", "LpNormalization", [z], [z / np.where(norm == 0, 1, norm)], 22, p=p, axis=axis)
    for alpha in (1.0, 0.5, -1.0):
        add(f"Swish {alpha}", "Swish", [x], [(x / (1 + np.exp(-alpha * x.astype(D)))).astype(F)], 24, alpha=alpha)
    add("Swish far", "Swish", [np.array([-1e4, -100, 0, 100, 1e4], F)], [np.array([0, 0, 0, 100, 1e4], F)], 24)
    add("Mish far", "Mish", [np.array([-1e4, -100, 0, 100, 1e4], F)], [np.array([0, 0, 0, 100, 1e4], F)], 18)
    add("Softplus far", "Softplus", [np.array([-1e4, 0, 100, 1e4], F)], [np.array([0, np.log(2), 100, 1e4], F)], 22)
    add("Sigmoid far", "Sigmoid", [np.array([-1e4, 0, 1e4, INF, -INF, NAN], F)], [np.array([0, 0.5, 1, 1, 0, NAN], F)], 13)
    add("Elu alpha", "Elu", [x], [np.where(x < 0, 0.3 * np.expm1(x), x).astype(F)], 22, alpha=0.3)
    add("Celu alpha", "Celu", [x], [(np.maximum(x, 0) + np.minimum(0, 0.3 * np.expm1(x / 0.3))).astype(F)], 12, alpha=0.3)
    add("Gelu tanh", "Gelu", [x], [(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x.astype(D) ** 3)))).astype(F)], 20, approximate="tanh")
    for axis in (-4, 0, 1, 2, -1):
        e = np.exp(x.astype(D) - x.max(axis, keepdims=True))
        add(f"Softmax {axis}", "Softmax", [x], [(e / e.sum(axis, keepdims=True)).astype(F)], 13, axis=axis)
        add(f"LogSoftmax {axis}", "LogSoftmax", [x], [np.log(e / e.sum(axis, keepdims=True)).astype(F)], 13, axis=axis)
        hot = np.moveaxis(np.eye(x.shape[axis])[x.argmax(axis)], -1, axis)
        add(f"Hardmax {axis}", "Hardmax", [x], [hot.astype(F)], 13, axis=axis)
    tie = np.array([[1, 3, 3, 2], [5, 5, 5, 5]], F)
    add("Hardmax ties", "Hardmax", [tie], [np.array([[0, 1, 0, 0], [1, 0, 0, 0]], F)], 13)
    y = (x.astype(D) - x.astype(D).mean((0, 2, 3), keepdims=True)) / (x.astype(D).std((0, 2, 3), keepdims=True) + 1e-9)
    add("MeanVarianceNormalization", "MeanVarianceNormalization", [x], [y.astype(F)], 13)
    y = (x.astype(D) - x.astype(D).mean((0, 1), keepdims=True)) / (x.astype(D).std((0, 1), keepdims=True) + 1e-9)
    add("MeanVarianceNormalization axes", "MeanVarianceNormalization", [x], [y.astype(F)], 13, axes=[-3, 0])
    for size in (1, 2, 3, 5, 9):
        lo, hi = (size - 1) // 2, size // 2
        sq = np.stack([(x.astype(D) ** 2)[:, max(0, c - lo):c + hi + 1].sum(1) for c in range(6)], 1)
        add(f"LRN {size}", "LRN", [x], [(x / (2 + 0.1 / size * sq) ** 0.6).astype(F)], 13, size=size, alpha=0.1, beta=0.6, bias=2.0)
    w, r = rnd(6), rnd(6, low=0.5)
    z = (x - r[:, None, None]) / np.sqrt(np.abs(w)[:, None, None] + 0.1) * s[:, None, None] + b[:, None, None]
    add("BatchNormalization", "BatchNormalization", [x, s, b, r, np.abs(w)], [z], 15, epsilon=0.1)
    two = x[:, :, 0, 0].copy()
    add("BatchNormalization rank 2", "BatchNormalization", [two, s, b, r, np.abs(w)], [(two - r) / np.sqrt(np.abs(w) + 0.1) * s + b], 15, epsilon=0.1)
    mean, var = x.astype(D).mean((0, 2, 3)), x.astype(D).var((0, 2, 3))
    z = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5) * s[:, None, None] + b[:, None, None]
    add("BatchNormalization training", "BatchNormalization", [x, s, b, r, np.abs(w)], [z.astype(F), (r * 0.8 + mean * 0.2).astype(F), (np.abs(w) * 0.8 + var * 0.2).astype(F)], 15, training_mode=1, momentum=0.8)
    one = x[0, 0, 0]
    add("PRelu scalar slope", "PRelu", [x, np.array([0.3], F)], [np.where(x < 0, x * F(0.3), x)], 16)
    add("Clip min above max", "Clip", [one, np.array(2, F), np.array(1, F)], [np.full_like(one, 1)], 13)
    add("Clip max alone", "Clip", [x, None, np.array(0.5, F)], [np.minimum(x, F(0.5))], 13)
    i8 = np.array([-128, -3, 0, 5, 127], np.int8)
    add("Clip i8 min", "Clip", [i8, np.array(-4, np.int8)], [np.maximum(i8, -4)], 13)
    add("Clip NaN", "Clip", [np.array([NAN, INF, -INF], F), np.array(-1, F), np.array(1, F)], [np.array([NAN, 1, -1], F)], 13)
    add("ThresholdedRelu", "ThresholdedRelu", [x], [np.where(x > 0.7, x, 0).astype(F)], 22, alpha=0.7)
    add("HardSigmoid", "HardSigmoid", [x], [np.clip(0.5 * x + 0.6, 0, 1).astype(F)], 22, alpha=0.5, beta=0.6)


norm_cases()


# ---- Movement


def pad_cases():
    x = rnd(3, 4, 5)
    for mode in ("constant", "edge", "reflect", "wrap"):
        for before, after in (((1, 2, 0), (2, 1, 3)), ((0, 0, 4), (0, 0, 4)), ((2, -1, 1), (-1, 2, -2)), ((-1, 3, -2), (1, -1, 2))):
            cut = x[tuple(slice(max(0, -b), x.shape[i] - max(0, -a)) for i, (b, a) in enumerate(zip(before, after)))]
            wide = [(max(0, b), max(0, a)) for b, a in zip(before, after)]
            if mode == "reflect" and any(max(w) >= d for w, d in zip(wide, cut.shape)):
                continue
            y = np.pad(cut, wide, mode=mode, **({"constant_values": 1.5} if mode == "constant" else {}))
            operands = [x, Const(before + after), Const(1.5, F) if mode == "constant" else None]
            add(f"Pad {mode} {before} {after}", "Pad", operands, [y], 19 if mode == "wrap" else 18, mode=mode)
    y = np.pad(x, ((0, 0), (2, 1), (1, 0)), mode="wrap")
    add("Pad wrap axes", "Pad", [x, Const([1, 2, 0, 1]), None, Const([-1, 1])], [y], 25, mode="wrap")
    add("Pad twice around", "Pad", [x, Const([0, 0, 7, 0, 0, 12])], [np.pad(x, ((0, 0), (0, 0), (7, 12)), mode="wrap")], 25, mode="wrap")
    b = x > 0
    add("Pad bool", "Pad", [b, Const([0, 1, 0, 0, 0, 2]), Const(True, bool)], [np.pad(b, ((0, 0), (1, 0), (0, 2)), constant_values=True)], 25)
    for t in (np.int8, np.uint64, np.int64, H, D):
        z = np.arange(12).reshape(3, 4).astype(t)
        add(f"Pad {t.__name__} axes", "Pad", [z, Const([2, 1]), Const(3, t), Const([-1], np.int32)], [np.pad(z, ((0, 0), (2, 1)), constant_values=3)], 25)
    big = np.array([2**62 + 1, -(2**62) - 3], I)
    add("Pad with a large value", "Pad", [big, Const([1, 0]), Const(2**62 + 5)], [np.concatenate([[2**62 + 5], big])], 25)


def crop_or_pad(x, shape, axes):
    for axis, want in zip(axes, shape):
        have = x.shape[axis]
        if want < have:
            first = (have - want) // 2
            x = np.take(x, range(first, first + want), axis)
        else:
            first = (want - have) // 2
            width = [(0, 0)] * x.ndim
            width[axis] = (first, want - have - first)
            x = np.pad(x, width)
    return x


def move_cases():
    x = rnd(5, 4, 7)
    for shape, axes in (((3, 6, 4), None), ((8, 1), (0, -1)), ((4, 9), (-2, 2)), ((2,), (-1,)), ((5, 4, 7), None)):
        y = crop_or_pad(x, shape, axes or range(3))
        attrs = {"axes": list(axes)} if axes else {}
        add(f"CenterCropPad {shape} {axes}", "CenterCropPad", [x, Const(shape)], [y], 18, **attrs)
    add("CenterCropPad bool", "CenterCropPad", [x > 0, Const([2, 7], np.int32)], [crop_or_pad(x > 0, (2, 7), (0, 1))], 18, axes=[0, 1])
    for n in (2, 3, 4):
        size = -(-7 // n)
        parts = [x[:, :, i * size:(i + 1) * size].copy() for i in range(n)]
        add(f"Split into {n}", "Split", [x], parts, 18, axis=-1, num_outputs=n)
    add("Split with an empty part", "Split", [x, Const([4, 0, 3])], [x[..., :4].copy(), x[..., :0].copy(), x[..., 4:].copy()], 18, axis=2)
    add("Split more than there is", "Split", [x[0, 0, :3].copy()], [x[0, 0, :2].copy(), x[0, 0, 2:3].copy()], 18, num_outputs=2)
    add("Reshape allowzero", "Reshape", [np.zeros((0, 3), F), Const([3, 0])], [np.zeros((3, 0), F)], 14, allowzero=1)
    add("Reshape to a scalar", "Reshape", [np.array([[3]], F), Const(np.zeros(0))], [np.array(3, F)], 19)
    add("Reshape 0 and -1", "Reshape", [x, Const([0, -1])], [x.reshape(5, 28)], 21)
    add("Reshape nothing, -1", "Reshape", [np.zeros((0, 3), F), Const([-1, 3])], [np.zeros((0, 3), F)], 14)
    for axis in range(-3, 4):
        add(f"Flatten {axis}", "Flatten", [x], [x.reshape(int(np.prod(x.shape[:axis])) if axis != 0 else 1, -1)], 21, axis=axis)
    add("Flatten scalar", "Flatten", [np.array(2, F)], [np.array([[2]], F)], 21, axis=0)
    add("Squeeze all", "Squeeze", [x[:1, :, :1]], [x[0, :, 0].copy()], 21)
    add("Squeeze negative", "Squeeze", [x[:1, :, :1], Const([-1])], [x[:1, :, 0].copy()], 21)
    add("Unsqueeze unordered", "Unsqueeze", [x, Const([4, 0, -3])], [x[None, :, None, :, None].reshape(1, 5, 1, 4, 1, 7).reshape(np.expand_dims(x, (4, 0, -3)).shape)], 21)
    add("Unsqueeze scalar", "Unsqueeze", [np.array(2, F), Const([0, 1])], [np.array([[2]], F)], 21)
    add("Transpose", "Transpose", [x], [x.transpose(2, 0, 1)], 21, perm=[2, 0, 1])
    add("Transpose scalar", "Transpose", [np.array(2, F)], [np.array(2, F)], 21)
    add("Expand both ways", "Expand", [x[:, :1], Const([2, 1, 3, 1])], [np.broadcast_to(x[:, :1], (2, 5, 3, 7))], 13)
    add("Expand shorter shape", "Expand", [x, Const([1])], [x], 13)
    add("Expand to nothing", "Expand", [x[:, :1], Const([0, 1])], [np.zeros((5, 0, 7), F)], 13)
    add("Tile zero times", "Tile", [x, Const([1, 0, 2])], [np.tile(x, (1, 0, 2))], 13)
    add("Tile scalar", "Tile", [np.array(2, F), Const(np.zeros(0))], [np.array(2, F)], 13)
    for upper in (0, 1):
        for k in (-9, -2, 0, 1, 9):
            f = np.triu if upper else np.tril
            add(f"Trilu {upper} {k}", "Trilu", [x, Const(k)], [f(x, k)], 14, upper=upper)
    add("Trilu bool", "Trilu", [x > 0], [np.triu(x > 0)], 14)
    add("Trilu empty", "Trilu", [x[:, :0]], [x[:, :0]], 14)
    add("Trilu NaN", "Trilu", [np.full((3, 3), NAN, F)], [np.where(np.triu(np.ones((3, 3))) > 0, NAN, 0).astype(F)], 14)
    add("Slice backwards past the ends", "Slice", [x, Const([100, -1]), Const([-100, -100]), Const([0, 2]), Const([-2, -3])], [x[::-2, :, ::-3]], 13)
    add("Slice to the far end", "Slice", [x, Const([1]), Const([2**63 - 1]), Const([-1])], [x[..., 1:]], 13)
    add("Slice down to the far end", "Slice", [x, Const([-1]), Const([-(2**63)]), Const([0]), Const([-1])], [x[::-1]], 13)
    add("Slice nothing", "Slice", [x, Const([3]), Const([1])], [x[3:1]], 13)
    add("Slice i32", "Slice", [x, Const([1], np.int32), Const([3], np.int32), Const([1], np.int32)], [x[:, 1:3]], 13)
    add("Concat empty", "Concat", [x[:0], x, x[:2]], [np.concatenate([x, x[:2]])], 13, axis=-3)
    add("Identity f64", "Identity", [x.astype(D)], [x.astype(D)], 25)
    add("Shape of part", "Shape", [x], [np.array([4], I)], 25, start=-2, end=-1)
    add("Shape beyond", "Shape", [x], [np.array([5, 4, 7], I)], 25, start=-10, end=10)
    add("Shape of a scalar", "Shape", [np.array(2, F)], [np.zeros(0, I)], 25)
    add("Size of nothing", "Size", [x[:0]], [np.array(0, I)], 25)
    add("SpaceToDepth", "SpaceToDepth", [rnd(2, 3, 4, 6)], [None], 13, blocksize=2)
    y = CASES.pop("SpaceToDepth")[1][0]
    add("SpaceToDepth", "SpaceToDepth", [y], [y.reshape(2, 3, 2, 2, 3, 2).transpose(0, 3, 5, 1, 2, 4).reshape(2, 12, 2, 3)], 13, blocksize=2)
    y = rnd(2, 8, 2, 3)
    add("DepthToSpace CRD", "DepthToSpace", [y], [y.reshape(2, 2, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(2, 2, 4, 6)], 13, blocksize=2, mode="CRD")
    lengths = np.array([1, 4, 3, 0], I)[:4]
    y = x.copy()[:, :4]
    for b in range(4):
        y[:lengths[b], b] = y[:lengths[b], b][::-1].copy()
    add("ReverseSequence", "ReverseSequence", [x[:, :4].copy(), lengths], [y], 10)
    y = x.copy()
    more = np.array([1, 4, 2, 3, 4], I)
    for b in range(5):
        y[b, :more[b]] = y[b, :more[b]][::-1].copy()
    add("ReverseSequence batch first", "ReverseSequence", [x, more], [y], 10, batch_axis=0, time_axis=1)


def index_cases():
    x = rnd(4, 5, 6)
    for axis in (-3, 0, 1, 2):
        i = RNG.integers(-x.shape[axis], x.shape[axis], (2, 3)).astype(np.int32)
        add(f"Gather {axis}", "Gather", [x, i], [np.take(x, i, axis)], 13, axis=axis)
        shape = [2, 3, 4]
        j = RNG.integers(-x.shape[axis], x.shape[axis], shape).astype(I)
        part = x if axis == 0 else x
        grid = list(np.indices(shape))
        grid[axis % 3] = j
        add(f"GatherElements {axis}", "GatherElements", [part, j], [part[tuple(grid)]], 13, axis=axis)
        for reduction, f in (("none", None), ("add", np.add), ("mul", np.multiply), ("max", np.maximum), ("min", np.minimum)):
            k = j if f else np.argsort(rnd(*x.shape), axis)[tuple(slice(0, s) for s in shape)]
            grid[axis % 3] = k
            u, y = rnd(*shape), x.copy()
            if f:
                f.at(y, tuple(grid), u)
            else:
                y[tuple(grid)] = u
            add(f"ScatterElements {axis} {reduction}", "ScatterElements", [x, k.astype(I), u], [y], 18, axis=axis, reduction=reduction)
    add("Gather scalar", "Gather", [x, np.array(-2, I)], [x[:, -2]], 13, axis=1)
    add("Gather nothing", "Gather", [x, np.zeros((0, 2), I)], [np.zeros((0, 2, 5, 6), F)], 13)
    for q, shape in ((1, (3, 1)), (2, (2, 3, 2)), (3, (4, 3))):
        i = np.stack([RNG.integers(-s, s, shape[:-1]) for s in x.shape[:q]], -1).astype(I)
        at = tuple(np.moveaxis(i, -1, 0))
        add(f"GatherND {q}", "GatherND", [x, i], [x[at]], 13)
        for reduction, f in (("add", np.add), ("mul", np.multiply), ("max", np.maximum), ("min", np.minimum)):
            u, y = rnd(*x[at].shape), x.copy()
            f.at(y, at, u)
            add(f"ScatterND {q} {reduction}", "ScatterND", [x, i, u], [y], 18, reduction=reduction)
    i = RNG.integers(-5, 5, (4, 3, 1)).astype(I)
    add("GatherND batch", "GatherND", [x, i], [np.stack([x[b][i[b, :, 0]] for b in range(4)])], 13, batch_dims=1)
    i = RNG.integers(-6, 6, (4, 5, 1)).astype(I)
    add("GatherND batch 2", "GatherND", [x, i], [np.take_along_axis(x, i % 6, 2)[..., 0]], 13, batch_dims=2)
    for t in (np.int8, np.uint8, np.int32, np.uint64, H, D):
        z, i, u = np.arange(6).astype(t), np.array([1, 1, 4], I), np.array([5, 6, 2], t)
        for reduction, f in (("add", np.add), ("mul", np.multiply), ("max", np.maximum), ("min", np.minimum)):
            y = z.copy()
            f.at(y, i, u)
            add(f"ScatterElements {t.__name__} {reduction}", "ScatterElements", [z, i, u], [y], 18, reduction=reduction)
            add(f"ScatterND {t.__name__} {reduction}", "ScatterND", [z, i[:, None], u], [y], 18, reduction=reduction)
    b = np.array([True, False, True])
    add("ScatterElements bool", "ScatterElements", [b, np.array([1], I), np.array([True])], [np.array([True, True, True])], 18)
    for t in (F, I, np.int32, D, H):
        z = np.arange(1, 13).reshape(3, 4).astype(t)
        for op, f in (("CumSum", np.cumsum), ("CumProd", np.cumprod)):
            if t == H and op == "CumProd":
                continue
            for axis in (0, -1):
                for exclusive in (0, 1):
                    for reverse in (0, 1):
                        y = np.flip(z, axis) if reverse else z
                        y = f(y, axis, dtype=t)
                        if exclusive:
                            y = np.concatenate([np.full_like(np.take(y, [0], axis), op == "CumProd"), np.take(y, range(y.shape[axis] - 1), axis)], axis)
                        y = np.flip(y, axis) if reverse else y
                        add(f"{op} {t.__name__} {axis} {exclusive}{reverse}", op, [z, Const(axis, np.int32)], [y], 26, exclusive=exclusive, reverse=reverse)
    for t in (F, H, D, I, np.int32, np.uint8, np.int8, np.uint64):
        z = RNG.permutation(40).reshape(4, 10).astype(t)
        for largest in (0, 1):
            for axis in (0, -1):
                order = np.argsort(-z.astype(D) if largest else z.astype(D), axis, kind="stable")
                order = np.take(order, range(3), axis).astype(I)
                add(f"TopK {t.__name__} {largest} {axis}", "TopK", [z, Const([3])], [np.take_along_axis(z, order, axis), order], 24, axis=axis, largest=largest)
    same = np.array([[1, 3, 3, 2, 3]], F)
    add("TopK ties", "TopK", [same, Const([4])], [np.array([[3, 3, 3, 2]], F), np.array([[1, 2, 4, 3]], I)], 11)
    add("TopK smallest ties", "TopK", [same[:, 1:], Const([3])], [np.array([[2, 3, 3]], F), np.array([[2, 0, 1]], I)], 11, largest=0)
    add("TopK none", "TopK", [same, Const([0])], [same[:, :0], np.zeros((1, 0), I)], 11)
    for axis in (0, 1, -1):
        i = np.array([[0, 2, -1], [5, 3, -4]], F)
        hot = np.where(np.arange(4) == np.where(i < 0, i + 4, i)[..., None], 7, -2).astype(np.int32)
        add(f"OneHot {axis}", "OneHot", [i, Const(4, F), Const([-2, 7], np.int32)], [np.moveaxis(hot, -1, axis)], 11, axis=axis)
    add("OneHot scalar", "OneHot", [np.array(2, I), Const([3]), Const([0, 1], F)], [np.array([0, 0, 1], F)], 11)
    c = np.array([True, False, True, True])
    for axis in (0, 1, -1, None):
        attrs = {} if axis is None else {"axis": axis}
        n = x.size if axis is None else x.shape[axis]
        add(f"Compress {axis}", "Compress", [x, Const(c[:min(4, n)], bool)], [np.compress(c[:min(4, n)], x, axis)], 11, **attrs)
    for t in (F, np.int32, bool, D, np.uint8):
        add(f"EyeLike {t.__name__}", "EyeLike", [np.zeros((3, 5), F)], [np.eye(3, 5, -1).astype(t)], 22, k=-1, dtype=int(ow._NUMPY[np.dtype(t).name]))


pad_cases()
move_cases()
index_cases()


# ---- Windows


def placed(size, k, s, d, pads, auto, ceil):
    """Begin, and the number of windows, of one dimension."""
    reach = d * (k - 1) + 1
    lo, hi = pads
    if auto == "VALID":
        lo = hi = 0
    if auto.startswith("SAME"):
        count = -(-size // s)
        total = max(0, (count - 1) * s + reach - size)
        lo, hi = (total // 2, total - total // 2) if auto == "SAME_UPPER" else (total - total // 2, total // 2)
        return lo, hi, count
    room = size + lo + hi - reach
    count = (-(-room // s) if ceil else room // s) + 1
    if ceil and (count - 1) * s >= size + lo:
        count -= 1
    return lo, hi, count


def windows(x, kernel, strides, dilations, pads, auto="NOTSET", ceil=False):
    """For every result position: the elements inside x, their flat positions, and how many lie in x or its padding."""
    n = len(kernel)
    at = [placed(x.shape[2 + i], kernel[i], strides[i], dilations[i], (pads[i], pads[n + i]), auto, ceil) for i in range(n)]
    out = np.empty([a[2] for a in at], object)
    for o in np.ndindex(*out.shape):
        places, padded = [], 0
        for k in np.ndindex(*kernel):
            p = [o[i] * strides[i] - at[i][0] + k[i] * dilations[i] for i in range(n)]
            if all(0 <= p[i] < x.shape[2 + i] for i in range(n)):
                places.append(p)
            padded += all(-at[i][0] <= p[i] < x.shape[2 + i] + at[i][1] for i in range(n))
        out[o] = places, padded
    return out


def pooled(x, windows_of, f):
    y = np.zeros(x.shape[:2] + windows_of.shape)
    for o in np.ndindex(*windows_of.shape):
        places, padded = windows_of[o]
        values = np.stack([x[(slice(None), slice(None)) + tuple(p)] for p in places], -1) if places else np.zeros(x.shape[:2] + (0,))
        y[(slice(None), slice(None)) + o] = f(values, padded)
    return y


def pool_cases():
    shapes = {1: (2, 2, 11), 2: (2, 2, 7, 8), 3: (1, 2, 6, 5, 7)}
    variants = [
        {"kernel_shape": 3, "strides": 2},
        {"kernel_shape": 3, "strides": 2, "ceil_mode": 1},
        {"kernel_shape": 3, "strides": 3, "pads": 1, "ceil_mode": 1},
        {"kernel_shape": 2, "dilations": 2, "strides": 2, "ceil_mode": 1, "pads": 1},
        {"kernel_shape": 3, "dilations": 2},
        {"kernel_shape": 2, "strides": 3, "auto_pad": "SAME_UPPER"},
        {"kernel_shape": 2, "strides": 1, "auto_pad": "SAME_LOWER"},
        {"kernel_shape": 3, "strides": 2, "auto_pad": "VALID"},
        {"kernel_shape": 1, "strides": 3, "ceil_mode": 1},
    ]
    for n, shape in shapes.items():
        for number, variant in enumerate(variants):
            x = rnd(*shape)
            attrs = {k: v if isinstance(v, str) or k == "ceil_mode" else [v] * n * (2 if k == "pads" else 1) for k, v in variant.items()}
            w = windows(x, attrs["kernel_shape"], attrs.get("strides", [1] * n), attrs.get("dilations", [1] * n), attrs.get("pads", [0] * 2 * n), attrs.get("auto_pad", "NOTSET"), attrs.get("ceil_mode"))
            tag = f"{n}-D {number}"
            add(f"MaxPool {tag}", "MaxPool", [x], [pooled(x, w, lambda v, _: v.max(-1)).astype(F)], 22, **attrs)
            for include in (0, 1):
                y = pooled(x, w, lambda v, c: v.sum(-1) / (c if include else v.shape[-1]))
                add(f"AveragePool {tag} {include}", "AveragePool", [x], [y.astype(F)], 22, count_include_pad=include, **attrs)
            for p in (1, 2, 3):
                y = pooled(x, w, lambda v, _: (np.abs(v) ** p).sum(-1) ** (1 / p))
                add(f"LpPool {tag} {p}", "LpPool", [x], [y.astype(F)], 22, p=p, **attrs)
            if n == 1 and number == 4:
                continue
            for order in (0, 1):
                where = np.zeros(x.shape[:2] + w.shape, I)
                for o in np.ndindex(*where.shape):
                    places = w[o[2:]][0]
                    best = max(places, key=lambda p: x[o[:2] + tuple(p)])
                    dims, spot = shape[2:], best
                    flat = np.ravel_multi_index(spot, dims, order="F" if order else "C")
                    where[o] = (o[0] * shape[1] + o[1]) * np.prod(dims) + flat
                add(f"MaxPool {tag} indices {order}", "MaxPool", [x], [pooled(x, w, lambda v, _: v.max(-1)).astype(F), where], 22, storage_order=order, **attrs)
    x = rnd(2, 3, 4, 5)
    add("GlobalLpPool 3", "GlobalLpPool", [x], [((np.abs(x) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)).astype(F)], 22, p=3)
    i8 = RNG.integers(-128, 128, (1, 2, 5, 5)).astype(np.int8)
    w = windows(i8, [2, 2], [1, 1], [1, 1], [1, 1, 1, 1])
    add("MaxPool i8 with pads", "MaxPool", [i8], [pooled(i8, w, lambda v, _: v.max(-1)).astype(np.int8)], 12, kernel_shape=[2, 2], pads=[1, 1, 1, 1])
    low = np.full((1, 1, 3, 3), -INF, F)
    add("MaxPool of -infinity", "MaxPool", [low], [low], 12, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    # MaxUnpool
    y = np.zeros((1, 1, 4, 4), F)
    y.flat[[5, 7, 13, 15]] = [1, 2, 3, 4]
    values, at = np.array([[[[1, 2], [3, 4]]]], F), np.array([[[[5, 7], [13, 15]]]], I)
    add("MaxUnpool", "MaxUnpool", [values, at], [y], 22, kernel_shape=[2, 2], strides=[2, 2])
    y = np.pad(y, ((0, 0), (0, 0), (0, 1), (0, 1)))  # the positions are those of the extents without output_shape
    add("MaxUnpool output shape", "MaxUnpool", [values, at, Const([1, 1, 5, 5])], [y], 22, kernel_shape=[2, 2], strides=[2, 2])


def conv(x, w, b, strides, dilations, pads, group, auto="NOTSET"):
    n = x.ndim - 2
    places = windows(x, w.shape[2:], strides, dilations, pads, auto)
    at = [placed(x.shape[2 + i], w.shape[2 + i], strides[i], dilations[i], (pads[i], pads[n + i]), auto, False) for i in range(n)]
    y = np.zeros((x.shape[0], w.shape[0]) + places.shape)
    per, out = w.shape[1], w.shape[0] // group
    for o in np.ndindex(*places.shape):
        for k in np.ndindex(*w.shape[2:]):
            p = tuple(o[i] * strides[i] - at[i][0] + k[i] * dilations[i] for i in range(n))
            if all(0 <= p[i] < x.shape[2 + i] for i in range(n)):
                v = x[(slice(None), slice(None)) + p]
                for g in range(group):
                    y[(slice(None), slice(g * out, (g + 1) * out)) + o] += v[:, g * per:(g + 1) * per] @ w[(slice(g * out, (g + 1) * out), slice(None)) + k].T
    return y if b is None else y + b.reshape((-1,) + (1,) * n)


def conv_transpose(x, w, b, strides, dilations, pads, outpad, group):
    n, per = x.ndim - 2, x.shape[1] // group
    full = [(x.shape[2 + i] - 1) * strides[i] + dilations[i] * (w.shape[2 + i] - 1) + 1 + outpad[i] for i in range(n)]
    y = np.zeros([x.shape[0], w.shape[1] * group] + full)
    for p in np.ndindex(*x.shape[2:]):
        for k in np.ndindex(*w.shape[2:]):
            o = tuple(p[i] * strides[i] + k[i] * dilations[i] for i in range(n))
            for g in range(group):
                y[(slice(None), slice(g * w.shape[1], (g + 1) * w.shape[1])) + o] += x[(slice(None), slice(g * per, (g + 1) * per)) + p] @ w[(slice(g * per, (g + 1) * per), slice(None)) + k]
    y = y[(slice(None), slice(None)) + tuple(slice(pads[i], full[i] - pads[n + i]) for i in range(n))]
    return y if b is None else y + b.reshape((-1,) + (1,) * n)


def conv_cases():
    for n, shape in {1: (2, 4, 9), 2: (1, 4, 6, 7), 3: (1, 4, 4, 5, 3)}.items():
        for group in (1, 2, 4):
            x, w, b = rnd(*shape), rnd(4, 4 // group, *[2 + i % 2 for i in range(n)]), rnd(4)
            for number, (s, d, p) in enumerate(((1, 1, 0), (2, 1, 1), (1, 2, 1))):
                pads = [p] * n + [p + 1] * n
                y = conv(x, w, b, [s] * n, [d] * n, pads, group)
                add(f"Conv {n}-D group {group} {number}", "Conv", [x, w, b], [y.astype(F)], 22, 1e-4, group=group, strides=[s] * n, dilations=[d] * n, pads=pads)
            for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
                y = conv(x, w, None, [2] * n, [1] * n, [0] * 2 * n, group, auto)
                add(f"Conv {n}-D group {group} {auto}", "Conv", [x, w], [y.astype(F)], 22, 1e-4, group=group, strides=[2] * n, auto_pad=auto)
            w = rnd(4, 6 // 2, *[2 + i % 2 for i in range(n)])
            for number, (s, d, p, o) in enumerate(((1, 1, 0, 0), (2, 1, 1, 1), (3, 2, 1, 2))):
                pads = [p] * n + [0] * n
                y = conv_transpose(x, w, None, [s] * n, [d] * n, pads, [o] * n, group)
                add(f"ConvTranspose {n}-D group {group} {number}", "ConvTranspose", [x, w], [y.astype(F)], 22, 1e-4, group=group, strides=[s] * n, dilations=[d] * n, pads=pads, output_padding=[o] * n)
    x, w, b = rnd(1, 2, 5, 6), rnd(2, 3, 3, 3), rnd(3)
    for auto in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        # output_shape decides the pads: the odd one ends with SAME_UPPER, else begins.
        shape = [10, 14]
        total = [(x.shape[2 + i] - 1) * 2 + 3 - shape[i] for i in range(2)]
        if min(total) < 0:
            grow = [max(0, -t) for t in total]
        else:
            grow = [0, 0]
        total = [t + g for t, g in zip(total, grow)]
        upper = auto == "SAME_UPPER"
        lo = [t // 2 if upper else t - t // 2 for t in total]
        pads = lo + [t - v for t, v in zip(total, lo)]
        y = conv_transpose(x, w, b, [2, 2], [1, 1], pads, grow, 1)
        add(f"ConvTranspose output shape {auto}", "ConvTranspose", [x, w, b], [y.astype(F)], 22, 1e-4, strides=[2, 2], output_shape=shape, auto_pad=auto, output_padding=grow)
    for auto in ("SAME_UPPER", "SAME_LOWER"):
        total = [(x.shape[2 + i] - 1) * 2 + 3 - 2 * x.shape[2 + i] for i in range(2)]
        lo = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total]
        y = conv_transpose(x, w, b, [2, 2], [1, 1], lo + [t - v for t, v in zip(total, lo)], [0, 0], 1)
        add(f"ConvTranspose {auto}", "ConvTranspose", [x, w, b], [y.astype(F)], 22, 1e-4, strides=[2, 2], auto_pad=auto)
    xi, wi = RNG.integers(0, 256, (1, 2, 4, 5)).astype(np.uint8), RNG.integers(-128, 128, (3, 2, 2, 2)).astype(np.int8)
    y = conv(xi.astype(D) - 7, wi.astype(D) - np.array([1, -2, 3]).reshape(3, 1, 1, 1), None, [1, 1], [1, 1], [0, 1, 1, 0], 1)
    add("ConvInteger zero points", "ConvInteger", [xi, wi, np.array(7, np.uint8), np.array([1, -2, 3], np.int8)], [y.astype(np.int32)], 10, 0, pads=[0, 1, 1, 0])


def col2im(cols, image, block, dilations, pads, strides):
    n = len(image)
    channels = cols.shape[1] // int(np.prod(block))
    y = np.zeros((cols.shape[0], channels) + tuple(image))
    counts = [(image[i] + pads[i] + pads[n + i] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1 for i in range(n)]
    c = cols.reshape((cols.shape[0], channels) + tuple(block) + tuple(counts))
    for k in np.ndindex(*block):
        for o in np.ndindex(*counts):
            p = tuple(o[i] * strides[i] - pads[i] + k[i] * dilations[i] for i in range(n))
            if all(0 <= p[i] < image[i] for i in range(n)):
                y[(slice(None), slice(None)) + p] += c[(slice(None), slice(None)) + k + o]
    return y


def col2im_cases():
    for image, block, attrs in (
        ((5, 5), (1, 5), {}),
        ((5, 5), (2, 3), {"strides": [2, 2]}),
        ((5, 6), (2, 2), {"dilations": [1, 3], "pads": [0, 1, 1, 2]}),
        ((7,), (3,), {"pads": [1, 1], "strides": [2]}),
        ((3, 4, 5), (1, 2, 3), {"pads": [0, 1, 1, 0, 0, 1], "dilations": [1, 2, 1]}),
    ):
        n = len(image)
        d, p, s = attrs.get("dilations", [1] * n), attrs.get("pads", [0] * 2 * n), attrs.get("strides", [1] * n)
        total = int(np.prod([(image[i] + p[i] + p[n + i] - d[i] * (block[i] - 1) - 1) // s[i] + 1 for i in range(n)]))
        cols = rnd(2, 3 * int(np.prod(block)), total)
        add(f"Col2Im {image} {attrs}", "Col2Im", [cols, Const(image), Const(block)], [col2im(cols, image, block, d, p, s).astype(F)], 18, **attrs)


pool_cases()
conv_cases()
col2im_cases()


# ---- Interpolation


def coordinates(mode, out, size, scale, length, roi):
    """Positions in the operand, of one dimension; length: the scaled extent before it is cut to a whole number."""
    x = np.arange(out, dtype=D)
    if mode == "half_pixel":
        return (x + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return size / 2 * (1 - out / length) + (x + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if length > 1 else x * 0
    if mode == "align_corners":
        return x * (size - 1) / (length - 1) if length != 1 else x * 0
    if mode == "asymmetric":
        return x / scale
    lo, hi = roi
    return lo * (size - 1) + x * (hi - lo) * (size - 1) / (out - 1) if out > 1 else np.full(1, 0.5 * (lo + hi) * (size - 1))


def cubic(d, a):
    d = np.abs(d)
    return np.where(d <= 1, (a + 2) * d**3 - (a + 3) * d**2 + 1, np.where(d < 2, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a, 0))


def resize_axis(x, axis, out, scale, length, mode, transform, nearest, a, exclude, antialias, roi, outside):
    size = x.shape[axis]
    at = coordinates(transform, out, size, scale, length, roi)
    x = np.moveaxis(x, axis, 0)
    y = np.zeros((out,) + x.shape[1:])
    for o, c in enumerate(at):
        if transform == "tf_crop_and_resize" and not 0 <= c <= size - 1:
            y[o] = outside
            continue
        if mode == "nearest":
            i = {"floor": np.floor(c), "ceil": np.ceil(c), "round_prefer_floor": np.ceil(c - 0.5), "round_prefer_ceil": np.floor(c + 0.5)}[nearest]
            y[o] = x[int(np.clip(i, 0, size - 1))]
            continue
        stretch = min(scale, 1) if antialias else 1
        reach = (2 if mode == "cubic" else 1) / stretch
        i = np.arange(np.floor(c - reach) - 1, np.ceil(c + reach) + 2)
        w = cubic((i - c) * stretch, a) if mode == "cubic" else np.maximum(0, 1 - np.abs((i - c) * stretch))
        if exclude:
            w = np.where((i < 0) | (i >= size), 0, w)
        if exclude or antialias:
            w = w / w.sum()
        y[o] = np.tensordot(w, x[np.clip(i, 0, size - 1).astype(int)], 1)
    return np.moveaxis(y, 0, axis)


def resize(x, axes, scales=None, sizes=None, policy="stretch", roi=None, mode="nearest", transform="half_pixel", nearest="round_prefer_floor", a=-0.75, exclude=0, antialias=0, outside=0):
    y = x.astype(D)
    if sizes is not None:
        scales = [n / x.shape[i] for n, i in zip(sizes, axes)]
        if policy != "stretch":
            one = (min if policy == "not_larger" else max)(scales)
            scales = [one] * len(axes)
            sizes = [int(np.floor(one * x.shape[i] + 0.5)) for i in axes]
    for k, i in enumerate(axes):
        part = (roi[k], roi[len(axes) + k]) if roi is not None else (0, 1)
        out = sizes[k] if sizes is not None else int(np.floor(x.shape[i] * scales[k] * (part[1] - part[0] if transform == "tf_crop_and_resize" else 1)))
        y = resize_axis(y, i, out, scales[k], scales[k] * x.shape[i], mode, transform, nearest, a, exclude, antialias, part, outside)
    return y.astype(x.dtype)


def resize_cases():
    x = rnd(1, 2, 5, 6)
    transforms = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
    for transform in transforms:
        for sy, sx in ((2.0, 3.0), (0.6, 0.7), (1.3, 0.5)):
            s = [F(sy).item(), F(sx).item()]
            for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
                y = resize(x, (2, 3), s, transform=transform, nearest=nearest)
                add(f"Resize {transform} {sy} {sx} {nearest}", "Resize", [x, None, Const(s, F)], [y], 19, axes=[2, 3], coordinate_transformation_mode=transform, nearest_mode=nearest)
            for mode in ("linear", "cubic"):
                for exclude in (0, 1):
                    for antialias in (0, 1):
                        y = resize(x, (2, 3), s, mode=mode, transform=transform, exclude=exclude, antialias=antialias)
                        add(f"Resize {transform} {sy} {sx} {mode} {exclude}{antialias}", "Resize", [x, None, Const([1, 1] + s, F)], [y], 19, 2e-5, mode=mode, coordinate_transformation_mode=transform, exclude_outside=exclude, antialias=antialias)
        for policy in ("stretch", "not_larger", "not_smaller"):
            for sizes in ((9, 9), (3, 9), (4, 3)):
                for mode in ("nearest", "linear"):
                    y = resize(x, (3, 2), sizes=sizes, policy=policy, mode=mode, transform=transform)
                    add(f"Resize {transform} {sizes} {policy} {mode}", "Resize", [x, None, None, Const(sizes)], [y], 19, 2e-5, axes=[-1, 2], mode=mode, keep_aspect_ratio_policy=policy, coordinate_transformation_mode=transform)
    for roi in ((0.2, 0.3, 0.8, 0.9), (-0.4, 0.5, 1.2, 1.7)):
        for mode in ("linear", "nearest", "cubic"):
            y = resize(x, (2, 3), sizes=(4, 5), roi=np.array(roi, F).astype(D), mode=mode, transform="tf_crop_and_resize", outside=10)
            add(f"Resize crop {roi} {mode}", "Resize", [x, Const(roi, F), None, Const([4, 5])], [y], 19, 2e-5, axes=[2, 3], mode=mode, coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=10.0)
    y = resize(x, (2, 3), (0.8, 1.5), mode="cubic", a=-0.5)
    add("Resize cubic coefficient", "Resize", [x, None, Const([0.8, 1.5], F)], [resize(x, (2, 3), (F(0.8).item(), 1.5), mode="cubic", a=-0.5)], 19, 2e-5, axes=[2, 3], mode="cubic", cubic_coeff_a=-0.5)
    v = rnd(2, 3, 4)
    add("Resize 3-D linear", "Resize", [v, None, Const([2, 1.5, 0.5], F)], [resize(v, (0, 1, 2), (2, 1.5, 0.5), mode="linear")], 19, 2e-5, mode="linear")
    add("Resize f16", "Resize", [x.astype(H), None, Const([1, 1, 2, 2], F)], [resize(x.astype(H), (2, 3), (2, 2), mode="linear")], 19, 4e-3, mode="linear")
    add("Resize f64", "Resize", [x.astype(D), None, Const([1, 1, 2, 2], F)], [resize(x.astype(D), (2, 3), (2, 2), mode="linear")], 19, 1e-9, mode="linear")


def sample(x, grid, mode, padding, align):
    n = x.ndim - 2
    size = x.shape[2:]
    y = np.zeros(x.shape[:2] + grid.shape[1:-1])

    def reflect(c, lo, hi):
        if hi <= lo:
            return lo
        c = abs(c - lo) % (2 * (hi - lo))
        return lo + min(c, 2 * (hi - lo) - c)

    def edge(c, s):
        """A whole position that is in the picture, or None."""
        if padding == "border":
            return int(np.clip(c, 0, s - 1))
        if padding == "reflection":
            c = reflect(c, 0, s - 1) if align else reflect(c, -0.5, s - 0.5)
            return int(np.clip(np.round(c), 0, s - 1))
        return int(c) if 0 <= c < s else None

    for b in range(x.shape[0]):
        for o in np.ndindex(*grid.shape[1:-1]):
            where = [(grid[b][o][n - 1 - i].astype(D) + 1) / 2 * (size[i] - 1) if align else ((grid[b][o][n - 1 - i].astype(D) + 1) * size[i] - 1) / 2 for i in range(n)]
            taps = []
            for c, s in zip(where, size):
                if padding == "border" and not (0 if align else -0.5) <= c <= s - (1 if align else 0.5):
                    c = np.clip(c, 0, s - 1)
                if mode == "nearest":
                    taps.append([(np.rint(c), 1.0)])
                elif mode == "linear":
                    f = np.floor(c)
                    taps.append([(f, 1 - (c - f)), (f + 1, c - f)])
                else:
                    f = np.floor(c)
                    taps.append([(f + k, float(cubic(f + k - c, -0.75))) for k in range(-1, 3)])
            total = 0
            for k in np.ndindex(*[len(t) for t in taps]):
                at = [edge(taps[i][k[i]][0], size[i]) for i in range(n)]
                if None not in at:
                    total = total + np.prod([taps[i][k[i]][1] for i in range(n)]) * x[b][(slice(None),) + tuple(at)]
            y[b][(slice(None),) + o] = total
    return y.astype(x.dtype)


def sample_cases():
    for n, (x, g) in {2: (rnd(2, 2, 4, 5), rnd(2, 3, 4, 2, low=-1.6, high=1.6)), 3: (rnd(1, 2, 3, 4, 3), rnd(1, 2, 3, 2, 3, low=-1.6, high=1.6))}.items():
        for mode in ("linear", "nearest", "cubic") if n == 2 else ("linear", "nearest"):
            for padding in ("zeros", "border", "reflection"):
                for align in (0, 1):
                    add(f"GridSample {n}-D {mode} {padding} {align}", "GridSample", [x, g], [sample(x, g, mode, padding, align)], 22, 2e-5, mode=mode, padding_mode=padding, align_corners=align)
    halves = np.stack(np.meshgrid(*[np.arange(-6, 7) / 4] * 3, indexing="ij"), -1)[None].astype(F)
    x = rnd(1, 1, 4, 4, 4)
    for padding in ("zeros", "border", "reflection"):
        add(f"GridSample halves 3-D {padding}", "GridSample", [x, halves], [sample(x, halves, "nearest", padding, 0)], 22, mode="nearest", padding_mode=padding)
        flat = halves[:, :, :, 0, :2].copy()
        add(f"GridSample halves 2-D {padding}", "GridSample", [x[..., 0], flat], [sample(x[..., 0], flat, "nearest", padding, 0)], 22, mode="nearest", padding_mode=padding)
    x, g = rnd(1, 1, 4, 5), rnd(1, 3, 4, 2, low=-1, high=1)
    add("GridSample-16", "GridSample", [x, g], [sample(x, g, "linear", "zeros", 0)], 16, 2e-5, mode="bilinear")
    add("GridSample-16 bicubic", "GridSample", [x, g], [sample(x, g, "cubic", "zeros", 0)], 16, 2e-5, mode="bicubic")
    add("GridSample f64", "GridSample", [x.astype(D), g.astype(D)], [sample(x.astype(D), g.astype(D), "linear", "zeros", 0)], 22, 1e-9)
    for align in (0, 1):
        for size in ((2, 3, 4, 5), (2, 1, 3, 4, 5), (1, 1, 1, 2)):
            n = len(size) - 2
            theta = rnd(size[0], n, n + 1)
            line = [np.linspace(-1, 1, s) if align and s > 1 else (np.arange(s) * 2 + 1) / s - 1 if not align else np.array([-1.0]) for s in size[2:]]
            if align and 1 in size[2:]:
                continue
            mesh = np.stack(np.meshgrid(*line, indexing="ij")[::-1] + [np.ones(size[2:])], -1)
            y = np.einsum("...k,nik->n...i", mesh, theta.astype(D))
            add(f"AffineGrid {size} {align}", "AffineGrid", [theta, Const(size)], [y.astype(F)], 20, align_corners=align)


# ---- Signals


def complex_of(x):
    return x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0] + 0j


def pairs(z, t=F):
    return np.stack([z.real, z.imag], -1).astype(t)


def signal_cases():
    for last in (1, 2):
        x = rnd(2, 6, 5, last)
        for axis in (1, 2, -2, -3):
            a = axis if axis > 0 else axis + 4
            for length in (None, 4, 8):
                z = np.fft.fft(complex_of(x), length, a)
                extra = [Const(length) if length else None]
                add(f"DFT {last} {axis} {length}", "DFT", [x] + extra + [Const(axis)], [pairs(z)], 20, 1e-4)
                add(f"DFT {last} {axis} {length} inverse", "DFT", [x] + extra + [Const(axis)], [pairs(np.fft.ifft(complex_of(x), length, a))], 20, 1e-4, inverse=1)
                if last == 1:
                    y = np.fft.rfft(x[..., 0], length, a)
                    add(f"DFT {axis} {length} onesided", "DFT", [x] + extra + [Const(axis)], [pairs(y)], 20, 1e-4, onesided=1)
                if axis > 0:
                    add(f"DFT-17 {last} {axis} {length}", "DFT", [x] + extra[:1 if length else 0], [pairs(z)], 17, 1e-4, axis=axis)
    for axis in (0, 1, 2):  # every axis gives the same extents
        cube = rnd(4, 4, 4, 2)
        add(f"DFT of a cube {axis}", "DFT", [cube, Const(4), Const(axis)], [pairs(np.fft.fft(complex_of(cube), axis=axis))], 20, 1e-4)
    x = rnd(2, 6, 5, 1)
    add("DFT default axis", "DFT", [x], [pairs(np.fft.fft(x[..., 0], axis=2))], 20, 1e-4)
    add("DFT-17 default axis", "DFT", [x], [pairs(np.fft.fft(x[..., 0], axis=1))], 17, 1e-4)
    add("DFT f64", "DFT", [x.astype(D)], [pairs(np.fft.fft(x[..., 0].astype(D), axis=2), D)], 20, 1e-9)
    for length in (None, 7, 10):
        half = np.fft.rfft(rnd(2, 8), axis=1)
        y = np.fft.irfft(half, length or 8, 1)
        if length is None:
            length = 8
        add(f"DFT back to reals {length}", "DFT", [pairs(half), Const(length), Const(1)], [y[..., None].astype(F)], 20, 1e-4, inverse=1, onesided=1)
    s = rnd(2, 20, 1)
    w = rnd(8, low=0.1, high=1)
    for onesided in (0, 1):
        for window in (None, w):
            frames = np.stack([s[:, i * 3:i * 3 + 8, 0] * (1 if window is None else window) for i in range(5)], 1)
            z = np.fft.rfft(frames, axis=-1) if onesided else np.fft.fft(frames, axis=-1)
            add(f"STFT {onesided} {window is None}", "STFT", [s, Const(3), window, Const(8)], [pairs(z)], 17, 1e-4, onesided=onesided)
    c = rnd(1, 20, 2)
    z = np.fft.fft(np.stack([complex_of(c)[:, i * 4:i * 4 + 8] * w for i in range(4)], 1), axis=-1)
    add("STFT of complex numbers", "STFT", [c, Const(4), w], [pairs(z)], 17, 1e-4, onesided=0)
    for op, a in (("HannWindow", (0.5, -0.5, 0)), ("HammingWindow", (25 / 46, -21 / 46, 0)), ("BlackmanWindow", (0.42, -0.5, 0.08))):
        for periodic in (0, 1):
            n = 10 if periodic else 9
            t = np.arange(10) * 2 * np.pi / n
            y = a[0] + a[1] * np.cos(t) + a[2] * np.cos(2 * t)
            add(f"{op} {periodic}", op, [Const(10, np.int32)], [y.astype(F)], 17, periodic=periodic)
            add(f"{op} {periodic} f64", op, [Const(10)], [y.astype(D)], 17, periodic=periodic, output_datatype=11)


resize_cases()
sample_cases()
signal_cases()


# ---- Narrow types

# Exponent bits, mantissa bits, bias, whether there are infinities; fnuz: no -0, whose pattern is NaN.
SMALL = {"e4m3fn": (ow.FLOAT8E4M3FN, 4, 3, 7), "e4m3fnuz": (ow.FLOAT8E4M3FNUZ, 4, 3, 8), "e5m2": (ow.FLOAT8E5M2, 5, 2, 15), "e5m2fnuz": (ow.FLOAT8E5M2FNUZ, 5, 2, 16)}


def small_values(kind):
    """The numbers of all 256 patterns, in double."""
    _, exp_bits, man_bits, bias = SMALL[kind]
    p = np.arange(256)
    e, m = p >> man_bits & (1 << exp_bits) - 1, p & (1 << man_bits) - 1
    v = np.where(e == 0, np.ldexp(m.astype(D), 1 - bias - man_bits), np.ldexp(1 + m / (1 << man_bits), e - bias))
    if kind.endswith("fnuz"):
        v[128] = NAN
    elif kind == "e4m3fn":
        v[127] = NAN
    else:
        v[124], v[125:128] = INF, NAN
    v[128 + kind.endswith("fnuz"):] = -v[kind.endswith("fnuz"):128]
    return v


def to_small(x, kind, saturate):
    """Patterns, rounded to nearest, halves to even."""
    v = small_values(kind)
    ladder = np.arange(128)[np.isfinite(v[:128])]
    top, nan = ladder[-1], 128 if kind.endswith("fnuz") else 127
    # The next number up if there were one decides what is beyond the largest.
    steps = np.append(v[ladder], 2 * v[top] - v[top - 1])
    out = np.zeros(x.shape, int)
    for at, f in np.ndenumerate(x.astype(D)):
        a, sign = abs(f), 128 if np.signbit(f) else 0
        if np.isnan(f):
            out[at] = nan
            continue
        i = int(np.searchsorted(steps, a, "right")) - 1 if np.isfinite(a) else len(steps) - 1
        if i < len(steps) - 1:
            middle = (steps[i] + steps[i + 1]) / 2
            i += a > middle or (a == middle and i % 2 == 1)
        if i > top:
            i = top if saturate else {"e5m2": 124, "e4m3fn": 127}.get(kind, 128)
            sign = 0 if i == 128 else sign
        out[at] = sign | i if i or not kind.endswith("fnuz") else 0
    return out


def bf16(x):
    """Patterns of bfloat16, halves to even."""
    bits = x.astype(F).view(np.uint32)
    return np.where(np.isnan(x), 0x7FC0, (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)


def from_bf16(p):
    return (p.astype(np.uint32) << 16).view(F)


def with_infinities(x, t):
    with np.errstate(over="ignore"):
        return x.astype(t)


def narrow_cases():
    rough = np.concatenate([rnd(60), rnd(60, low=-500, high=500), rnd(40, low=-1e-2, high=1e-2), np.array([0, -0.0, 448, 464, 465, 479, 480, 57344, 61440, 65500, -65500, INF, -INF, NAN, 2**-9, 2**-10, 2**-17, 3 * 2**-18], F)])
    for kind, (onnx, *_) in SMALL.items():
        every, v = Typed(onnx, 8, np.arange(256)), small_values(kind)
        add(f"Cast {kind} to f32", "Cast", [every], [v.astype(F)], to=1)
        add(f"Cast {kind} to f16", "Cast", [every], [v.astype(H)], to=10)
        add(f"Cast {kind} to f64", "Cast", [every], [v], to=11)
        for other, (number, *_) in SMALL.items():
            if other == kind:
                continue
            add(f"Cast {kind} to {other}", "Cast", [every], [Typed(number, 8, to_small(v, other, 1))], 25, 0, to=number)
        for saturate in (0, 1):
            for t in (F, H, D):
                add(f"Cast {t.__name__} to {kind} {saturate}", "Cast", [rough.astype(t)], [Typed(onnx, 8, to_small(rough.astype(t), kind, saturate))], 25, 0, to=onnx, saturate=saturate)
            b = bf16(rough)
            add(f"Cast bf16 to {kind} {saturate}", "Cast", [Typed(16, 16, b)], [Typed(onnx, 8, to_small(from_bf16(b), kind, saturate))], 25, 0, to=onnx, saturate=saturate)
        i = np.arange(-300, 300, 7).astype(np.int32)
        add(f"Cast i32 to {kind}", "Cast", [i], [Typed(onnx, 8, to_small(i, kind, 1))], 25, 0, to=onnx)
        x = rnd(3, 5, low=-30, high=30)
        add(f"QuantizeLinear {kind}", "QuantizeLinear", [x, np.array(0.5, F), Typed(onnx, 8, np.array(0))], [Typed(onnx, 8, to_small(x / F(0.5), kind, 1))], 25, 0)
        add(f"QuantizeLinear {kind} by type", "QuantizeLinear", [x * 1000, np.array([0.5, 2, 1], F)], [Typed(onnx, 8, to_small(x * 1000 / np.array([[0.5], [2], [1]], F), kind, 0))], 25, 0, axis=0, saturate=0, output_dtype=onnx)
        codes = RNG.integers(0, 100, (3, 5))
        add(f"DequantizeLinear {kind}", "DequantizeLinear", [Typed(onnx, 8, codes), np.array([0.5, 2, 1], F)], [(v[codes] * np.array([[0.5], [2], [1]])).astype(F)], 25, axis=0)
        add(f"DequantizeLinear {kind} f16", "DequantizeLinear", [Typed(onnx, 8, codes), np.array(0.5, H)], [(v[codes] * 0.5).astype(H)], 25)
        for op, attrs, operands, y in (("Transpose", {}, [], codes.T), ("Reshape", {}, [Const([5, 3])], codes.reshape(5, 3)), ("Identity", {}, [], codes), ("Flatten", {"axis": 0}, [], codes.reshape(1, 15)), ("Squeeze", {}, [], codes), ("Unsqueeze", {}, [Const([0])], codes[None])):
            add(f"{op} {kind}", op, [Typed(onnx, 8, codes)] + operands, [Typed(onnx, 8, y)], 25, 0, **attrs)
    b = bf16(rough)
    add("Cast f32 to bf16", "Cast", [rough], [Typed(16, 16, b)], 25, 0, to=16)
    add("Cast bf16 to f32", "Cast", [Typed(16, 16, b)], [from_bf16(b)], 25, 0, to=1)
    add("Cast bf16 to f16", "Cast", [Typed(16, 16, b)], [with_infinities(from_bf16(b), H)], 25, 0, to=10)
    add("Cast f64 to bf16", "Cast", [rough.astype(D)], [Typed(16, 16, b)], 25, 0, to=16)
    fours = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    every = Typed(ow.FLOAT4E2M1, 4, np.arange(16))
    for t, n in ((F, 1), (H, 10), (D, 11)):
        add(f"Cast e2m1 to {t.__name__}", "Cast", [every], [fours.astype(t)], to=n)
        x = np.array([0, 0.2, 0.25, 0.26, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 5.1, 7, 100, INF, -0.3, -0.75, -5, -9], t)
        want = [0, 0, 0, 1, 2, 2, 4, 4, 6, 6, 7, 7, 7, 7, 9, 10, 14, 15]
        add(f"Cast {t.__name__} to e2m1", "Cast", [x], [Typed(ow.FLOAT4E2M1, 4, want)], 25, 0, to=ow.FLOAT4E2M1)
    x = rnd(3, 4, low=-8, high=8)
    nearest4 = np.abs(np.abs(x)[..., None] / 0.5 - fours[:8]).argmin(-1) | np.where(x < 0, 8, 0)
    add("QuantizeLinear e2m1", "QuantizeLinear", [x, np.array(0.5, F), Typed(ow.FLOAT4E2M1, 4, np.array(0))], [Typed(ow.FLOAT4E2M1, 4, nearest4)], 25, 0)
    add("DequantizeLinear e2m1", "DequantizeLinear", [Typed(ow.FLOAT4E2M1, 4, nearest4), np.array(0.5, F)], [(fours[nearest4] * 0.5).astype(F)], 25)
    for name, onnx, bits, signed in (("int4", ow.INT4, 4, 1), ("uint4", ow.UINT4, 4, 0), ("int2", ow.INT2, 2, 1), ("uint2", ow.UINT2, 2, 0)):
        size = 1 << bits
        p = np.arange(size)
        v = np.where((p >= size // 2) & bool(signed), p - size, p)
        for t, n in ((F, 1), (H, 10), (np.int8, 3), (np.uint8, 2), (I, 7), (D, 11)):
            if not signed or t != np.uint8:
                add(f"Cast {name} to {t.__name__}", "Cast", [Typed(onnx, bits, p)], [v.astype(t)], to=n)
                add(f"Cast {t.__name__} to {name}", "Cast", [v.astype(t)], [Typed(onnx, bits, p)], 25, 0, to=onnx)
        low, high = v.min(), v.max()
        x, zero = rnd(4, 6, low=-6, high=10), np.array([1, 0, 1, 1])
        q = np.clip(np.rint(x / np.array([[0.5], [1], [2], [0.3]], F)) + zero[:, None], low, high).astype(int) & size - 1
        scale = np.array([0.5, 1, 2, 0.3], F)
        add(f"QuantizeLinear {name}", "QuantizeLinear", [x, scale, Typed(onnx, bits, zero)], [Typed(onnx, bits, q)], 25, 0, axis=0)
        add(f"DequantizeLinear {name}", "DequantizeLinear", [Typed(onnx, bits, q), scale, Typed(onnx, bits, zero)], [((v[q] - zero[:, None]) * scale[:, None]).astype(F)], 25, axis=0)
        blocks = rnd(4, 2, low=0.2, high=1)
        wide = np.repeat(blocks, 4, 1)[:, :6]
        q = np.clip(np.rint(x / wide), low, high).astype(int) & size - 1
        add(f"QuantizeLinear {name} blocks", "QuantizeLinear", [x, blocks], [Typed(onnx, bits, q)], 25, 0, axis=1, block_size=4, output_dtype=onnx)
        add(f"DequantizeLinear {name} blocks", "DequantizeLinear", [Typed(onnx, bits, q), blocks.astype(H)], [(v[q] * wide.astype(H)).astype(H)], 25, 2e-3, axis=-1, block_size=4)
        add(f"Transpose {name}", "Transpose", [Typed(onnx, bits, q)], [Typed(onnx, bits, q.T)], 25, 0)
        add(f"Reshape {name}", "Reshape", [Typed(onnx, bits, q), Const([-1])], [Typed(onnx, bits, q.reshape(-1))], 25, 0)
        add(f"Pad {name}", "Pad", [Typed(onnx, bits, q), Const([0, 1, 0, 0])], [Typed(onnx, bits, np.pad(q, ((0, 0), (1, 0))))], 25, 0)
    powers = np.array([0, 1, 100, 127, 128, 200, 254, 255])
    value = np.where(powers == 255, NAN, np.ldexp(1.0, powers - 127))
    add("Cast e8m0 to f32", "Cast", [Typed(ow.FLOAT8E8M0, 8, powers)], [value.astype(F)], 25, 0, to=1)
    x = np.array([1, 1.2, 1.5, 1.7, 2, 3, 6, 2**-127, 2**-126 * 1.1, 3e38, NAN], F)
    frac, exp = np.frexp(x.astype(D))
    for mode, more in (("up", frac > 0.5), ("down", frac > 2), ("nearest", frac >= 0.75)):
        want = np.where(np.isnan(x), 255, np.minimum(exp - 1 + 127 + more, 254))
        add(f"Cast f32 to e8m0 {mode}", "Cast", [x], [Typed(ow.FLOAT8E8M0, 8, want)], 25, 0, to=ow.FLOAT8E8M0, round_mode=mode)
    scale = np.array([126, 127, 129])
    q = RNG.integers(-100, 100, (3, 4)).astype(np.int8)
    add("DequantizeLinear by e8m0", "DequantizeLinear", [q, Typed(ow.FLOAT8E8M0, 8, scale)], [(q * np.ldexp(1.0, scale - 127)[:, None]).astype(F)], 25, axis=0, output_dtype=1)
    x = rnd(3, 4, low=-90, high=90)
    add("QuantizeLinear by e8m0", "QuantizeLinear", [x, Typed(ow.FLOAT8E8M0, 8, scale)], [np.clip(np.rint(x / np.ldexp(1.0, scale - 127)[:, None]), -128, 127).astype(np.int8)], 25, 0, axis=0, output_dtype=3, precision=1)
    for a, b in ((F, np.int32), (F, np.uint32), (D, I), (D, np.uint64), (H, np.int16), (H, np.uint16), (np.int8, np.uint8), (np.uint16, H), (np.int32, F), (I, D)):
        x = np.frombuffer(RNG.bytes(12 * np.dtype(a).itemsize), a)
        x = np.where(np.isnan(x), 1, x).astype(a) if np.dtype(a).kind == "f" else x
        y = x.view(b)
        if np.dtype(b).kind == "f" and np.isnan(y).any():
            x = np.arange(12).astype(a)
            y = x.view(b)
        add(f"BitCast {a.__name__} to {b.__name__}", "BitCast", [x.reshape(3, 4)], [y.reshape(3, 4)], 26, 0, to=int(ow._NUMPY[np.dtype(b).name]))
    add("BitCast bf16 to u16", "BitCast", [Typed(16, 16, [1, 0x7FC0, 0x8000])], [np.array([1, 0x7FC0, 0x8000], np.uint16)], 26, 0, to=4)
    add("BitCast e4m3fn to u8", "BitCast", [Typed(17, 8, [1, 127, 128])], [np.array([1, 127, 128], np.uint8)], 26, 0, to=2)
    add("BitCast u4 to i4", "BitCast", [Typed(21, 4, [1, 15, 8])], [Typed(22, 4, [1, 15, 8])], 26, 0, to=22)
    add("BitCast bool to i8", "BitCast", [np.array([True, False])], [np.array([1, 0], np.int8)], 26, 0, to=3)
    x = np.array([-300, -128.7, -1.5, -0.5, 0, 0.5, 1.5, 127.9], F)
    add("Cast f32 to i8", "Cast", [x[1:]], [np.trunc(x[1:]).astype(np.int8)], 25, 0, to=3)
    add("Cast f32 to bool", "Cast", [np.array([0, -0.0, 0.3, NAN, INF], F)], [np.array([0, 0, 1, 1, 1], bool)], 25, 0, to=9)
    add("Cast i64 to f16", "Cast", [np.array([70000, 2049, -2051, 0], I)], [np.array([INF, 2048, -2052, 0], H)], 25, 0, to=10)
    big = np.array([2**63 - 1, 2**53 + 1, -(2**62) - 1], I)
    add("Cast i64 to f32", "Cast", [big], [big.astype(F)], 25, 0, to=1)
    add("Cast i64 to u8", "Cast", [np.array([256, -1, 511], I)], [np.array([0, 255, 255], np.uint8)], 25, 0, to=2)
    for name, v in (("f16", np.array([1.5], H)), ("f64", np.array([1.5], D)), ("bool", np.array([True])), ("u64", np.array([2**64 - 1], np.uint64)), ("i8", np.array([-3], np.int8))):
        add(f"ConstantOfShape {name}", "ConstantOfShape", [Const([2, 3])], [np.full((2, 3), v[0])], 25, 0, value=v)
    add("ConstantOfShape of nothing", "ConstantOfShape", [Const([0, 3])], [np.zeros((0, 3), F)], 25)
    add("ConstantOfShape scalar", "ConstantOfShape", [Const(np.zeros(0))], [np.array(0, F)], 25)


def quantised_cases():
    x, s = rnd(2, 3, 4, low=-300, high=300), np.array([0.5, 2, 3], F)
    for t, z in ((np.uint8, [1, 128, 255]), (np.int8, [-128, 0, 127]), (np.uint16, [1, 40000, 0]), (np.int16, [-5, 0, 5])):
        info = np.iinfo(t)
        zero = np.array(z, t)
        y = np.clip(np.rint(x / s[:, None]) + zero[:, None].astype(D), info.min, info.max).astype(t)
        add(f"QuantizeLinear {t.__name__}", "QuantizeLinear", [x, s, zero], [y], 21, 0)
        add(f"DequantizeLinear {t.__name__}", "DequantizeLinear", [y, s, zero], [((y.astype(D) - zero[:, None]) * s[:, None]).astype(F)], 21)
    add("QuantizeLinear without zero point", "QuantizeLinear", [x, np.array(2, F)], [np.clip(np.rint(x / 2), 0, 255).astype(np.uint8)], 10, 0)
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5], F)
    add("QuantizeLinear halves", "QuantizeLinear", [halves, np.array(1, F), np.array(3, np.int8)], [np.array([3, 5, 5, 3, 1], np.int8)], 13, 0)
    i = np.array([-7, 5, 1000], np.int32)
    add("QuantizeLinear of i32", "QuantizeLinear", [i, np.array(2, F), np.array(1, np.uint8)], [np.array([0, 3, 255], np.uint8)], 19, 0)
    add("DequantizeLinear of i32", "DequantizeLinear", [i, np.array(0.5, F)], [(i * 0.5).astype(F)], 19)
    add("DequantizeLinear to f16", "DequantizeLinear", [i.astype(np.int8), np.array(0.5, F)], [(i.astype(np.int8) * 0.5).astype(H)], 23, output_dtype=10)
    blocks, zeros = rnd(2, 2, 4, low=1, high=3), RNG.integers(0, 9, (2, 2, 4)).astype(np.uint8)
    wide = np.repeat(blocks, 2, 1)[:, :3]
    y = np.clip(np.rint(x / wide) + np.repeat(zeros, 2, 1)[:, :3], 0, 255).astype(np.uint8)
    add("QuantizeLinear blocks", "QuantizeLinear", [x, blocks, zeros], [y], 25, 0, block_size=2)
    for t in (np.uint8, np.int8):
        info = np.iinfo(t)
        a, b = RNG.integers(info.min, info.max, (2, 3, 5)).astype(t), RNG.integers(info.min, info.max, (5, 4)).astype(t)
        az, bz, yz = np.array(3, t), np.array([1, 2, 3, 4], t), np.array(7, t)
        for f in (F, H):
            if f is H:
                sa, sb, sy = np.array(0.01, H), np.array([0.02, 0.03, 0.01, 0.05], H), np.array(0.1, H)
            else:
                sa, sb, sy = np.array(0.0066, F), np.array([0.0074, 0.01, 0.02, 0.005], F), np.array(0.0107, F)
            v = (a.astype(D) - 3) @ (b.astype(D) - bz) * (sa.astype(D) * sb.astype(D) / sy.astype(D)) + 7
            y = np.clip(np.rint(v), info.min, info.max).astype(t)
            add(f"QLinearMatMul {t.__name__} {f.__name__}", "QLinearMatMul", [a, sa, az, b, sb, bz, sy, yz], [y], 21, 1.01 if f is H else 0)
        add(f"MatMulInteger {t.__name__}", "MatMulInteger", [a, b, az, bz], [((a.astype(D) - 3) @ (b.astype(D) - bz)).astype(np.int32)], 10, 0)
        rows = np.array([5, 6, 7], t)
        add(f"MatMulInteger {t.__name__} rows", "MatMulInteger", [a[0], b, rows], [((a[0].astype(D) - rows[:, None]) @ b.astype(D)).astype(np.int32)], 10, 0)
    x = np.array([0, 2, -3, -2.5, 1.34, 0.5], F)
    for name, v in (("", x), (" above", np.abs(x) + 1), (" below", -np.abs(x) - 1)):
        high, low = max(v.max(), 0), min(v.min(), 0)
        scale = F((high - low) / F(255))
        zero = np.clip(np.rint(-low / scale), 0, 255).astype(np.uint8)
        add("DynamicQuantizeLinear" + name, "DynamicQuantizeLinear", [v], [np.clip(np.rint(v / scale) + zero, 0, 255).astype(np.uint8), scale, zero], 11)


narrow_cases()
quantised_cases()


# ---- Reductions and element-wise operators


def reduce_cases():
    kinds = {
        "ReduceSum": lambda x, a, k: x.sum(a, keepdims=k),
        "ReduceMean": lambda x, a, k: x.mean(a, keepdims=k),
        "ReduceMax": lambda x, a, k: x.max(a, keepdims=k),
        "ReduceMin": lambda x, a, k: x.min(a, keepdims=k),
        "ReduceProd": lambda x, a, k: x.prod(a, keepdims=k),
        "ReduceL1": lambda x, a, k: np.abs(x).sum(a, keepdims=k),
        "ReduceL2": lambda x, a, k: np.sqrt((x * x).sum(a, keepdims=k)),
        "ReduceSumSquare": lambda x, a, k: (x * x).sum(a, keepdims=k),
        "ReduceLogSum": lambda x, a, k: np.log(x.sum(a, keepdims=k)),
        "ReduceLogSumExp": lambda x, a, k: np.log(np.exp(x).sum(a, keepdims=k)),
    }
    elementwise = {"ReduceL1": np.abs, "ReduceL2": np.abs, "ReduceSumSquare": np.square, "ReduceLogSum": np.log}
    nothing = {"ReduceSum": 0, "ReduceMax": -INF, "ReduceMin": INF, "ReduceProd": 1, "ReduceL1": 0, "ReduceL2": 0, "ReduceSumSquare": 0, "ReduceLogSum": -INF, "ReduceLogSumExp": -INF, "ReduceMean": NAN}
    for op, f in kinds.items():
        x = rnd(3, 4, 2, low=0.5, high=1.5)
        opset = 13 if op == "ReduceSum" else 20 if op in ("ReduceMax", "ReduceMin") else 18
        for axes in ((0,), (-1,), (2, 0), (-2, -3), None):
            for keep in (0, 1):
                where = [] if axes is None else [Const(axes)]
                a = None if axes is None else tuple(axes)
                add(f"{op} {axes} {keep}", op, [x] + where, [f(x.astype(D), a, bool(keep)).astype(F)], opset, keepdims=keep)
                if op != "ReduceSum":
                    attrs = {} if axes is None else {"axes": list(axes)}
                    add(f"{op}-13 {axes} {keep}", op, [x], [f(x.astype(D), a, bool(keep)).astype(F)], 13, keepdims=keep, **attrs)
        add(f"{op} no axes", op, [x, Const(np.zeros(0))], [f(x.astype(D), None, True).astype(F)], opset)
        for where in ([], [Const(np.zeros(0))]):
            add(f"{op} none {len(where)}", op, [x] + where, [elementwise.get(op, lambda v: v)(x)], opset, noop_with_empty_axes=1)
        add(f"{op} of nothing", op, [x[:, :0], Const([1])], [np.full((3, 1, 2), nothing[op], F)], opset)
        add(f"{op} to nothing", op, [x[:, :0], Const([2])], [np.zeros((3, 0, 1), F)], opset)
        add(f"{op} of a scalar", op, [np.array(1.25, F)], [f(np.array(1.25), None, True).astype(F)], opset)
    add("ReduceLogSumExp far", "ReduceLogSumExp", [np.array([[1000, 1000], [-1000, -1001]], F), Const([1])], [np.array([[1000 + np.log(2)], [-1000 + np.log(1 + np.exp(-1))]], F)], 18)
    add("ReduceLogSumExp infinities", "ReduceLogSumExp", [np.array([[INF, 1], [-INF, -INF], [-INF, 2]], F), Const([1])], [np.array([[INF], [-INF], [2]], F)], 18)
    add("ReduceMax NaN", "ReduceMax", [np.array([[1, NAN, 2]], F), Const([1])], [np.array([[NAN]], F)], 20)
    for t, low, high in ((np.int8, -128, 127), (np.uint8, 0, 255), (np.int32, -(2**31), 2**31 - 1), (np.uint64, 0, 2**64 - 1), (bool, False, True)):
        e = np.zeros((2, 0), t)
        add(f"ReduceMax of no {t.__name__}", "ReduceMax", [e, Const([1])], [np.full((2, 1), low, t)], 20, 0)
        add(f"ReduceMin of no {t.__name__}", "ReduceMin", [e, Const([1])], [np.full((2, 1), high, t)], 20, 0)
    x = np.array([[2, 7, 7, 1], [3, 3, 0, 3]], F)
    for op, f in (("ArgMax", np.argmax), ("ArgMin", np.argmin)):
        for axis in (0, 1, -1):
            for last in (0, 1):
                for keep in (0, 1):
                    y = f(x, axis) if not last else x.shape[axis] - 1 - f(np.flip(x, axis), axis)
                    add(f"{op} {axis} {last} {keep}", op, [x], [np.expand_dims(y, axis) if keep else y], 13, axis=axis, keepdims=keep, select_last_index=last)


def mixed(a, b, f, t):
    return f(a.astype(D), b.astype(D)).astype(t)


def element_cases():
    a, b = RNG.integers(-20, 20, 30), RNG.integers(1, 9, 30) * RNG.choice([-1, 1], 30)
    for t in (np.int8, np.int16, np.int32, I):
        add(f"Mod {t.__name__}", "Mod", [a.astype(t), b.astype(t)], [np.mod(a, b).astype(t)], 13, 0)
        add(f"Mod fmod {t.__name__}", "Mod", [a.astype(t), b.astype(t)], [np.fmod(a, b).astype(t)], 13, 0, fmod=1)
        add(f"Div {t.__name__}", "Div", [a.astype(t), b.astype(t)], [np.trunc(a / b).astype(t)], 14, 0)
    x, y = rnd(30, low=-9, high=9), rnd(30, low=1, high=3)
    for t in (F, D, H):
        add(f"Mod fmod {t.__name__}", "Mod", [x.astype(t), y.astype(t)], [np.fmod(x.astype(t).astype(D), y.astype(t).astype(D)).astype(t)], 13, fmod=1)
    with np.errstate(all="ignore"):
        p, q = np.array([1, -1, 0, INF, NAN, 5], F), np.array([0, 0, 0, INF, 1, -0.0], F)
        add("Div by zero", "Div", [p, q], [p / q], 14)
        base = np.array([0, 0, -8, -8, 2, INF, NAN, 1, -1, 0], F)
        power = np.array([0, -1, 3, 0.5, -INF, 0, 0, NAN, INF, 3], F)
        add("Pow special", "Pow", [base, power], [np.power(base, power)], 15)
        for op, f in (("Log", np.log), ("Sqrt", np.sqrt), ("Reciprocal", lambda v: 1 / v), ("Exp", np.exp), ("Asin", np.arcsin), ("Acosh", np.arccosh), ("Atanh", np.arctanh), ("Tan", np.tan), ("Sinh", np.sinh), ("Atan", np.arctan), ("Asinh", np.arcsinh), ("Acos", np.arccos), ("Cosh", np.cosh), ("Tanh", np.tanh)):
            v = np.array([0, -0.0, 1, -1, 0.5, 2, -2, 30, INF, -INF, NAN], F)
            add(f"{op} special", op, [v], [f(v.astype(D)).astype(F)], 22)
            add(f"{op} f64", op, [v.astype(D)], [f(v.astype(D))], 22, 1e-12)
            add(f"{op} f16", op, [v.astype(H)], [f(v.astype(D)).astype(H)], 22, 2e-3)
    for tx, ty in ((F, I), (F, np.int32), (I, F), (np.int32, D), (D, F), (F, D), (np.int32, np.int32), (H, F), (I, I)):
        m, e = np.array([1, 2, 3, 4]).astype(tx), np.array([3, 2, 0, 1]).astype(ty)
        add(f"Pow {tx.__name__} {ty.__name__}", "Pow", [m, e], [np.power(m.astype(D), e.astype(D)).astype(tx)], 15)
    m, e = np.array([2, -3, 7], I), np.array([62, 39, 20], I)
    add("Pow beyond double", "Pow", [m, e], [np.array([int(u) ** int(v) for u, v in zip(m, e)], I)], 15, 0)
    for t, w in ((np.uint8, 8), (np.uint16, 16), (np.uint32, 32), (np.uint64, 64)):
        v, n = np.frombuffer(RNG.bytes(8 * 12), t)[:12], RNG.integers(0, w, 12).astype(t)
        add(f"BitShift left {t.__name__}", "BitShift", [v, n], [np.left_shift(v, n)], 11, 0, direction="LEFT")
        add(f"BitShift right {t.__name__}", "BitShift", [v, n], [np.right_shift(v, n)], 11, 0, direction="RIGHT")
    v = np.array([INF, -INF, NAN, 0, 3], F)
    for neg in (0, 1):
        for pos in (0, 1):
            add(f"IsInf {neg}{pos}", "IsInf", [v], [np.isposinf(v) & bool(pos) | np.isneginf(v) & bool(neg)], 20, 0, detect_negative=neg, detect_positive=pos)
    nans = np.array([NAN, 1, -1, NAN], F)
    ones = np.array([1, NAN, 1, NAN], F)
    for op, f in (("Max", np.maximum), ("Min", np.minimum), ("Equal", np.equal), ("Less", np.less), ("GreaterOrEqual", np.greater_equal), ("LessOrEqual", np.less_equal), ("Greater", np.greater)):
        add(f"{op} NaN", op, [nans, ones], [f(nans, ones)], 19 if op == "Equal" else 16 if op.endswith("OrEqual") else 13)
    three = rnd(2, 1, 4), rnd(3, 1), rnd(4)
    for op, f in (("Max", lambda u: np.maximum(np.maximum(u[0], u[1]), u[2])), ("Min", lambda u: np.minimum(np.minimum(u[0], u[1]), u[2])), ("Sum", lambda u: u[0] + u[1] + u[2]), ("Mean", lambda u: (u[0] + u[1] + u[2]) / F(3))):
        add(f"{op} of three", op, list(three), [f(three)], 13)
        add(f"{op} of one", op, [three[0]], [three[0]], 13)
    add("Sign NaN", "Sign", [np.array([NAN, -0.0, INF, -3], F)], [np.array([NAN, 0, 1, -1], F)], 13)
    add("Round halves", "Round", [np.array([0.5, 1.5, 2.5, -0.5, -1.5, 2**24 + 1, INF, NAN], F)], [np.array([0, 2, 2, -0.0, -2, 2**24 + 1, INF, NAN], F)], 22)
    add("Relu NaN", "Relu", [np.array([NAN, -INF, INF, -1], F)], [np.array([NAN, 0, INF, 0], F)], 14)
    add("Neg i8", "Neg", [np.array([-128, 5], np.int8)], [np.array([-128, -5], np.int8)], 13, 0)
    add("Abs i8", "Abs", [np.array([-128, -5], np.int8)], [np.array([-128, 5], np.int8)], 13, 0)
    add("Abs u64", "Abs", [np.array([2**64 - 1, 5], np.uint64)], [np.array([2**64 - 1, 5], np.uint64)], 13, 0)
    for op, f in (("Add", np.add), ("Mul", np.multiply), ("Sub", np.subtract), ("And", np.logical_and), ("BitwiseXor", np.bitwise_xor), ("Less", np.less)):
        t = bool if op == "And" else np.int32 if op == "BitwiseXor" else F
        for sa, sb in (((3, 0), (1,)), ((), (2, 3)), ((), ()), ((0,), ()), ((2, 1, 3), (4, 1))):
            u, w = rnd(*sa, low=0, high=5).astype(t), rnd(*sb, low=0, high=5).astype(t)
            add(f"{op} {sa} {sb}", op, [u, w], [f(u, w)], 18)
    c, u, w = np.array([[True], [False]]), rnd(2, 3, 1), rnd(4)
    for t in (F, H, I, np.uint8, bool, D, np.int16):
        ut, wt = (u * 3).astype(t), (w * 3).astype(t)
        add(f"Where {t.__name__}", "Where", [c[:, :, None], ut, wt], [np.where(c[:, :, None], ut, wt)], 16, 0)
    add("Where NaN", "Where", [np.array([True, False]), np.array([1, NAN], F), np.array([NAN, 2], F)], [np.array([1, 2], F)], 16)
    for t in (F, D, np.int16, np.int32, I, H):
        for first, limit, delta in ((0, 10, 3), (10, 2, -3), (3, 3, 1), (5, 1, 2)):
            y = np.arange(first, limit, delta).astype(t)
            opset = 27 if t == H else 11
            add(f"Range {t.__name__} {first} {limit} {delta}", "Range", [Const(first, t), Const(limit, t), Const(delta, t)], [y], opset)
    for stash in (1, 11):  # counted in the wide type: 0.1 in f16 is 0.0999755859375
        y = (np.arange(40) * D(H(0.1))).astype(F if stash == 1 else D).astype(H)
        add(f"Range stash_type {stash}", "Range", [Const(0, H), Const(3.95, H), Const(0.1, H)], [y], 27, 0, stash_type=stash)
        CASES[f"Range stash_type {stash} at run time"] = ("Range", [np.array(0, H), np.array(3.95, H), np.array(0.1, H)], [y], 27, 0, {"stash_type": stash})
    add("Range of fractions", "Range", [Const(0.5, F), Const(2, F), Const(0.4, F)], [np.arange(4).astype(F) * F(0.4) + F(0.5)], 11)
    v = rnd(40, low=-4, high=4)
    add("Erf", "Erf", [v], [np.array([math.erf(q) for q in v], F)], 13)
    add("Gelu", "Gelu", [v], [np.array([q * 0.5 * (1 + math.erf(q / math.sqrt(2))) for q in v.astype(D)], F)], 20)
    m = rnd(2, 3, 4, 4, dtype=F)
    add("Det", "Det", [m], [np.linalg.det(m.astype(D)).astype(F)], 22, 1e-4)
    add("Det of one", "Det", [m[:, 0, :1, :1].copy()], [m[:, 0, 0, 0].copy()], 22)
    singular = np.array([[0, 1], [2, 3]], F)
    add("Det with a zero first", "Det", [singular], [np.array(-2, F)], 22)
    lone = rnd(3, 4)
    for equation, operands in (("ij,jk->ik", (rnd(2, 3), rnd(3, 4))), ("...ii->...i", (rnd(2, 3, 3),)), ("ij->", (lone,)), ("ij", (lone,)), ("ba", (lone,)), ("bij,bjk", (rnd(2, 3, 4), rnd(2, 4, 2))), ("...ij,...jk->...ik", (rnd(2, 1, 3, 4), rnd(5, 4, 2))), (" i , j -> j i ", (rnd(3), rnd(4))), ("ij,jk,kl->il", (rnd(2, 3), rnd(3, 4), rnd(4, 2))), ("i...,i...->...", (rnd(3, 2, 2), rnd(3, 2, 2))), ("i,i", (rnd(5), rnd(5))), ("ii->i", (rnd(4, 4),)), ("Ab,bA->A", (rnd(3, 4), rnd(4, 3)))):
        y = np.einsum(equation.replace(" ", ""), *[o.astype(D) for o in operands])
        add(f"Einsum {equation}", "Einsum", list(operands), [np.asarray(y, F)], 12, 1e-4, equation=equation)


def loss_cases():
    for shape in ((5, 4), (3, 4, 2), (2, 4, 3, 2)):
        x = rnd(*shape)
        target = RNG.integers(0, 4, shape[:1] + shape[2:]).astype(I)
        w = rnd(4, low=0.2, high=1)
        logp = x.astype(D) - np.log(np.exp(x.astype(D)).sum(1, keepdims=True))
        for op, data in (("NegativeLogLikelihoodLoss", x.astype(D)), ("SoftmaxCrossEntropyLoss", logp)):
            for weight in (None, w):
                for ignore in (None, 2, -1):
                    for reduction in ("none", "sum", "mean"):
                        t = np.where(target == 2, -1, target) if ignore == -1 else target
                        share = np.where(t == ignore, 0, (np.ones(4) if weight is None else weight)[t]) if ignore is not None else (np.ones(4) if weight is None else weight)[t]
                        loss = -np.take_along_axis(data, np.expand_dims(np.maximum(t, 0), 1), 1)[:, 0] * share
                        y = loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.sum() / share.sum()
                        attrs = {} if ignore is None else {"ignore_index": ignore}
                        outputs = [np.asarray(y, F)] + ([logp.astype(F)] if op[0] == "S" else [])
                        add(f"{op} {shape} {weight is not None} {ignore} {reduction}", op, [x, t, weight], outputs, 13, 1e-4, reduction=reduction, **attrs)


reduce_cases()
element_cases()
loss_cases()


# ---- Regions, deformed windows, recurrences


def bilinear(x, y_at, x_at):
    """x[channels, height, width] between its elements; 0 more than one element outside."""
    h, w = x.shape[1:]
    if not (-1 <= y_at <= h and -1 <= x_at <= w):
        return np.zeros(len(x)), np.zeros((len(x), 4))
    y_at, x_at = max(y_at, 0), max(x_at, 0)
    y0, x0 = min(int(y_at), h - 1), min(int(x_at), w - 1)
    y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
    fy, fx = (y_at - y0 if y0 < h - 1 else 0), (x_at - x0 if x0 < w - 1 else 0)
    parts = np.stack([x[:, y0, x0] * (1 - fy) * (1 - fx), x[:, y0, x1] * (1 - fy) * fx, x[:, y1, x0] * fy * (1 - fx), x[:, y1, x1] * fy * fx], -1)
    return parts.sum(-1), parts


def roi_align(x, rois, batch, size, ratio, scale, mode, half):
    out = np.zeros((len(rois), x.shape[1]) + size)
    for r, roi in enumerate(rois.astype(D)):
        shift = 0.5 if half else 0
        x0, y0, x1, y1 = roi * scale - shift
        w, h = (x1 - x0, y1 - y0) if half else (max(x1 - x0, 1), max(y1 - y0, 1))
        bh, bw = h / size[0], w / size[1]
        nh, nw = (ratio, ratio) if ratio > 0 else (int(np.ceil(bh)), int(np.ceil(bw)))
        for i in range(size[0]):
            for j in range(size[1]):
                got = [bilinear(x[batch[r]].astype(D), y0 + i * bh + (a + 0.5) * bh / nh, x0 + j * bw + (b + 0.5) * bw / nw) for a in range(nh) for b in range(nw)]
                if mode == "avg":
                    out[r, :, i, j] = sum(g[0] for g in got) / max(1, nh * nw)
                else:
                    out[r, :, i, j] = np.max([g[1].max(-1) for g in got], 0)
    return out.astype(F)


def deform(x, w, offset, b, mask, strides, pads, dilations, group, offset_group):
    n, c, h, wd = x.shape
    m, per, kh, kw = w.shape
    oh, ow_ = offset.shape[2:]
    y = np.zeros((n, m, oh, ow_))
    off = offset.reshape(n, offset_group, kh, kw, 2, oh, ow_)
    msk = np.ones((n, offset_group, kh, kw, oh, ow_)) if mask is None else mask.reshape(n, offset_group, kh, kw, oh, ow_)

    def at(p, q, im):
        f, g = math.floor(p), math.floor(q)
        total = 0
        for r, s, t in ((f, g, (1 - p + f) * (1 - q + g)), (f, g + 1, (1 - p + f) * (q - g)), (f + 1, g, (p - f) * (1 - q + g)), (f + 1, g + 1, (p - f) * (q - g))):
            if 0 <= r < h and 0 <= s < wd:
                total += im[r, s] * t
        return total

    for a in range(n):
        for o in range(m):
            for ci in range(per):
                ch = o // (m // group) * per + ci
                og = ch // (c // offset_group)
                for i in range(oh):
                    for j in range(ow_):
                        for u in range(kh):
                            for v in range(kw):
                                p = i * strides[0] - pads[0] + u * dilations[0] + off[a, og, u, v, 0, i, j]
                                q = j * strides[1] - pads[1] + v * dilations[1] + off[a, og, u, v, 1, i, j]
                                y[a, o, i, j] += w[o, ci, u, v] * msk[a, og, u, v, i, j] * at(p, q, x[a, ch])
    return (y if b is None else y + b[:, None, None]).astype(F)


def region_cases():
    x = rnd(2, 3, 7, 8)
    rois = np.array([[0, 0, 5, 4], [1.3, 2.2, 6.7, 5.5], [-2, -1, 3, 3], [5, 5, 9, 9], [2, 2, 2.2, 2.1]], F)
    batch = np.array([0, 1, 0, 1, 1], I)
    for half in (0, 1):
        for mode in ("avg", "max"):
            for ratio in (0, 2):
                if mode == "max" and ratio == 0 and half:
                    continue
                y = roi_align(x, rois, batch, (2, 3), ratio, 0.9, mode, half)
                add(f"RoiAlign {half} {mode} {ratio}", "RoiAlign", [x, rois if ratio or mode == "avg" else Const(rois, F), batch], [y], 22, 2e-5, mode=mode, output_height=2, output_width=3, sampling_ratio=ratio, spatial_scale=0.9, coordinate_transformation_mode="half_pixel" if half else "output_half_pixel")
    below = -1 - np.abs(x)
    y = roi_align(below, rois, batch, (2, 3), 0, 0.9, "max", 0)
    add("RoiAlign max below 0", "RoiAlign", [below, Const(rois, F), batch], [y], 22, 2e-5, mode="max", output_height=2, output_width=3, spatial_scale=0.9, coordinate_transformation_mode="output_half_pixel")
    y = roi_align(x, rois, batch, (1, 1), 2, 1.0, "avg", 0)
    add("RoiAlign-10", "RoiAlign", [x, rois, batch], [y], 10, 2e-5, sampling_ratio=2)
    x = rnd(1, 4, 5, 6)
    for group, offset_group in ((1, 1), (2, 1), (1, 2), (2, 4)):
        w, b = rnd(4, 4 // group, 2, 3), rnd(4)
        for number, (strides, pads, dilations) in enumerate((([1, 1], [0, 0, 0, 0], [1, 1]), ([2, 1], [1, 1, 0, 1], [1, 2]))):
            oh = (5 + pads[0] + pads[2] - dilations[0] - 1) // strides[0] + 1
            ow_ = (6 + pads[1] + pads[3] - dilations[1] * 2 - 1) // strides[1] + 1
            offset, mask = rnd(1, offset_group * 12, oh, ow_), rnd(1, offset_group * 6, oh, ow_, low=0, high=1)
            attrs = dict(strides=strides, pads=pads, dilations=dilations, group=group, offset_group=offset_group)
            y = deform(x, w, offset, b, mask, strides, pads, dilations, group, offset_group)
            add(f"DeformConv {group} {offset_group} {number}", "DeformConv", [x, w, offset, b, mask], [y], 22, 1e-4, **attrs)
            y = deform(x, w, offset, None, None, strides, pads, dilations, group, offset_group)
            add(f"DeformConv {group} {offset_group} {number} bare", "DeformConv", [x, w, offset], [y], 19, 1e-4, kernel_shape=[2, 3], **attrs)


def linear_attention(q, k, v, heads, kv_heads, rule, past, decay, beta, scale):
    b, t, _ = q.shape
    dk, dv = k.shape[2] // kv_heads, v.shape[2] // kv_heads
    state = np.zeros((b, kv_heads, dk, dv)) if past is None else past.astype(D)
    y = np.zeros((b, t, heads, dv))
    for i in range(t):
        ki, vi = k[:, i].reshape(b, kv_heads, dk).astype(D), v[:, i].reshape(b, kv_heads, dv).astype(D)
        if "gated" in rule:
            g = decay[:, i].reshape(b, kv_heads, -1, 1).astype(D)
            state = np.exp(g) * state
        if "delta" in rule:
            vi = (vi - np.einsum("bhkv,bhk->bhv", state, ki)) * np.broadcast_to(beta[:, i], (b, kv_heads))[..., None]
        state = state + ki[..., None] * vi[:, :, None]
        qi = q[:, i].reshape(b, heads, dk).astype(D)
        y[:, i] = np.einsum("bhk,bhkv->bhv", qi, np.repeat(state, heads // kv_heads, 1)) * (dk**-0.5 if scale is None else scale)
    return y.reshape(b, t, -1), state


def linear_cases():
    for heads, kv_heads in ((2, 2), (4, 2), (3, 1)):
        for t in (1, 5):
            q, k, v = rnd(2, t, heads * 4), rnd(2, t, kv_heads * 4, low=-0.5, high=0.5), rnd(2, t, kv_heads * 3)
            past = rnd(2, kv_heads, 4, 3)
            for rule in ("linear", "gated", "delta", "gated_delta"):
                for wide in (0, 1):
                    decay = -rnd(2, t, kv_heads * (4 if wide else 1), low=0, high=1) if "gated" in rule else None
                    beta = rnd(2, t, kv_heads if wide else 1, low=0, high=1) if "delta" in rule else None
                    before, scale = (past, 0.7) if wide else (None, None)
                    y, state = linear_attention(q, k, v, heads, kv_heads, rule, before, decay, beta, scale)
                    attrs = {} if scale is None else {"scale": scale}
                    add(f"LinearAttention {heads}/{kv_heads} {t} {rule} {wide}", "LinearAttention", [q, k, v, before, decay, beta], [y.astype(F), state.astype(F)], 27, 1e-4, update_rule=rule, q_num_heads=heads, kv_num_heads=kv_heads, **attrs)
    for kernel in (1, 2, 4):
        for length in (1, 6):
            x, w, b = rnd(2, 3, length), rnd(3, 1, kernel), rnd(3)
            for past in (None, rnd(2, 3, kernel - 1)):
                for activation in ("none", "silu", "swish"):
                    whole = np.concatenate([np.zeros((2, 3, kernel - 1), F) if past is None else past, x], 2)
                    y = sum(whole[:, :, i:i + length].astype(D) * w[:, 0, i, None] for i in range(kernel)) + b[:, None]
                    y = y if activation == "none" else y / (1 + np.exp(-y))
                    add(f"CausalConvWithState {kernel} {length} {past is None} {activation}", "CausalConvWithState", [x, w, b, past], [y.astype(F), whole[:, :, length:].copy()], 27, activation=activation)


region_cases()
linear_cases()


# ---- Empty tensors, scalars, vectors, eight dimensions


def shape_cases():
    unary = {"Abs": np.abs, "Neg": np.negative, "Exp": np.exp, "Relu": lambda x: np.maximum(x, 0), "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Floor": np.floor, "Sqrt": np.sqrt, "Identity": lambda x: x, "Softsign": lambda x: x / (1 + np.abs(x)), "Mish": lambda x: x * np.tanh(np.log1p(np.exp(x))), "IsNaN": np.isnan, "Sign": np.sign, "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1), "LeakyRelu": lambda x: np.where(x < 0, F(0.01) * x, x), "Celu": lambda x: np.where(x < 0, np.expm1(x), x), "Selu": lambda x: np.where(x > 0, F(1.05070102) * x, F(1.05070102) * F(1.67326319) * np.expm1(x)), "Shrink": lambda x: np.where(x < -0.5, x, np.where(x > 0.5, x, 0)), "ThresholdedRelu": lambda x: np.where(x > 1, x, 0), "Gelu": lambda x: x, "Swish": lambda x: x / (1 + np.exp(-x))}
    for op, f in unary.items():
        for shape in ((), (0,), (2, 0, 3), (1, 2, 1, 2, 1, 2, 1, 2)):
            x = rnd(*shape, low=0.1, high=2)
            if op == "Gelu":
                y = np.asarray(0.5 * x * (1 + np.vectorize(math.erf, otypes=[D])(x / np.sqrt(2))))
            else:
                y = np.asarray(f(x))
            add(f"{op} of {shape}", op, [np.asarray(x)], [y if y.dtype == bool else y.astype(F)], 24)
    for op, attrs in (("Softmax", {}), ("LogSoftmax", {}), ("Hardmax", {}), ("LpNormalization", {})):
        x = np.zeros((2, 0, 3), F)
        add(f"{op} of nothing", op, [x], [x], 22, **attrs)
    for a, b in (((2, 3), (3, 0)), ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((4, 1, 2, 3), (5, 3, 2)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2)), ((0, 2, 3), (3, 2)), ((1, 1), (1, 1))):
        x, y = rnd(*a), rnd(*b)
        add(f"MatMul {a} {b}", "MatMul", [x, y], [np.asarray(np.matmul(x, y))], 13, 1e-4)
    x, w = rnd(0, 3), rnd(3, 2)
    add("Gemm of no rows", "Gemm", [x, w, rnd(2)], [np.zeros((0, 2), F)], 13)
    c = rnd(2)
    add("Gemm over nothing", "Gemm", [np.zeros((3, 0), F), np.zeros((0, 2), F), c], [np.broadcast_to(c, (3, 2)).copy()], 13)
    for shape in ((), (1,), (3, 1), (1, 2), (3, 2)):
        a, b, c = rnd(4, 3), rnd(2, 4), rnd(*shape)
        add(f"Gemm C {shape}", "Gemm", [a, b, np.asarray(c)], [(0.5 * a.T @ b.T + 2 * c).astype(F)], 13, 1e-4, alpha=0.5, beta=2.0, transA=1, transB=1)
    add("Conv of no pictures", "Conv", [np.zeros((0, 2, 4, 4), F), rnd(3, 2, 2, 2)], [np.zeros((0, 3, 3, 3), F)], 22)
    add("MaxPool of no pictures", "MaxPool", [np.zeros((0, 2, 4, 4), F)], [np.zeros((0, 2, 3, 3), F)], 22, kernel_shape=[2, 2])
    add("AveragePool of no channels", "AveragePool", [np.zeros((2, 0, 4, 4), F)], [np.zeros((2, 0, 3, 3), F)], 22, kernel_shape=[2, 2])
    add("GlobalAveragePool 1-D", "GlobalAveragePool", [np.arange(6, dtype=F).reshape(1, 2, 3)], [np.array([[[1], [4]]], F)], 22)
    add("InstanceNormalization 1-D", "InstanceNormalization", [np.array([[[1, 3], [2, 2]]], F), np.array([1, 2], F), np.array([0, 5], F)], [np.array([[[-1, 1], [5, 5]]], F)], 22, 1e-4)
    add("Where of nothing", "Where", [np.zeros((0, 1), bool), np.zeros((1, 3), F), np.zeros(3, F)], [np.zeros((0, 3), F)], 16)
    add("Concat vectors", "Concat", [np.zeros(0, I), np.array([1], I)], [np.array([1], I)], 13, axis=0)
    add("CumSum of nothing", "CumSum", [np.zeros((2, 0), F), Const(1, np.int32)], [np.zeros((2, 0), F)], 14)
    add("CumSum of one", "CumSum", [np.array([5], F), Const([0])], [np.array([0], F)], 14, exclusive=1)
    add("Transpose of nothing", "Transpose", [np.zeros((2, 0, 3), F)], [np.zeros((3, 2, 0), F)], 21, perm=[2, 0, 1])
    add("ScatterND of nothing", "ScatterND", [np.arange(4, dtype=F), np.zeros((0, 1), I), np.zeros(0, F)], [np.arange(4, dtype=F)], 18)
    add("ScatterElements of nothing", "ScatterElements", [np.arange(4, dtype=F), np.zeros(0, I), np.zeros(0, F)], [np.arange(4, dtype=F)], 18)
    add("Pad of nothing", "Pad", [np.zeros((0, 2), F), Const([1, 0, 2, 0])], [np.zeros((3, 2), F)], 25)
    add("Pad a scalar", "Pad", [np.array(3, F), Const(np.zeros(0))], [np.array(3, F)], 25)
    add("Cast of nothing", "Cast", [np.zeros((0, 3), F)], [np.zeros((0, 3), I)], 25, to=7)
    add("LayerNormalization of no rows", "LayerNormalization", [np.zeros((0, 3), F), np.ones(3, F)], [np.zeros((0, 3), F)], 17)
    add("ArgMax of no rows", "ArgMax", [np.zeros((0, 3), F)], [np.zeros((0, 1), I)], 13, axis=1)
    add("TopK of no rows", "TopK", [np.zeros((0, 3), F), Const([2])], [np.zeros((0, 2), F), np.zeros((0, 2), I)], 24)
    add("Tile eight dimensions", "Tile", [np.arange(4, dtype=F).reshape(1, 1, 2, 1, 1, 2, 1, 1), Const([1, 2, 1, 1, 3, 2, 1, 1])], [np.tile(np.arange(4, dtype=F).reshape(1, 1, 2, 1, 1, 2, 1, 1), (1, 2, 1, 1, 3, 2, 1, 1))], 13)
    six = rnd(2, 1, 3, 1, 2, 2)
    add("Tile six dimensions", "Tile", [six, Const([2, 3, 2, 2, 1, 2])], [np.tile(six, (2, 3, 2, 2, 1, 2))], 13)
    add("Gather eight dimensions", "Gather", [rnd(1, 2, 1, 2, 1, 2), np.zeros((1, 1, 1), I)], [None], 13, axis=0)
    x, i, *_ = CASES.pop("Gather eight dimensions")[1]
    add("Gather eight dimensions", "Gather", [x, i], [np.take(x, i, 0)], 13, axis=0)
    add("Max of nothing and a scalar", "Max", [np.zeros((0,), F), np.array(1, F)], [np.zeros(0, F)], 13)
    add("EyeLike of no rows", "EyeLike", [np.zeros((0, 3), F)], [np.zeros((0, 3), F)], 22)
    add("OneHot of nothing", "OneHot", [np.zeros((0,), I), Const(3), Const([0, 1], F)], [np.zeros((0, 3), F)], 11)
    add("Softmax of a vector", "Softmax", [np.array([1, 1], F)], [np.array([0.5, 0.5], F)], 13, axis=0)
    add("Flatten of nothing", "Flatten", [np.zeros((0, 2, 3), F)], [np.zeros((0, 6), F)], 21)
    add("Slice scalar result", "Slice", [np.arange(5), Const([-2]), Const([-1])], [np.array([3])], 13)
    add("Split of nothing", "Split", [np.zeros((0, 2), F)], [np.zeros((0, 2), F)] * 2, 18, num_outputs=2)


shape_cases()


# ---- Absent and empty operands, older forms


def form_cases():
    x = rnd(1, 1, 4, 6)
    none = Const(np.zeros(0), F)
    add("Resize-11 by sizes", "Resize", [x, none, none, Const([1, 1, 3, 9])], [resize(x, (2, 3), sizes=(3, 9), mode="linear")], 11, 2e-5, mode="linear")
    add("Resize-13 by sizes", "Resize", [x, none, None, Const([1, 1, 3, 9])], [resize(x, (2, 3), sizes=(3, 9))], 13)
    add("Resize-10", "Resize", [x, Const([1, 1, 2, 2], F)], [x.repeat(2, 2).repeat(2, 3)], 10)
    add("Resize-10 linear", "Resize", [x, Const([1, 1, 2, 1.5], F)], [resize(x, (2, 3), (2, 1.5), mode="linear", transform="asymmetric")], 10, 2e-5, mode="linear")
    add("Upsample-9 linear", "Upsample", [x, Const([1, 1, 2, 2], F)], [resize(x, (2, 3), (2, 2), mode="linear", transform="asymmetric")], 9, 2e-5, mode="linear")
    add("Upsample-7", "Upsample", [x], [x.repeat(2, 2).repeat(3, 3)], 7, scales=[1.0, 1.0, 2.0, 3.0])
    add("Slice without axes, with steps", "Slice", [x[0, 0], Const([0, 1]), Const([4, 6]), None, Const([2, 3])], [x[0, 0, 0:4:2, 1:6:3]], 13)
    add("Slice-1", "Slice", [x[0, 0]], [x[0, 0, 1:3, -3:]], 9, starts=[1, -3], ends=[3, 1000])
    add("Squeeze-11", "Squeeze", [x], [x[0, 0].copy()], 11, axes=[0, 1])
    add("Unsqueeze-11", "Unsqueeze", [x[0, 0].copy()], [x], 11, axes=[0, 1])
    add("Split-11", "Split", [x], [x[..., :2].copy(), x[..., 2:].copy()], 11, axis=-1, split=[2, 4])
    add("Split-2 equal", "Split", [x], [x[..., :3].copy(), x[..., 3:].copy()], 2, axis=3)
    add("Pad-2", "Pad", [x[0, 0].copy()], [np.pad(x[0, 0], ((1, 0), (0, 2)), constant_values=2)], 2, pads=[1, 0, 0, 2], value=2.0)
    add("TopK-1", "TopK", [np.array([[3, 1, 2]], F)], [np.array([[3, 2]], F), np.array([[0, 2]], I)], 9, k=2)
    add("TopK-10", "TopK", [np.array([[3, 1, 2]], F), Const([1])], [np.array([[3]], F), np.array([[0]], I)], 10)
    add("Clip-6", "Clip", [x], [np.clip(x, F(-0.5), F(0.25))], 6, min=-0.5, max=0.25)
    flat = x.astype(D).reshape(1, -1)
    e = np.exp(flat - flat.max())
    add("Softmax-11 from axis 1", "Softmax", [x], [(e / e.sum()).reshape(x.shape).astype(F)], 11)
    add("LogSoftmax-11 from axis 0", "LogSoftmax", [x], [np.log(e / e.sum()).reshape(x.shape).astype(F)], 11, axis=0)
    hot = np.zeros(24, F)
    hot[flat.argmax()] = 1
    add("Hardmax-11", "Hardmax", [x], [hot.reshape(x.shape)], 11)
    y = np.array([[1, 2], [3, 4]], F)
    add("Gemm-7", "Gemm", [y, y, np.array([1, 2], F)], [y @ y + np.array([1, 2], F)], 9)
    add("Dropout-7", "Dropout", [y], [y], 7, ratio=0.9)
    add("Dropout-10 mask", "Dropout", [y], [y, np.ones((2, 2), bool)], 10)
    add("Dropout-13", "Dropout", [y, Const(0.9, F)], [y, np.ones((2, 2), bool)], 13)
    add("Dropout-22, not training", "Dropout", [y, Const(0.9, F), Const(False, bool)], [y, np.ones((2, 2), bool)], 22)
    for kind, attrs, want in (("float", {"value_float": 1.5}, np.array(1.5, F)), ("floats", {"value_floats": [1.5, 2.0]}, np.array([1.5, 2], F)), ("int", {"value_int": 3}, np.array(3, I)), ("ints", {"value_ints": [3, -4]}, np.array([3, -4], I)), ("tensor", {"value": np.array([[1, 2]], np.int16)}, np.array([[1, 2]], np.int16))):
        add(f"Constant {kind}", "Constant", [], [want], 21, **attrs)
    dense = np.zeros((2, 3), F)
    dense[0, 1], dense[1, 2] = 5, -7
    for kind, indices in (("flat", [1, 5]), ("by dimension", [[0, 1], [1, 2]])):
        sparse = ow.Sparse(np.array([5, -7], F), np.array(indices, I), (2, 3))
        add(f"Constant sparse {kind}", "Constant", [], [dense], 21, sparse_value=sparse)
        add(f"Add a sparse initializer {kind}", "Add", [np.ones((2, 3), F), Const(sparse)], [dense + 1], 14)
    add("Constant sparse without values", "Constant", [], [dense * 0], 21, sparse_value=ow.Sparse(np.zeros(0, F), np.zeros(0, I), (2, 3)))
    q, w = RNG.integers(0, 256, (1, 2, 5, 5)).astype(np.uint8), RNG.integers(-128, 128, (4, 2, 3, 3)).astype(np.int8)
    sw, zw, b = np.array([0.01, 0.02, 0.005, 0.03], F), np.array([0, 3, -2, 1], np.int8), RNG.integers(-500, 500, 4).astype(np.int32)
    acc = conv(q.astype(D) - 120, w.astype(D) - zw.reshape(4, 1, 1, 1), b.astype(D), [2, 2], [1, 1], [1, 1, 1, 1], 1)
    y = np.clip(np.rint(acc * (0.05 * sw.astype(D) / 0.4).reshape(4, 1, 1)) + 9, 0, 255).astype(np.uint8)
    add("QLinearConv per channel", "QLinearConv", [q, np.array(0.05, F), np.array(120, np.uint8), w, sw, zw, np.array(0.4, F), np.array(9, np.uint8), b], [y], 10, 0, strides=[2, 2], pads=[1, 1, 1, 1])
    w2 = w[:, :1].copy()
    acc = conv(q.astype(D) - 120, w2.astype(D), None, [1, 1], [2, 1], [0, 0, 0, 0], 2)
    y = np.clip(np.rint(acc * (0.05 * 0.02 / 0.4)) + 9, 0, 255).astype(np.uint8)
    add("QLinearConv groups", "QLinearConv", [q, np.array(0.05, F), np.array(120, np.uint8), w2, np.array(0.02, F), np.array(0, np.int8), np.array(0.4, F), np.array(9, np.uint8)], [y], 10, 0, group=2, dilations=[2, 1])
    bins, length, rate, low, high = 5, 32, 8000, 100.0, 3500.0
    mel_low, mel_high = (2595 * np.log10(1 + f / 700) for f in (low, high))
    mel = mel_low + np.arange(bins + 2) * (mel_high - mel_low) / (bins + 2)  # the highest is never reached
    at = ((length + 1) * (700 * (10 ** (mel / 2595) - 1)) // rate).astype(int)
    y = np.zeros((length // 2 + 1, bins))
    for i in range(bins):
        lo, mid, hi = at[i:i + 3]
        if mid == lo:
            y[mid, i] = 1
        for j in range(lo, mid + 1):
            if mid != lo:
                y[j, i] = (j - lo) / (mid - lo)
        for j in range(mid, hi):
            if hi != mid:
                y[j, i] = (hi - j) / (hi - mid)
    for t, n in ((F, 1), (D, 11)):
        add(f"MelWeightMatrix {t.__name__}", "MelWeightMatrix", [Const(bins), Const(length), Const(rate), Const(low, F), Const(high, F)], [y.astype(t)], 17, output_datatype=n)
    for axis in (-1, 1):
        q = np.array([[10, 20, 30]], np.int8)
        s = np.array([1, 2, 0.5], F)
        add(f"DequantizeLinear axis {axis}", "DequantizeLinear", [q, s], [(q * s).astype(F)], 13, axis=axis)
        add(f"QuantizeLinear axis {axis}", "QuantizeLinear", [(q * s).astype(F), s, np.zeros(3, np.int8)], [q], 13, 0, axis=axis)
    add("DequantizeLinear-10", "DequantizeLinear", [q, np.array(0.5, F), np.array(10, np.int8)], [((q - 10.0) * 0.5).astype(F)], 10)
    z = np.arange(24, dtype=F).reshape(2, 3, 4)
    add("Scatter-9", "Scatter", [z[0].copy(), np.array([[0, 1, 2, 0]], I), np.full((1, 4), -1, F)], [np.where(np.arange(3)[:, None] == np.array([0, 1, 2, 0]), -1, z[0]).astype(F)], 10)
    add("MaxPool-1", "MaxPool", [x], [np.maximum(np.maximum(x[..., :-1, :-1], x[..., 1:, :-1]), np.maximum(x[..., :-1, 1:], x[..., 1:, 1:]))], 1, kernel_shape=[2, 2])


form_cases()


def complex_cases():
    """What moves elements takes complex numbers; ONNX has no arithmetic on them."""
    for t in (np.complex64, np.complex128):
        x = np.array([[1 + 2j, 3, -1j], [0, 0.5 - 1j, 2]], t)
        name = t.__name__
        add(f"Transpose {name}", "Transpose", [x], [x.T.copy()], 13)
        add(f"Concat {name}", "Concat", [x, x], [np.concatenate([x, x], 1)], 13, axis=1)
        add(f"Where {name}", "Where", [np.array([True, False, True]), x, -x], [np.where([True, False, True], x, -x)], 13)
        add(f"Pad {name}", "Pad", [x, Const([0, 1, 1, 0])], [np.pad(x, ((0, 1), (1, 0)))], 13)
        add(f"Gather {name}", "Gather", [x, Const([1, 1, 0])], [x[[1, 1, 0]]], 13)


complex_cases()


def as_inputs(*ops):
    """The cases of these operators once more, with the operands that the model held given at run time."""
    for name, (op, inputs, *rest) in list(CASES.items()):
        if op in ops and any(isinstance(v, Const) for v in inputs):
            CASES[name + " at run time"] = (op, [v.value if isinstance(v, Const) else v for v in inputs], *rest)


as_inputs("AffineGrid", "DFT")


def undeclared(*ops):
    """The same, and the extents of the results are not declared."""
    for name, (op, inputs, outputs, opset, tol, attrs) in list(CASES.items()):
        if op in ops and any(isinstance(v, Const) for v in inputs):
            CASES[name + " undeclared"] = (op, [v.value if isinstance(v, Const) else v for v in inputs], outputs, opset, tol, {**attrs, "UNDECLARED": 1})


undeclared("BlackmanWindow", "CenterCropPad", "HammingWindow", "HannWindow", "OneHot", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
           "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Reshape", "Resize", "Split", "Squeeze", "Tile", "Unsqueeze")


def refuse(name, words, op, inputs, outputs, opset=25, **attrs):
    REFUSED["refused: " + name] = (op, inputs, outputs, opset, 0, attrs), words


def refusals():
    x = np.zeros((2, 3), F)
    for name, indices in (("flat index", [1, 6]), ("negative index", [-1, 2]), ("index of a dimension", [[0, 1], [1, 3]])):
        refuse(f"sparse {name} outside", "lie outside", "Constant", [], [x], sparse_value=ow.Sparse(np.ones(2, F), np.array(indices, I), (2, 3)))
    refuse("Range in f16", "stash_type is 10", "Range", [Const(0, H), Const(3, H), Const(1, H)], [np.arange(3).astype(H)], 27, stash_type=10)
    refuse("Add of complex numbers", "add takes a number, operand 0 is c64", "Add", [np.ones(2, np.complex64)] * 2, [np.ones(2, np.complex64)], 14)
    refuse("sparse with few indices", "for each of them", "Constant", [], [x], sparse_value=ow.Sparse(np.ones(2, F), np.array([1], I), (2, 3)))
    refuse("sparse and huge", "[limit]", "Constant", [], [x], sparse_value=ow.Sparse(np.ones(1, F), np.array([1], I), (2**20, 2**20)))
    refuse("DFT along its parts", "real and imaginary parts", "DFT", [np.zeros((2, 4, 1), F), None, Const(-1)], [np.zeros((2, 4, 2), F)], 20)
    refuse("Attention of odd heads", "do not fit", "Attention", [np.zeros((1, 3, 2, 4), F), np.zeros((1, 2, 2, 4), F), np.zeros((1, 2, 2, 4), F)], [np.zeros((1, 3, 2, 4), F)], 23)
    refuse("AffineGrid of another size at run time", "contradicts", "AffineGrid", [np.zeros((1, 2, 3), F), np.array([1, 1, 4, 5], I)], [np.zeros((1, 4, 6, 2), F)], 20)
    refuse("DFT of another length at run time", "contradicts", "DFT", [np.zeros((1, 4, 1), F), np.array(9, I)], [np.zeros((1, 8, 2), F)], 20)


refusals()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("-k", default="", help="only cases whose names contain this")
    parser.add_argument("-j", type=int, default=2)
    args = parser.parse_args()
    work = {name: spec for name, spec in CASES.items() if args.k in name}
    refused = {name: spec for name, spec in REFUSED.items() if args.k in name}
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        for name, why in zip(work, pool.map(lambda spec: try_case(args.bin, spec), work.values())):
            failed += bool(why)
            if why:
                print(f"FAILED {name}: {why.strip()}")
        for (name, (_, words)), why in zip(refused.items(), pool.map(lambda spec: try_case(args.bin, spec[0]), refused.values())):
            missing = why.count(words) < 2  # of the evaluator and of compiler or simulator
            failed += missing
            if missing:
                print(f"FAILED {name}: not twice '{words}' in: {why.strip()}")
    total = len(work) + len(refused)
    print(f"{total - failed} passed, {failed} failed")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
