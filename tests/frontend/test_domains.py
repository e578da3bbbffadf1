"""Operators of ai.onnx.ml, functions of the model and forms from before opset 7: small models against numpy.

    test_domains.py --bin BUILD/bin [-k NAME]

Each case is run by the reference evaluator and by compiler and simulator; those that are refused must say why. Ends with "N passed, N failed".
"""

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import onnx_write as ow  # noqa: E402

ML = "ai.onnx.ml"
NUMPY = {np.dtype("float32"): ow.FLOAT, np.dtype("int64"): ow.INT64, np.dtype("float64"): ow.DOUBLE, np.dtype("bool"): ow.BOOL}
NAN = float("nan")
F = np.float32
X = np.array([[1, -2, 3], [0.5, 4, -1], [-3, 0.25, 2], [0, 0, 0]], F)


def case(nodes, inputs, outputs, opset=18, domains=None, functions=(), init=None):
    """nodes: [(op, inputs, outputs, domain, attributes)]; inputs and wanted outputs: {name: array}."""
    info = [[(k, ow.STRING if v.dtype.kind == "U" else NUMPY[v.dtype], list(v.shape)) for k, v in side.items()] for side in (inputs, outputs)]
    made = [ow.node(op, i, o, domain=d, **a) for op, i, o, d, a in nodes]
    return ow.model(made, *info, init or {}, opset=opset, domains=domains or {}, functions=functions), inputs, outputs


def ml(op, x, want, version=3, **attrs):
    return case([(op, ["x"], ["y"], ML, attrs)], {"x": x}, {"y": want}, domains={ML: version})


def old(op, a, b, want, opset=6, **attrs):
    return case([(op, ["a", "b"], ["y"], "", attrs)], {"a": a, "b": b}, {"y": want}, opset=opset)


def old_one(op, x, want, opset=1, **attrs):
    return case([(op, ["x"], ["y"], "", attrs)], {"x": x}, {"y": want}, opset=opset)


# ---- Functions


def function(name, inputs, outputs, nodes, attributes=(), defaults=(), opset=18, overload=""):
    """nodes: what ow.node gave; a pair (attribute, name of the function's) in `refs` of a node makes a reference."""
    fields = [(1, name), (10, "my.ops")] + [(4, i) for i in inputs] + [(5, o) for o in outputs] + [(6, a) for a in attributes]
    fields += [(11, ow.attribute(k, v)) for k, v in defaults] + [(7, n) for n in nodes] + [(9, [(1, ""), (2, opset)]), (9, [(1, "my.ops"), (2, 1)])]
    return fields + ([(13, overload)] if overload else [])


def reference(node, attribute, of, kind):
    return node + [(5, [(1, attribute), (21, of), (20, kind)])]


def leaky(x, alpha):
    return np.where(x < 0, F(alpha) * x, x).astype(F)


FLOAT_KIND = 1
LEAKY = function("Leaky", ["v"], ["r"], [reference(ow.node("LeakyRelu", ["v"], ["r"]), "alpha", "slope", FLOAT_KIND)], defaults=[("slope", 0.5)])
TWICE = function(
    "Twice",
    ["v", "w"],
    ["r", "s"],
    [
        reference(ow.node("Leaky", ["v"], ["t"], domain="my.ops"), "slope", "a", FLOAT_KIND),
        ow.node("Leaky", ["t"], ["r"], domain="my.ops"),
        ow.node("Clip", ["v", "", "w"], ["s"]),
    ],
    attributes=["a"],
)
OLD_SUM = function("Total", ["v"], ["r"], [ow.node("ReduceSum", ["v"], ["r"], axes=[1], keepdims=0)], opset=11)
PLAIN, WIDE = (function("Scale", ["v"], ["r"], [ow.node("Mul", ["v", "v"], ["r"])], overload=""), function("Scale", ["v"], ["r"], [ow.node("Add", ["v", "v"], ["r"])], overload="wide"))
MY = {"my.ops": 1}


def overloaded():
    model = case([("Scale", ["x"], ["y"], "my.ops", {})], {"x": X}, {"y": X * X, "z": X + X}, domains=MY, functions=[PLAIN, WIDE])
    nodes = [ow.node("Scale", ["x"], ["y"], domain="my.ops"), ow.node("Scale", ["x"], ["z"], domain="my.ops") + [(8, "wide")]]
    info = [("x", ow.FLOAT, list(X.shape))], [("y", ow.FLOAT, list(X.shape)), ("z", ow.FLOAT, list(X.shape))]
    return (ow.model(nodes, *info, {}, opset=18, domains=MY, functions=[PLAIN, WIDE]),) + model[1:]


# ---- Trees


def member_tree(x, want):
    """One tree: x <= 11 ? (x in {1.2, 3.7, 8, 9} ? leaf 0 : x in {12, 7} ? leaf 1 : leaf 3) : leaf 2."""
    attrs = dict(
        n_targets=4,
        aggregate_function=1,
        post_transform=0,
        membership_values=np.array([1.2, 3.7, 8, 9, NAN, 12, 7, NAN], F),
        nodes_featureids=[0, 0, 0],
        nodes_modes=np.array([0, 6, 6], np.uint8),
        nodes_splits=np.array([11, 232344, NAN], F),
        nodes_truenodeids=[1, 0, 1],
        nodes_trueleafs=[0, 1, 1],
        nodes_falsenodeids=[2, 2, 3],
        nodes_falseleafs=[1, 0, 1],
        leaf_targetids=[0, 1, 2, 3],
        leaf_weights=np.array([1, 10, 1000, 100], F),
        tree_roots=[0],
    )
    return ml("TreeEnsemble", x, want, 5, **attrs)


def walk(x, aggregate):
    """Two stumps of the regressor below: x[0] <= 0.25 ? 1 : 5 and x[1] > 0 ? 2 : -4."""
    a, b = np.where(x[:, 0] <= 0.25, 1, 5), np.where(x[:, 1] > 0, 2, -4)
    return {"SUM": a + b, "AVERAGE": (a + b) / 2, "MIN": np.minimum(a, b), "MAX": np.maximum(a, b)}[aggregate].astype(F)[:, None]


STUMPS = dict(
    nodes_treeids=[0, 0, 0, 1, 1, 1],
    nodes_nodeids=[0, 1, 2, 0, 1, 2],
    nodes_featureids=[0, 0, 0, 1, 0, 0],
    nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
    nodes_values=[0.25, 0.0, 0.0, 0.0, 0.0, 0.0],
    nodes_truenodeids=[1, 0, 0, 1, 0, 0],
    nodes_falsenodeids=[2, 0, 0, 2, 0, 0],
)


def regressor(aggregate):
    return ml(
        "TreeEnsembleRegressor",
        X,
        walk(X, aggregate),
        1,
        n_targets=1,
        aggregate_function=aggregate,
        target_treeids=[0, 0, 1, 1],
        target_nodeids=[1, 2, 1, 2],
        target_ids=[0, 0, 0, 0],
        target_weights=[1.0, 5.0, 2.0, -4.0],
        **STUMPS,
    )


def classifier():
    """Three classes; the stumps vote for 0 or 1, and for 2 or 1."""
    scores = np.zeros((len(X), 3), F)
    scores[np.arange(len(X)), np.where(X[:, 0] <= 0.25, 0, 1)] += np.where(X[:, 0] <= 0.25, F(0.5), F(0.75))
    scores[np.arange(len(X)), np.where(X[:, 1] > 0, 2, 1)] += np.where(X[:, 1] > 0, F(0.625), F(0.25))
    attrs = dict(class_treeids=[0, 0, 1, 1], class_nodeids=[1, 2, 1, 2], class_ids=[0, 1, 2, 1], class_weights=[0.5, 0.75, 0.625, 0.25], classlabels_int64s=[7, 8, 9])
    labels = np.array([7, 8, 9])[scores.argmax(1)]
    return case([("TreeEnsembleClassifier", ["x"], ["label", "scores"], ML, {**STUMPS, **attrs})], {"x": X}, {"label": labels, "scores": scores}, domains={ML: 1})


def linear_classifier():
    w, b = np.array([[1, 2, -1], [0.5, -1, 1], [-1, 0, 0.25]], F), np.array([0.125, 0, -0.5], F)
    scores = X @ w.T + b
    e = np.exp(scores - scores.max(1, keepdims=True))
    attrs = dict(coefficients=[float(v) for v in w.ravel()], intercepts=[float(v) for v in b], classlabels_ints=[3, 5, 4], post_transform="SOFTMAX", multi_class=1)
    want = {"label": np.array([3, 5, 4])[scores.argmax(1)], "scores": (e / e.sum(1, keepdims=True)).astype(F)}
    return case([("LinearClassifier", ["x"], ["label", "scores"], ML, attrs)], {"x": X}, want, domains={ML: 1})


# ---- Support vector machines

VECTORS = np.array([[1, -1, 2], [0.5, 3, -1], [-2, 0.5, 1], [0, 0.25, 1], [-1, 2, 0.5], [2, 1, -0.5]])
GAMMA, COEF0, DEGREE = 0.25, 0.5, 3


def kernel(kind, vectors):
    x, v = X.astype(np.float64), np.asarray(vectors, np.float64)
    if kind == "RBF":
        return np.exp(-GAMMA * ((x[:, None] - v) ** 2).sum(2))
    dot = x @ v.T
    return {"LINEAR": dot, "POLY": (GAMMA * dot + COEF0) ** DEGREE, "SIGMOID": np.tanh(GAMMA * dot + COEF0)}[kind]


def numbers(a):
    return [float(v) for v in np.ravel(a)]


def couple(r):
    """Probabilities of classes out of those of pairs, r[i, j] of i against j: a fixed point of the second method of Wu, Lin and Weng."""
    k = len(r)
    q = -r * r.T + np.diag((r ** 2).sum(0))
    p = np.full(k, 1 / k)
    for _ in range(100):
        if np.abs(q @ p - p @ q @ p).max() < 0.005 / k:
            break
        for t in range(k):
            p[t] += (p @ q @ p - q[t] @ p) / q[t, t]
            p /= p.sum()
    return p


def svm_classifier(kind="RBF", counts=(2, 1, 3), transform="NONE", proba=False, words=False, positive=False):
    """counts: support vectors of each class."""
    rng = np.random.default_rng(3)
    classes, total = len(counts), sum(counts)
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    coef, rho = rng.uniform(0 if positive else -1, 1, (classes - 1, total)).astype(F), rng.uniform(-0.5, 0.5, len(pairs)).astype(F)
    k, start = kernel(kind, VECTORS[:total]), np.concatenate([[0], np.cumsum(counts)])
    scores, votes = np.zeros((len(X), len(pairs))), np.zeros((len(X), classes))
    for p, (i, j) in enumerate(pairs):
        mine, other = slice(start[i], start[i + 1]), slice(start[j], start[j + 1])
        scores[:, p] = k[:, mine] @ coef[j - 1, mine] + k[:, other] @ coef[i, other] + rho[p]
        votes[:, i] += scores[:, p] > 0
        votes[:, j] += scores[:, p] <= 0
    attrs = dict(kernel_type=kind, kernel_params=[GAMMA, COEF0, float(DEGREE)], coefficients=numbers(coef), rho=numbers(rho),
                 support_vectors=numbers(VECTORS[:total]), vectors_per_class=list(counts), post_transform=transform)
    labels = votes.argmax(1)
    if proba:
        a, b = rng.uniform(-2, -0.5, len(pairs)).astype(F), rng.uniform(-0.5, 0.5, len(pairs)).astype(F)
        of_pairs = 1 / (1 + np.exp(a * scores + b))
        scores = np.zeros((len(X), classes))
        for n in range(len(X)):
            r = np.zeros((classes, classes))
            for p, (i, j) in enumerate(pairs):
                r[i, j], r[j, i] = of_pairs[n, p], 1 - of_pairs[n, p]
            scores[n] = couple(r)
        attrs.update(prob_a=numbers(a), prob_b=numbers(b))
    elif classes == 2:
        scores = np.concatenate([-scores, scores], 1)
        labels = np.ones_like(labels) if positive else labels
    if transform == "LOGISTIC":
        scores = 1 / (1 + np.exp(-scores))
    if transform == "SOFTMAX":
        scores = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    names = np.array(["ein", "zwei", "drei"] if words else [7, 5, 6])[:classes]
    attrs["classlabels_strings" if words else "classlabels_ints"] = names.tolist()
    return case([("SVMClassifier", ["x"], ["label", "scores"], ML, attrs)], {"x": X}, {"label": names[labels], "scores": scores.astype(F)}, domains={ML: 1})


def svm_linear():
    """Without support vectors: a linear function for each class."""
    w = np.array([[1, 2, -1], [0.5, -1, 1], [-1, 0, 0.25]], F)
    scores = X @ w.T + F(0.125)
    want = {"label": np.array([3, 5, 4])[scores.argmax(1)], "scores": scores}
    attrs = dict(coefficients=numbers(w), rho=[0.125, 0.0], classlabels_ints=[3, 5, 4])
    return case([("SVMClassifier", ["x"], ["label", "scores"], ML, attrs)], {"x": X}, want, domains={ML: 1})


def svm_regressor(kind, **attrs):
    coef = np.array([1, -2, 0.5, 0.25])
    y = (kernel(kind, VECTORS[:4]) @ coef - 0.375)[:, None]
    if "one_class" in attrs:
        y = np.where(y > 0, 1, -1)
    params = dict(kernel_type=kind, kernel_params=[GAMMA, COEF0, float(DEGREE)], coefficients=numbers(coef), rho=[-0.375], support_vectors=numbers(VECTORS[:4]))
    return ml("SVMRegressor", X, y.astype(F), 1, n_supports=4, **params, **attrs)


def svm_cases():
    line = (X @ np.array([1, -1, 0.5], F) + F(2))[:, None]
    return {
        **{"SVMRegressor " + k: svm_regressor(k) for k in ("LINEAR", "POLY", "RBF", "SIGMOID")},
        "SVMRegressor one class": svm_regressor("RBF", one_class=1),
        "SVMRegressor without vectors": ml("SVMRegressor", X, line, 1, coefficients=[1.0, -1.0, 0.5], rho=[2.0], kernel_type="RBF"),
        "SVMRegressor of integers": ml("SVMRegressor", I[:, None].copy(), (I[:, None] * 0.5 + 1).astype(F), 1, coefficients=[0.5], rho=[1.0]),
        **{"SVMClassifier " + k: svm_classifier(k) for k in ("LINEAR", "POLY", "RBF", "SIGMOID")},
        "SVMClassifier of two": svm_classifier(counts=(3, 2)),
        "SVMClassifier of two, words": svm_classifier(counts=(3, 2), words=True, transform="LOGISTIC"),
        "SVMClassifier of two, softmax": svm_classifier(counts=(3, 2), transform="SOFTMAX"),
        "SVMClassifier of two, no coefficient below 0": svm_classifier(counts=(3, 2), positive=True),
        "SVMClassifier words": svm_classifier(words=True, transform="LOGISTIC"),
        "SVMClassifier probabilities": svm_classifier(proba=True),
        "SVMClassifier probabilities of two": svm_classifier("LINEAR", counts=(3, 2), proba=True),
        "SVMClassifier linear": svm_linear(),
    }


# ---- FlexAttention


def modifier(op, *constants, t=ow.FLOAT):
    """A graph x -> op(x, constant)."""
    init = {f"k{i}": np.array(c) for i, c in enumerate(constants)}
    return ow.graph([ow.node(op, ["x", *init], ["m"])], [("x", t, None)], [("m", t, None)], init)


def flex(t=F, heads=(2, 2), wide=np.float64, scale=None, score=None, prob=None, **attrs):
    """wide: the type of scores and probabilities, in which the modifiers work."""
    rng = np.random.default_rng(5)
    q, k, v = (rng.uniform(-1, 1, s).astype(t) for s in ((2, heads[0], 3, 4), (2, heads[1], 5, 4), (2, heads[1], 5, 6)))
    kr, vr = (np.repeat(a.astype(np.float64), heads[0] // heads[1], 1) for a in (k, v))
    x = (q.astype(np.float64) @ kr.swapaxes(2, 3)) * (0.5 if scale is None else scale)
    x = score(x) if score else x
    e = np.exp(x - x.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    y = ((prob(p) if prob else p) @ vr).astype(t)
    if scale is not None:
        attrs["scale"] = scale
    types = {np.dtype("float16"): ow.FLOAT16, np.dtype("float32"): ow.FLOAT, np.dtype("float64"): ow.DOUBLE}
    feeds = {"q": q, "k": k, "v": v}
    info = [[(n, types[a.dtype], list(a.shape)) for n, a in side.items()] for side in (feeds, {"y": y})]
    node = ow.node("FlexAttention", list(feeds), ["y"], domain="ai.onnx.preview", **attrs)
    return ow.model([node], *info, {}, opset=24, domains={"ai.onnx.preview": 1}), feeds, {"y": y}


def flex_heads():
    feeds = {"q": np.zeros((1, 3, 2, 4), F), "k": np.zeros((1, 2, 2, 4), F), "v": np.zeros((1, 2, 2, 4), F)}
    return case([("FlexAttention", ["q", "k", "v"], ["y"], "ai.onnx.preview", {})], feeds, {"y": feeds["q"]}, opset=24, domains={"ai.onnx.preview": 1})


def flex_cases():
    half, tenth = F(0.5), F(0.1)
    return {
        "FlexAttention": flex(),
        "FlexAttention heads": flex(heads=(6, 2)),
        "FlexAttention scale": flex(scale=0.25),
        "FlexAttention scale 0": flex(scale=0.0),
        "FlexAttention scale below 0": flex(scale=-0.75),
        "FlexAttention score_mod": flex(score=np.tanh, score_mod=modifier("Tanh")),
        "FlexAttention prob_mod": flex(prob=lambda p: p - tenth, prob_mod=modifier("Sub", tenth)),
        "FlexAttention both": flex(heads=(4, 1), score=lambda x: x * 0.5, prob=lambda p: p * p, score_mod=modifier("Mul", half), prob_mod=modifier("Pow", F(2))),
        "FlexAttention double": flex(np.float64, score=np.tanh, score_mod=modifier("Tanh", t=ow.DOUBLE)),
        "FlexAttention double in float": flex(np.float64, score=np.tanh, score_mod=modifier("Tanh"), softmax_precision=ow.FLOAT),
        "FlexAttention float in double": flex(prob=np.sqrt, prob_mod=modifier("Sqrt", t=ow.DOUBLE), softmax_precision=ow.DOUBLE),
    }


# ---- The cases

A = np.arange(24, dtype=F).reshape(2, 3, 4)
B3 = np.array([1, 2, 4], F)
I = np.array([1, 5, 9, 2], np.int64)


def cases():
    return {**other_cases(), **flex_cases(), **svm_cases()}


def other_cases():
    rows = np.abs(X).sum(1, keepdims=True)
    return {
        "Binarizer": ml("Binarizer", X, (X > F(0.5)).astype(F), 1, threshold=0.5),
        "Normalizer L1": ml("Normalizer", X, np.divide(X, rows, out=X.copy(), where=rows != 0), 1, norm="L1"),
        "Scaler": ml("Scaler", X, (X - F(1)) * np.array([2, 3, 0.5], F), 1, offset=[1.0], scale=[2.0, 3.0, 0.5]),
        "Imputer": ml("Imputer", np.where(X == 3, F(NAN), X), np.where(X == 3, F(8), X), 1, imputed_value_floats=[6.0, 7.0, 8.0], replaced_value_float=NAN),
        "OneHotEncoder": ml("OneHotEncoder", I, (I[:, None] == np.array([2, 1, 5])).astype(F), 1, cats_int64s=[2, 1, 5]),
        "LabelEncoder": ml("LabelEncoder", I, np.array([0.5, -0.25, 3, 3], F), 2, keys_int64s=[1, 5], values_floats=[0.5, -0.25], default_float=3.0),
        "LabelEncoder tensors": ml("LabelEncoder", X[:, 0].copy(), I, 4, keys_tensor=X[:2, 0].copy(), values_tensor=I[:2].copy(), default_tensor=np.array([9], np.int64))[:2] + ({"y": np.array([1, 5, 9, 9])},),
        "CategoryMapper": ml("CategoryMapper", np.array([["b", "a"], ["d", ""]]), np.array([[5, 9], [-7, -7]]), 1, cats_strings=["a", "b"], cats_int64s=[9, 5], default_int64=-7),
        "CategoryMapper back": ml("CategoryMapper", I, np.array(["a", "b", "_Unused", "_Unused"]), 1, cats_strings=["a", "b"], cats_int64s=[1, 5]),
        "LabelEncoder-1": ml("LabelEncoder", np.array(["b", "c", "a"]), np.array([1, -1, 0]), 1, classes_strings=["a", "b"]),
        "LabelEncoder-1 back": ml("LabelEncoder", np.array([[1, 2, 0]]), np.array([["b", "?", "a"]]), 1, classes_strings=["a", "b"], default_string="?"),
        "FeatureVectorizer": case([("FeatureVectorizer", ["a", "b"], ["y"], ML, {"inputdimensions": [3, 1]})], {"a": X, "b": X[:, :1].copy()}, {"y": np.concatenate([X, X[:, :1]], 1)}, domains={ML: 1}),
        "ArrayFeatureExtractor": case([("ArrayFeatureExtractor", ["x", "i"], ["y"], ML, {})], {"x": X, "i": np.array([2, 0])}, {"y": X[:, [2, 0]]}, domains={ML: 1}),
        "LinearRegressor": ml("LinearRegressor", X, (X @ np.array([[1, 2], [0.5, -1], [3, 0]], F) + np.array([1, -1], F)).astype(F), 1, coefficients=[1.0, 0.5, 3.0, 2.0, -1.0, 0.0], intercepts=[1.0, -1.0], targets=2),
        "LinearClassifier": linear_classifier(),
        **{"TreeEnsembleRegressor " + a: regressor(a) for a in ("SUM", "AVERAGE", "MIN", "MAX")},
        "TreeEnsembleClassifier": classifier(),
        "TreeEnsemble member": member_tree(
            np.array([[1.2], [3.4], [-0.12], [NAN], [12], [7]], F),
            np.array([[1, 0, 0, 0], [0, 0, 0, 100], [0, 0, 0, 100], [0, 0, 1000, 0], [0, 0, 1000, 0], [0, 10, 0, 0]], F),
        ),
        "function default": case([("Leaky", ["x"], ["y"], "my.ops", {})], {"x": X}, {"y": leaky(X, 0.5)}, domains=MY, functions=[LEAKY]),
        "function attribute": case([("Leaky", ["x"], ["y"], "my.ops", {"slope": 0.25})], {"x": X}, {"y": leaky(X, 0.25)}, domains=MY, functions=[LEAKY]),
        "function nested": case([("Twice", ["x", "m"], ["y", "z"], "my.ops", {"a": 0.25})], {"x": X}, {"y": leaky(leaky(X, 0.25), 0.5), "z": np.minimum(X, F(1))}, domains=MY, functions=[LEAKY, TWICE], init={"m": np.array(1, F)}),
        "function absent operand": case([("Twice", ["x"], ["y", "z"], "my.ops", {"a": 0.25})], {"x": X}, {"y": leaky(leaky(X, 0.25), 0.5), "z": X}, domains=MY, functions=[LEAKY, TWICE]),
        "function opset": case([("Total", ["x"], ["y"], "my.ops", {})], {"x": X}, {"y": X.sum(1)}, domains=MY, functions=[OLD_SUM]),
        "function overloads": overloaded(),
        "Add-6 axis": old("Add", A, B3, A + B3[:, None], axis=1, broadcast=1),
        "Mul-1 suffix": old("Mul", A, A[0, 0].copy(), A * A[0, 0], opset=1, broadcast=1),
        "Less-6 axis": old("Less", A, A[:, 0, 0].copy(), A < A[:, :1, :1], axis=0, broadcast=1),
        "Pow-6 scalar": old("Pow", A, np.array([2], F), A * A, broadcast=1),
        "PRelu-6": old("PRelu", A - 12, B3, np.where(A < 12, (A - 12) * B3[:, None], A - 12)),
        "Reshape-1": old_one("Reshape", A, A.reshape(2, 2, 6), shape=[0, 2, -1]),
        "Cast-1": old_one("Cast", X, np.trunc(X).astype(np.int64), to="INT64"),
        "Pad-1": old_one("Pad", X, np.pad(X, ((1, 0), (0, 2)), constant_values=3), paddings=[1, 0, 0, 2], value=3.0),
        "Upsample-1": old_one("Upsample", A[None], A[None].repeat(2, 2).repeat(3, 3), height_scale=2.0, width_scale=3.0, mode="nearest"),
        "Concat-3": case([("Concat", ["a", "b"], ["y"], "", {})], {"a": X, "b": X}, {"y": np.concatenate([X, X], 1)}, opset=3),
        "Tile-1": case([("Tile", ["x", "tiles", "axis"], ["y"], "", {})], {"x": X}, {"y": np.tile(X, (1, 2))}, opset=5, init={"tiles": np.array(2, F), "axis": np.array(1, F)}),
        "Split-1": case([("Split", ["x"], ["y", "z"], "", {"axis": 1, "split": [1, 2]})], {"x": X}, {"y": X[:, :1].copy(), "z": X[:, 1:].copy()}, opset=1),
        "LpPool-1": old_one("LpPool", A[None], np.sqrt((A[None] ** 2)[..., 0::2] + (A[None] ** 2)[..., 1::2]), kernel_shape=[1, 2], strides=[1, 2], p=2.0),
        "BatchNormalization-6": case(
            [("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], "", {"is_test": 1})],
            {"x": A},
            {"y": ((A - 1) / np.sqrt(F(4) + F(1e-5)) * B3[:, None] + B3[:, None]).astype(F)},
            opset=6,
            init={"s": B3, "b": B3, "m": np.ones(3, F), "v": np.full(3, 4, F)},
        ),
    }


def doubling():
    """Functions that call the one before twice, 40 deep."""
    bodies = [function("F0", ["v"], ["r"], [ow.node("Neg", ["v"], ["r"])])]
    for k in range(1, 41):
        bodies.append(function(f"F{k}", ["v"], ["r"], [ow.node(f"F{k - 1}", ["v"], ["t"], domain="my.ops"), ow.node(f"F{k - 1}", ["t"], ["r"], domain="my.ops")]))
    return case([("F40", ["x"], ["y"], "my.ops", {})], {"x": X}, {"y": X}, domains=MY, functions=bodies)


def recursive():
    itself = function("Again", ["v"], ["r"], [ow.node("Again", ["v"], ["r"], domain="my.ops")])
    return case([("Again", ["x"], ["y"], "my.ops", {})], {"x": X}, {"y": X}, domains=MY, functions=[itself])


def refusals():
    """{name: (case, words of the diagnostic)}"""
    return {
        "refused: doubling": (doubling(), "[limit]"),
        "refused: recursive": (recursive(), "calls itself"),
        "refused: attribute": (case([("Leaky", ["x"], ["y"], "my.ops", {"steep": 1.0})], {"x": X}, {"y": X}, domains=MY, functions=[LEAKY]), "no attribute 'steep'"),
        "refused: domain": (case([("Foo", ["x"], ["y"], "other.ops", {})], {"x": X}, {"y": X}, domains={"other.ops": 1}), "'other.ops' are not known"),
        "refused: no broadcast": (old("Add", A, B3, A), "broadcast = 1"),
        "refused: member of none": (ml("Normalizer", X, X, 1, norm="L3"), "norm is 'L3'"),
        "refused: modifier of another type": (flex(score_mod=ow.graph([ow.node("Cast", ["x"], ["m"], to=ow.DOUBLE)], [("x", ow.FLOAT, None)], [("m", ow.DOUBLE, None)])), "its type must stay"),
        "refused: modifier of two": (flex(score_mod=ow.graph([ow.node("Add", ["x", "z"], ["m"])], [("x", ow.FLOAT, None), ("z", ow.FLOAT, None)], [("m", ow.FLOAT, None)])), "has 2 inputs"),
        "refused: heads that do not divide": (flex_heads(), "do not fit each other"),
        "refused: ZipMap": (ml("ZipMap", X, X, 1, classlabels_int64s=[0, 1, 2]), "let the model end before it"),
        "refused: DictVectorizer": (ml("DictVectorizer", X, X, 1, string_vocabulary=["a"]), "let the model begin behind it"),
        "refused: SVMClassifier without rho": (ml("SVMClassifier", X, I, 1, coefficients=[1.0, 1.0, 1.0]), "rho has 0 entries, 1 are needed"),
        "refused: SVMRegressor of another kernel": (ml("SVMRegressor", X, X, 1, coefficients=[1.0], rho=[0.0], n_supports=1, support_vectors=[1.0, 1.0, 1.0], kernel_type="COSINE"), "kernel_type is 'COSINE'"),
        "refused: two keys, one value": (ml("LabelEncoder", I, I, 2, keys_int64s=[1, 2], values_int64s=[1]), "2 keys for 1 values"),
    }


def run(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return (done.stdout or "exit status %d" % done.returncode) if done.returncode else ""


def try_case(binaries, folder, spec):
    """What is wrong, or an empty text."""
    model, inputs, outputs = spec
    file, binary = os.path.join(folder, "m.onnx"), os.path.join(folder, "m.blt")
    with open(file, "wb") as f:
        f.write(model)
    feeds = []
    for k, v in enumerate(inputs.values()):
        feeds += ["--inputs", os.path.join(folder, f"input_{k}.npy")]
        np.save(feeds[-1], v)
    for k, v in enumerate(outputs.values()):
        np.save(os.path.join(folder, f"output_{k}.npy"), v)
    expect = ["--expect", folder, "--rtol", "1e-5", "--atol", "1e-6"]
    tools = [os.path.join(binaries, t) for t in ("onnx-eval", "bitletc", "bitlet-isa-sim")]
    why = run(tools[0], file, *feeds, *expect)
    return why or run(tools[1], file, "-o", binary) or run(tools[2], binary, "--quiet", *feeds, *expect)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("-k", default="", help="only cases whose names contain this")
    args = parser.parse_args()
    passed = failed = 0
    for name, spec in cases().items():
        if args.k not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            why = try_case(args.bin, folder, spec)
        passed, failed = passed + (not why), failed + bool(why)
        if why:
            print(f"FAILED {name}: {why.strip()}")
    for name, (spec, words) in refusals().items():
        if args.k not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            why = try_case(args.bin, folder, spec)
        passed, failed = passed + (words in why), failed + (words not in why)
        if words not in why:
            print(f"FAILED {name}: no '{words}' in: {why.strip()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
