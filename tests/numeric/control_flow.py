"""If, Loop and Scan against numpy: nested, with early ends, values of the graphs around them, and stacked outputs.

    control_flow.py --bin BUILD/bin [-k NAME]

Each case by evaluator and by compiler and simulator. Ends with "N passed, N failed".
"""

import argparse
import sys

import numpy as np

import tool_case as tc

ow = tc.ow
F, I, B = np.float32, np.int64, np.bool_
FLOAT, INT, BOOL = ow.FLOAT, ow.INT64, ow.BOOL
RNG = np.random.default_rng(7)
X = RNG.uniform(-1, 1, (3, 4)).astype(F)
W = RNG.uniform(-1, 1, (4, 4)).astype(F)
V = RNG.uniform(-1, 1, 4).astype(F)
node = ow.node


def scalar(v, t=I):
    return np.array(v, t)


def loop_body(nodes, carried, outputs, init=None):
    """carried: [(name, type, shape)]; outputs: of the body, the condition first, as names."""
    head = [("i", INT, []), ("go_on", BOOL, [])]
    kinds = {name: (t, s) for name, t, s in carried}
    outs = [(outputs[0], BOOL, [])] + [(o, *kinds.get(o, (FLOAT, None))) for o in outputs[1:]]
    return ow.graph(nodes, head + carried, outs, init)


def case(nodes, inputs, outputs, init=None, opset=18):
    return tc.model(nodes, inputs, outputs, init, opset=opset), inputs, outputs


# ---- Loop


def loops():
    out = {}
    vec = [("v", FLOAT, [4])]
    product = [node("Identity", ["go_on"], ["c"]), node("MatMul", ["v", "w"], ["t"]), node("Tanh", ["t"], ["next"])]
    want, steps = V, []
    for _ in range(5):
        want = np.tanh(want @ W)
        steps.append(want)

    def power(n):
        v = V
        for _ in range(n):
            v = np.tanh(v @ W)
        return v.astype(F)

    out["Loop constant count"] = case([node("Loop", ["n", "", "v0"], ["y"], body=loop_body(product, vec, ["c", "next"]))], {"v0": V}, {"y": want.astype(F)}, {"n": scalar(5), "w": W})
    out["Loop stacked"] = case(
        [node("Loop", ["n", "", "v0"], ["y", "all"], body=loop_body(product, vec, ["c", "next", "t"]))],
        {"v0": V},
        {"y": want.astype(F), "all": np.arctanh(np.stack(steps)).astype(F)},
        {"n": scalar(5), "w": W},
    )
    out["Loop vector count"] = case([node("Loop", ["n", "", "v0"], ["y"], body=loop_body(product, vec, ["c", "next"]))], {"v0": V}, {"y": power(3)}, {"n": np.array([3], I), "w": W})
    for n in (0, 1, 4):
        out[f"Loop count of run time {n}"] = case([node("Loop", ["n", "", "v0"], ["y"], body=loop_body(product, vec, ["c", "next"]))], {"n": scalar(n), "v0": V}, {"y": power(n)}, {"w": W})
    for start, end in ((1.5, 48.0), (200.0, 200.0)):
        body = loop_body([node("Add", ["v", "v"], ["next"]), node("Less", ["next", "limit"], ["c"])], [("v", FLOAT, [])], ["c", "next"])
        first = node("Less", ["v0", "limit"], ["c0"])
        out[f"Loop until a condition from {start}"] = case([first, node("Loop", ["", "c0", "v0"], ["y"], body=body)], {"v0": scalar(start, F)}, {"y": scalar(end, F)}, {"limit": scalar(40, F)})
    for n, want_n in ((2, 6.0), (9, 48.0)):
        body = loop_body([node("Add", ["v", "v"], ["next"]), node("Less", ["next", "limit"], ["c"])], [("v", FLOAT, [])], ["c", "next"])
        out[f"Loop count {n} and condition"] = case([node("Loop", ["n", "yes", "v0"], ["y"], body=body)], {"n": scalar(n), "v0": scalar(1.5, F)}, {"y": scalar(want_n, F)}, {"limit": scalar(40, F), "yes": scalar(True, B)})
    # Ends when compiled by a condition on the iteration's number alone.
    early = [node("Less", ["i", "three"], ["c"]), node("Add", ["v", "one"], ["next"])]
    out["Loop early end, stacked"] = case(
        [node("Loop", ["n", "", "v0"], ["y", "all"], body=loop_body(early, vec, ["c", "next", "v"]))],
        {"v0": V},
        {"y": V + F(4), "all": np.stack([V + F(k) for k in range(4)])},
        {"n": scalar(10), "one": scalar(1, F), "three": scalar(3)},
    )
    out.update(stacks(product, vec))
    # Carried values that change places, one passed through, one not used.
    two = [("a", FLOAT, [4]), ("b", FLOAT, [4])]
    swap = [node("Identity", ["go_on"], ["c"]), node("Identity", ["b"], ["na"]), node("Identity", ["a"], ["nb"])]
    for n in (1, 2, 5):
        a, b = (V, W[0]) if n % 2 == 0 else (W[0], V)
        out[f"Loop exchange {n}"] = case([node("Loop", ["n", "", "v0", "u0"], ["y", "z"], body=loop_body(swap, two, ["c", "na", "nb"]))], {"n": scalar(n), "v0": V, "u0": W[0].copy()}, {"y": a, "z": b.copy()})
    turn = [("a", FLOAT, [4]), ("b", FLOAT, [4]), ("d", FLOAT, [4])]
    out["Loop rotation"] = case([node("Loop", ["n", "", "p", "q", "r"], ["x", "y", "z"], body=loop_body([node("Identity", ["go_on"], ["c"])], turn, ["c", "b", "d", "a"]))], {"n": scalar(4), "p": V, "q": W[0].copy(), "r": W[1].copy()}, {"x": W[0].copy(), "y": W[1].copy(), "z": V})
    fib = [node("Identity", ["go_on"], ["c"]), node("Add", ["a", "b"], ["nb"])]
    out["Loop sequence of sums"] = case([node("Loop", ["n", "", "v0", "u0"], ["y", "z"], body=loop_body(fib, [("a", FLOAT, [1]), ("b", FLOAT, [1])], ["c", "b", "nb"]))], {"n": scalar(10), "v0": np.array([0], F), "u0": np.array([1], F)}, {"y": np.array([55], F), "z": np.array([89], F)})
    out["Loop outer value as the next"] = case([node("Abs", ["x"], ["o"]), node("Loop", ["n", "", "v0"], ["y"], body=loop_body([node("Identity", ["go_on"], ["c"])], vec, ["c", "o"]))], {"x": W[0].copy(), "v0": V, "n": scalar(2)}, {"y": np.abs(W[0])})
    out["Loop number of the iteration"] = case(
        [node("Loop", ["n", "", "v0"], ["y", "all"], body=loop_body([node("Identity", ["go_on"], ["c"]), node("Cast", ["i"], ["f"], to=FLOAT), node("Mul", ["f", "x"], ["t"]), node("Add", ["v", "t"], ["next"])], vec, ["c", "next", "t"]))],
        {"v0": V, "x": W[1].copy()},
        {"y": V + 6 * W[1], "all": np.stack([k * W[1] for k in range(4)])},
        {"n": scalar(4)},
    )
    out["Loop growing"] = case([node("Loop", ["n", "", "v0"], ["y"], body=loop_body([node("Identity", ["go_on"], ["c"]), node("Concat", ["v", "x"], ["next"], axis=0)], [("v", FLOAT, None)], ["c", "next"]))], {"v0": V, "x": W[1].copy()}, {"y": np.concatenate([V, W[1], W[1], W[1]])}, {"n": scalar(3)})
    inner = ow.graph([node("Identity", ["go2"], ["c2"]), node("Cast", ["i"], ["fi"], to=FLOAT), node("Cast", ["k"], ["fk"], to=FLOAT), node("Mul", ["fi", "fk"], ["t"]), node("MatMul", ["u", "w"], ["uw"]), node("Add", ["uw", "t"], ["un"])], [("k", INT, []), ("go2", BOOL, []), ("u", FLOAT, [4])], [("c2", BOOL, []), ("un", FLOAT, [4])])
    v = V.astype(np.float64)
    for i in range(3):
        for k in range(2):
            v = v @ W + i * k
    nested = loop_body([node("Identity", ["go_on"], ["c"]), node("Loop", ["two", "", "v"], ["next"], body=inner)], vec, ["c", "next"])
    for kind, inputs, init in (("constant", {"v0": V}, {"n": scalar(3), "two": scalar(2), "w": W}), ("run time", {"v0": V, "n": scalar(3), "two": scalar(2)}, {"w": W})):
        out[f"Loop nested, counts of {kind}"] = case([node("Loop", ["n", "", "v0"], ["y"], body=nested)], inputs, {"y": v.astype(F)}, init)
    odd = [
        node("Identity", ["go_on"], ["c"]),
        node("Mod", ["i", "two"], ["m"]),
        node("Cast", ["m"], ["is_odd"], to=BOOL),
        node("If", ["is_odd"], ["next"], then_branch=ow.graph([node("MatMul", ["v", "w"], ["t1"])], [], [("t1", FLOAT, [4])]), else_branch=ow.graph([node("Neg", ["v"], ["e1"])], [], [("e1", FLOAT, [4])])),
    ]
    v = V
    for i in range(4):
        v = v @ W if i % 2 else -v
    out["If in a Loop"] = case([node("Loop", ["n", "", "v0"], ["y"], body=loop_body(odd, vec, ["c", "next"]))], {"v0": V, "n": scalar(4)}, {"y": v.astype(F)}, {"two": scalar(2), "w": W})
    return out


def open_case(nodes, inputs, outputs, shapes, init=None):
    """shapes: of the outputs as the model declares them."""
    outs = [(k, tc.NUMPY[str(v.dtype)], s) for (k, v), s in zip(outputs.items(), shapes)]
    return ow.model(nodes, tc.info(inputs), outs, init or {}, opset=18), inputs, outputs


def stacks(product, vec):
    """Stacked outputs whose number is known only at run time: declared, bounded by the count, or by what the model declares."""
    out = {}

    def states(n):
        v = [V]
        for _ in range(n):
            v.append(np.tanh(v[-1] @ W).astype(F))
        return v

    for n in (0, 1, 4):
        v = states(n)
        want = {"y": v[-1], "all": np.array(v[1:], F).reshape(n, 4)}
        body = loop_body(product, vec, ["c", "next", "next"])
        out[f"Loop stacked, count of run time {n}"] = case([node("Loop", ["n", "", "v0"], ["y", "all"], body=body)], {"n": scalar(n), "v0": V}, want, {"w": W})
    below = loop_body([node("Add", ["v", "v"], ["next"]), node("ReduceMax", ["next"], ["top"], keepdims=0), node("Less", ["top", "limit"], ["c"])], vec, ["c", "next", "v"])
    for limit, n in ((0.0, 1), (5.0, 3), (33.0, 6)):
        v = [np.full(4, 1.0 * 2**k, F) for k in range(n + 1)]
        want = {"y": v[-1], "all": np.stack(v[:-1])}
        feeds = {"limit": scalar(limit, F), "v0": v[0]}
        made = node("Loop", ["n", "", "v0"], ["y", "all"], body=below)
        out[f"Loop stacked, ends below {limit}, declared"] = case([made], feeds, want, {"n": scalar(6)})
        out[f"Loop stacked, ends below {limit}, count of run time"] = case([made], {"n": scalar(6), **feeds}, want)
        out[f"Loop stacked, ends below {limit}, no count"] = case([node("Loop", ["", "", "v0"], ["y", "all"], body=below)], feeds, want)
        out[f"Loop stacked, ends below {limit}, bounded"] = open_case([made], feeds, want, ([4], ["k", 4]), {"n": scalar(6)})
    pick = [node("Identity", ["go_on"], ["c"]), node("Unsqueeze", ["i", "axis"], ["from"]), node("Add", ["from", "one"], ["to"]), node("Slice", ["x", "from", "to"], ["part"]), node("Add", ["v", "part"], ["next"])]
    body = ow.graph(pick, [("i", INT, []), ("go_on", BOOL, []), ("v", FLOAT, [1])], [("c", BOOL, []), ("next", FLOAT, [1]), ("part", FLOAT, [1])])
    picked = {"y": V[:3].sum(keepdims=True) + V[0], "all": V[:3, None].copy()}
    init = {"x": V, "axis": np.array([0], I), "one": np.array([1], I)}
    out["Loop slices by its number"] = case([node("Loop", ["n", "", "v0"], ["y", "all"], body=body)], {"n": scalar(3), "v0": V[:1].copy()}, picked, init)
    never = node("Loop", ["n", "go", "v0"], ["y", "all"], body=loop_body([node("Identity", ["go_on"], ["c"])], vec, ["c", "v", "v"]))
    for go, n in ((True, 3), (False, 0)):
        want = {"y": V, "all": np.stack([V] * 3)[:n].copy()}
        out[f"Loop stacked, first condition {go}"] = open_case([never], {"go": scalar(go, B), "v0": V}, want, ([4], ["k", 4]), {"n": scalar(3)})
    return out


# ---- If


def branch(nodes, *outputs, init=None):
    return ow.graph(nodes, [], [(o, FLOAT, None) for o in outputs], init)


def ifs():
    out = {}
    for c in (True, False):
        feeds = {"c": scalar(c, B), "x": X}
        then, other = branch([node("MatMul", ["x", "w"], ["t"])], "t"), branch([node("Mul", ["x", "half"], ["e"])], "e", init={"half": scalar(0.5, F)})
        out[f"If {c}"] = case([node("If", ["c"], ["y"], then_branch=then, else_branch=other)], feeds, {"y": X @ W if c else X * F(0.5)}, {"w": W})
        out[f"If vector condition {c}"] = case([node("If", ["c"], ["y"], then_branch=then, else_branch=other)], {"c": np.array([c]), "x": X}, {"y": X @ W if c else X * F(0.5)}, {"w": W})
        out[f"If constant condition {c}"] = case([node("If", ["k"], ["y"], then_branch=then, else_branch=other)], {"x": X}, {"y": X @ W if c else X * F(0.5)}, {"w": W, "k": scalar(c, B)})
        out[f"If outer values {c}"] = case([node("Abs", ["x"], ["a"]), node("If", ["c"], ["y"], then_branch=branch([], "x"), else_branch=branch([], "a"))], feeds, {"y": X if c else np.abs(X)})
        out[f"If constants {c}"] = case([node("If", ["c"], ["y"], then_branch=branch([node("Constant", [], ["t"], value=V)], "t"), else_branch=branch([], "e", init={"e": W[0].copy()}))], {"c": feeds["c"]}, {"y": V if c else W[0].copy()})
        pair = node("If", ["c"], ["y", "z"], then_branch=branch([node("Exp", ["x"], ["t"]), node("Neg", ["x"], ["u"])], "t", "u"), else_branch=branch([node("Neg", ["x"], ["e"])], "e", "x"))
        out[f"If two outputs {c}"] = case([pair], feeds, {"y": np.exp(X) if c else -X, "z": -X if c else X})
        for d in (True, False):
            inside = branch([node("If", ["d"], ["t"], then_branch=branch([node("MatMul", ["x", "w"], ["t1"])], "t1"), else_branch=branch([node("Add", ["a", "x"], ["t2"])], "t2"))], "t")
            want = np.abs(X @ W if d else 2 * X) if c else X
            out[f"If nested {c} {d}"] = case(
                [node("Identity", ["x"], ["a"]), node("If", ["c"], ["r"], then_branch=inside, else_branch=branch([], "a")), node("If", ["c"], ["y"], then_branch=branch([node("Abs", ["r"], ["s"])], "s"), else_branch=branch([node("Identity", ["r"], ["q"])], "q"))],
                {**feeds, "d": scalar(d, B)},
                {"y": want.astype(F)},
                {"w": W},
            )
    return out


# ---- Scan


def scans():
    out = {}
    body = ow.graph([node("MatMul", ["s", "w"], ["m"]), node("Add", ["m", "e"], ["sn"]), node("Tanh", ["sn"], ["o"])], [("s", FLOAT, [4]), ("e", FLOAT, [4])], [("sn", FLOAT, [4]), ("o", FLOAT, [4])])

    def run(rows):
        s, outs = V, []
        for e in rows:
            s = s @ W + e
            outs.append(np.tanh(s))
        return s.astype(F), np.stack(outs).astype(F)

    s, o = run(X)
    out["Scan"] = case([node("Scan", ["s0", "x"], ["s", "o"], body=body, num_scan_inputs=1)], {"s0": V, "x": X}, {"s": s, "o": o}, {"w": W})
    s, o = run(X[::-1])
    out["Scan backwards"] = case([node("Scan", ["s0", "x"], ["s", "o"], body=body, num_scan_inputs=1, scan_input_directions=[1])], {"s0": V, "x": X}, {"s": s, "o": o}, {"w": W})
    out["Scan backwards, outputs in order"] = case([node("Scan", ["s0", "x"], ["s", "o"], body=body, num_scan_inputs=1, scan_input_directions=[1], scan_output_directions=[1])], {"s0": V, "x": X}, {"s": s, "o": o[::-1].copy()}, {"w": W})
    s, o = run(X)
    for axis in (1, -1):
        out[f"Scan axis {axis}"] = case([node("Scan", ["s0", "x"], ["s", "o"], body=body, num_scan_inputs=1, scan_input_axes=[axis], scan_output_axes=[axis])], {"s0": V, "x": X.T.copy()}, {"s": s, "o": o.T.copy()}, {"w": W})
    # Two states, two scanned inputs along different axes and directions, three outputs.
    parts = ow.graph(
        [node("Add", ["a", "p"], ["an"]), node("Mul", ["b", "q"], ["bq"]), node("Add", ["bq", "k"], ["bn"]), node("Sub", ["p", "q"], ["d"]), node("MatMul", ["d", "w"], ["dw"])],
        [("a", FLOAT, [4]), ("b", FLOAT, [4]), ("p", FLOAT, [4]), ("q", FLOAT, [4])],
        [("an", FLOAT, [4]), ("bn", FLOAT, [4]), ("bn2", FLOAT, [4]), ("dw", FLOAT, [4]), ("p", FLOAT, [4])],
    )
    parts.insert(0, (1, node("Identity", ["bn"], ["bn2"])))
    order = [f for f in parts if f[0] == 1]
    parts[: len(order)] = order[1:] + order[:1]
    a, b, rows = V.copy(), W[0].copy(), []
    y = RNG.uniform(-1, 1, (4, 3)).astype(F)
    for t in range(3):
        p, q = X[t], y[:, 2 - t]
        a, b = a + p, b * q + W[1]
        rows.append((b, (p - q) @ W, p))
    stacks = [np.stack(r).astype(F) for r in zip(*rows)]
    out["Scan of several"] = case(
        [node("Neg", ["k0"], ["k1"]), node("Neg", ["k1"], ["k"]), node("Scan", ["a0", "b0", "x", "z"], ["a", "b", "o1", "o2", "o3"], body=parts, num_scan_inputs=2, scan_input_axes=[0, 1], scan_input_directions=[0, 1], scan_output_axes=[1, 0, -1], scan_output_directions=[0, 1, 0])],
        {"a0": V, "b0": W[0].copy(), "x": X, "z": y, "k0": W[1].copy()},
        {"a": a.astype(F), "b": b.astype(F), "o1": stacks[0].T.copy(), "o2": stacks[1][::-1].copy(), "o3": stacks[2].T.copy()},
        {"w": W},
    )
    only = ow.graph([node("MatMul", ["e", "w"], ["o"])], [("e", FLOAT, [4])], [("o", FLOAT, [4])])
    out["Scan without state"] = case([node("Scan", ["x"], ["o"], body=only, num_scan_inputs=1)], {"x": X}, {"o": X @ W}, {"w": W})
    total = ow.graph([node("Add", ["s", "e"], ["sn"])], [("s", FLOAT, [4]), ("e", FLOAT, [4])], [("sn", FLOAT, [4])])
    out["Scan without output"] = case([node("Scan", ["s0", "x"], ["s"], body=total, num_scan_inputs=1)], {"s0": V, "x": X}, {"s": V + X.sum(0)})
    nested = ow.graph([node("Scan", ["s", "m"], ["sn", "o"], body=body, num_scan_inputs=1)], [("s", FLOAT, [4]), ("m", FLOAT, [2, 4])], [("sn", FLOAT, [4]), ("o", FLOAT, [2, 4])])
    cube = RNG.uniform(-1, 1, (3, 2, 4)).astype(F)
    s, o = run(cube.reshape(6, 4))
    out["Scan nested"] = case([node("Scan", ["s0", "x"], ["s", "o"], body=nested, num_scan_inputs=1)], {"s0": V, "x": cube}, {"s": s, "o": o.reshape(3, 2, 4)}, {"w": W})
    out.update(old_scans(body, run))
    return out


def old_scans(body, run):
    """Opset 8: a batch in front, lengths of the sequences; beyond them the outputs are zero."""
    out = {}
    cube, s0 = RNG.uniform(-1, 1, (2, 3, 4)).astype(F), np.stack([V, V])
    for lens in (None, (3, 3), (1, 3), (2, 1)):
        for direction in (0, 1):
            ss, os_ = [], []
            for k in range(2):
                n = lens[k] if lens else 3
                rows = cube[k, :n]
                s, o = run(rows[::-1] if direction else rows)
                ss.append(s)
                os_.append(np.concatenate([o, np.zeros((3 - n, 4), F)]))
            feeds = {"s0": s0, "x": cube}
            if lens:
                feeds["lens"] = np.array(lens, I)
            made = node("Scan", ["lens" if lens else "", "s0", "x"], ["s", "o"], body=body, num_scan_inputs=1, directions=[direction])
            out[f"Scan-8 lengths {lens} direction {direction}"] = case([made], feeds, {"s": np.stack(ss), "o": np.stack(os_)}, {"w": W}, opset=8)
    return out


def refusals():
    """{name: (case, words of the diagnostic)}"""
    body = loop_body([node("Identity", ["go_on"], ["c"])], [("v", FLOAT, [4])], ["c", "v", "v"])
    made = node("Loop", ["n", "", "v0"], ["y", "all"], body=body)
    feeds = {"n": scalar(3), "v0": V}
    return {
        "refused: fewer iterations than declared": (case([made], feeds, {"y": V, "all": np.stack([V] * 4)}), "contradicts"),
        "refused: nothing bounds the stack": (open_case([made], feeds, {"y": V, "all": np.stack([V] * 3)}, ([4], ["k", 4])), "nothing bounds their number"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("-k", default="", help="only cases whose names contain this")
    args = parser.parse_args()
    count = tc.Count()
    for name, spec in {**loops(), **ifs(), **scans()}.items():
        if args.k in name:
            count.note(name, tc.try_model(args.bin, *spec, 2e-4, 2e-5))
    for name, (spec, words) in refusals().items():
        if args.k in name:
            why = tc.try_model(args.bin, *spec, 2e-4, 2e-5)
            count.note(name, "" if words in why else f"no '{words}' in: {why}")
    return count.end()


if __name__ == "__main__":
    sys.exit(main())
