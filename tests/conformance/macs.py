"""How many multiply-accumulates a conformance case must show on the array, from its operators, attributes and extents."""
import math
import os
import re

# The operators whose work is products.
MULTIPLY = {"Attention", "CausalConvWithState", "Conv", "ConvInteger", "ConvTranspose", "DFT", "DeformConv", "Einsum", "GRU", "Gemm", "LSTM",
            "LinearAttention", "MatMul", "MatMulInteger", "QLinearConv", "QLinearMatMul", "RNN", "STFT", "ai.onnx.preview.FlexAttention"}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def matmul(a, b):
    """Products of NumPy's matmul."""
    a, b = ([1] + a if len(a) == 1 else a), (b + [1] if len(b) == 1 else b)
    batch = 1
    for k in range(1, max(len(a), len(b)) - 1):
        batch *= max(s[-2 - k] if len(s) > k + 1 else 1 for s in (a, b)) if all(len(s) <= k + 1 or s[-2 - k] for s in (a, b)) else 0
    return batch * a[-2] * a[-1] * b[-1]


def einsum(equation, shapes):
    """Extents multiplied over all letters when two operands share a letter that is summed; else 0: no products, or element-wise ones."""
    terms, _, result = equation.replace(" ", "").partition("->")
    terms = terms.split(",")
    if "." in equation or "->" not in equation or len(terms) != 2 or any(len(set(t)) != len(t) for t in terms):
        return 0
    size = {c: n for t, s in zip(terms, shapes) for c, n in zip(t, s)}
    summed = set(terms[0]) & set(terms[1]) - set(result)
    return math.prod(size.values()) if summed else 0


def recurrent(op, shapes):
    _, w, r = shapes[:3]
    steps = shapes[0][0] * shapes[0][1]
    return steps * w[0] * GATES[op] * r[2] * (w[2] + r[2])


def attention(shapes, ints, outputs):
    q, k, v = shapes[:3]
    past = shapes[4][2] if len(shapes) > 4 and shapes[4] else 0
    if len(q) == 3:
        heads, kv = ints["q_num_heads"], ints["kv_num_heads"]
        q, k, v = ([s[0], h, s[1], s[2] // h] for s, h in ((q, heads), (k, kv), (v, kv)))
    return q[0] * q[1] * q[2] * (k[2] + past) * (q[3] + v[3])


def of_node(op, shapes, outputs, ints, texts):
    """MACs of a node; 1 where only their being there is known. shapes: of its operands, None for an absent one."""
    if op in GATES and all(shapes[:3]):
        return recurrent(op, shapes)
    if any(s is None or 0 in s for s in shapes[:2]) or not all(outputs[:1]) or 0 in outputs[0]:
        return 0 if any(s is not None and 0 in s for s in shapes[:2] + outputs[:1]) else 1
    if op in ("MatMul", "MatMulInteger"):
        return matmul(shapes[0], shapes[1])
    if op == "QLinearMatMul":
        return matmul(shapes[0], shapes[3])
    if op == "Gemm":
        return math.prod(outputs[0]) * shapes[0][0 if ints.get("transA") else 1]
    if op in ("Conv", "ConvInteger", "DeformConv"):
        return math.prod(outputs[0]) * math.prod(shapes[1][1:])
    if op == "QLinearConv":
        return math.prod(outputs[0]) * math.prod(shapes[3][1:])
    if op == "CausalConvWithState":
        return math.prod(outputs[0]) * shapes[1][2]
    if op in ("Attention", "ai.onnx.preview.FlexAttention"):
        return attention(shapes, ints, outputs)
    return einsum(texts["equation"], shapes) if op == "Einsum" else 1


class Needs:
    """What a case must show. Operands that the file does not tell the extents of count as one product."""

    def __init__(self, case, conform):
        with open(case.model(), "rb") as f:
            graph = conform.children(f.read(), 7)[-1]
        self.c = conform
        self.known = {conform.text(t, 8): self.tensor(t) for t in conform.children(graph, 5)}
        for k, name in enumerate(case.inputs):
            self.known[name] = self.file(case, "input_%d.pb" % k)
        for k, out in enumerate(conform.children(graph, 12)):
            self.known.setdefault(conform.text(out, 1), self.file(case, "output_%d.pb" % k))
        self.operators, self.macs = set(), 0
        for node in conform.children(graph, 1):
            self.add(node)

    def tensor(self, t):
        dims = []
        for d in self.c.children(t, 1):
            dims += [d] if isinstance(d, int) else self.packed(d)
        return dims

    def packed(self, data):
        at, out = 0, []
        while at < len(data):
            v, at = self.c.varint(data, at)
            out.append(v)
        return out

    def file(self, case, name):
        path = os.path.join(case.data, name)
        return self.c.tensor_dims(path) if os.path.exists(path) else None

    def add(self, node):
        domain = self.c.text(node, 7)
        op = (domain + "." if domain not in ("", "ai.onnx") else "") + self.c.text(node, 4)
        if op not in MULTIPLY:
            return
        ints = {self.c.text(a, 1): (self.c.children(a, 3) or [0])[-1] for a in self.c.children(node, 5)}
        texts = {self.c.text(a, 1): self.c.text(a, 4) for a in self.c.children(node, 5)}
        shapes = [self.known.get(v.decode()) if v else None for v in self.c.children(node, 1)]
        outputs = [self.known.get(v.decode()) if v else None for v in self.c.children(node, 2)]
        count = of_node(op, shapes, outputs, ints, texts)
        self.macs += count
        if count:
            self.operators.add(re.sub(r".*\.", "", op))


def judge(needs, stats):
    """What the statistics lack, or an empty text. Limbs of wide types take several products each, so there may be more."""
    done = stats["total"]["macs"]
    if done < needs.macs:
        return "%d MACs on the array, the operators have %d\n" % (done, needs.macs)
    seen = {layer["op_type"] for layer in stats["layers"] if layer["macs"]}
    return "".join("no MACs of %s on the array\n" % op for op in sorted(needs.operators - seen))
