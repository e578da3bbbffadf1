#!/usr/bin/env python3
"""The rules of a BCE group, stated once more, slowly, in exact integers; and the golden vectors made from them.

    bce_model.py rtl  > golden_rtl.tsv     the format of bitlet-isa-sim --replay-vectors: the RTL's quirks, with traces
    bce_model.py ieee > golden_ieee.tsv    what the simulator computes by default: IEEE operands, three modes
"""
import random
import sys
from fractions import Fraction

LANES = 24


def walk(column, n_calc):
    """Selections of one lane: a list of indices, None for a cycle without one."""
    out, p = [], 0
    while p <= n_calc:
        hits = [i for i in range(p, min(p + 8, len(column))) if column[i]]
        out.append(hits[0] if hits else None)
        p = hits[1] if len(hits) > 1 else p + 8
    return out


def distill(mags, acts, n_calc, lanes):
    """(sum, D, selections, traces) of aligned magnitudes against signed activations."""
    total, d, selections, traces = 0, 0, 0, {}
    for b in lanes:
        trace = walk([m >> b & 1 for m in mags], n_calc)
        traces[b] = trace
        d = max(d, len(trace))
        selections += sum(t is not None for t in trace)
        total += sum(acts[t] << b for t in trace if t is not None)
    return total, d, selections, traces


# ---- The RTL -----------------------------------------------------------------------------------------

def wrap25(v):
    v &= (1 << 25) - 1
    return v - (1 << 25) if v >> 24 else v


def pack_fixed_rtl(acc, quant):
    bits = acc & ((1 << 64) - 1)
    sign = bits >> 63
    out_of_range = any((bits >> i & 1) != sign for i in range(24 + quant, 48)) or bin(bits >> 48).count("1") % 2
    if out_of_range:
        return 0x80000000 if sign else 0x00ffffff
    return sign << 31 | (bits >> quant) & 0xffffff


def pack_float_rtl(acc, emax):
    if acc == 0:
        return 0
    mag, sign = abs(acc), (1 << 31 if acc < 0 else 0)
    msb = mag.bit_length() - 1
    e = emax - 127 - 46 + msb
    significand = mag >> (msb - 23) if msb >= 23 else mag << (23 - msb)
    if e > 254:
        return sign | 255 << 23
    if e >= 1:
        return sign | e << 23 | significand & 0x7fffff
    return sign | (significand & 0x7fffff if e == 0 else significand >> (1 - e))


def rtl_group(mode, ws, acts, n_calc, prune):
    if mode == "fix":
        mags = [w & 0xffffff for w in ws]
        signed = [wrap25(-wrap25(a | (a >> 31) << 24) if w >> 31 else a & 0xffffff | (a >> 31) << 24)
                  for w, a in zip(ws, acts)]
        emax = 0
    else:
        esum, signed, mags = [], [], []
        for w, a in zip(ws, acts):
            ew, ea, fa = w >> 23 & 255, a >> 23 & 255, a & 0x7fffff
            sig = 0 if ea == 0 and fa == 0 else fa | 1 << 23
            ea = 1 if ea == 0 and fa else ea
            esum.append(ew + ea)
            mags.append(w & 0x7fffff | (1 << 23 if ew else 0))
            signed.append(-sig if (w ^ a) >> 31 else sig)
        emax = max(esum)
        mags = [m >> (emax - e) for m, e in zip(mags, esum)]
    lanes = [b for b in range(LANES) if prune >> b & 1]
    total, d, _, traces = distill(mags, signed, n_calc, lanes)
    return total, d, emax, traces


def trace_text(traces):
    return ";".join(",".join("z" if t is None else str(t) for t in traces.get(b, [])) for b in range(LANES))


def rtl_rows(rng):
    print("id class dist mode n n_in n_calc prune quant w a res lat d acc emax trace".replace(" ", "\t"))
    for row in range(80):
        mode = "flt" if row % 2 else "fix"
        n, n_in = rng.choice([(8, 4), (16, 8), (16, 4), (32, 16), (64, 16)])
        n_calc = n - 1 if rng.random() < 0.6 else rng.randrange(n)
        prune = 0xffffff if rng.random() < 0.5 else rng.randrange(1, 1 << 24)
        dist, ws, acts = rtl_operands(rng, mode, n)
        quant = rng.choice([0, 0, 7, 24, rng.randrange(25)]) if mode == "fix" else 0
        acc, d, emax, traces = rtl_group(mode, ws, acts, n_calc, prune)
        res = pack_fixed_rtl(acc, quant) if mode == "fix" else pack_float_rtl(acc, emax)
        lat = n // n_in + n_in.bit_length() - 1 + (13 if mode == "fix" else 16) + d
        print("\t".join([
            str(row), "fixed" if mode == "fix" else "float", dist, mode, str(n), str(n_in), str(n_calc), "%06x" % prune,
            str(quant), "".join("%08x" % w for w in ws), "".join("%08x" % a for a in acts), "%08x" % res, str(lat),
            str(d), "%016x" % (acc & (1 << 64) - 1), str(emax), trace_text(traces)]))


def float_bits(rng, exp_lo, exp_hi):
    return rng.getrandbits(1) << 31 | rng.randint(exp_lo, exp_hi) << 23 | rng.getrandbits(23)


def rtl_operands(rng, mode, n):
    def act(v):
        return (1 << 31 if v < 0 else 0) | v & 0xffffff
    if mode == "fix":
        dist = rng.choice(["int8", "wide", "edges", "sparse"])
        if dist == "int8":
            return (dist, [rng.getrandbits(1) << 31 | rng.getrandbits(7) for _ in range(n)],
                    [act(rng.randint(-128, 127)) for _ in range(n)])
        if dist == "wide":
            return (dist, [rng.getrandbits(1) << 31 | rng.getrandbits(24) for _ in range(n)],
                    [act(rng.randint(-1 << 24, (1 << 24) - 1)) for _ in range(n)])
        if dist == "edges":
            return (dist, [rng.choice([0x80000001, 0x80ffffff, 0xffffff, 0, 0x80000000]) for _ in range(n)],
                    [act(rng.choice([-1 << 24, (1 << 24) - 1, 0, -1])) for _ in range(n)])
        return (dist, [rng.getrandbits(1) << 31 | (1 << rng.randrange(24) if rng.random() < 0.15 else 0)
                       for _ in range(n)], [act(rng.randint(-1 << 15, 1 << 15)) for _ in range(n)])
    dist = rng.choice(["normal", "wide", "tiny", "huge", "zeros", "subnormal"])
    lo, hi = {"normal": (118, 132), "wide": (60, 190), "tiny": (40, 70), "huge": (180, 255), "zeros": (118, 132),
              "subnormal": (0, 130)}[dist]
    ws, acts = ([float_bits(rng, lo, hi) for _ in range(n)] for _ in range(2))
    if dist == "zeros":
        ws = [0 if rng.random() < 0.3 else w for w in ws]
        acts = [rng.choice([0, 1 << 31]) if rng.random() < 0.4 else a for a in acts]
    if dist == "subnormal":
        ws = [w & 0x807fffff if rng.random() < 0.3 else w for w in ws]
        acts = [a & 0x807fffff if rng.random() < 0.5 else a for a in acts]
    return dist, ws, acts


# ---- The simulator's own semantics -------------------------------------------------------------------

FORMATS = {"fp32": (23, 8, 127), "fp16": (10, 5, 15)}


def unpack(mode, bits):
    """(sign, exponent, magnitude, kind); value = magnitude * 2^(exponent - bias - fraction bits)."""
    frac, ebits, _ = FORMATS[mode]
    sign, e, f = bits >> (frac + ebits) & 1, bits >> frac & (1 << ebits) - 1, bits & (1 << frac) - 1
    if e == (1 << ebits) - 1:
        return sign, e, f | 1 << frac, "nan" if f else "inf"
    return sign, max(e, 1), f | (1 << frac if e else 0), "finite"


def truncate_fp32(value):
    """fp32 bits of an exact value, rounded towards zero; too large becomes infinity."""
    if value == 0:
        return 0
    sign, v = (1 << 31 if value < 0 else 0), abs(value)
    e = -126
    while v >= Fraction(2) ** (e + 1):
        e += 1
    significand = int(v / Fraction(2) ** (e - 23))
    if e > 127:
        return sign | 255 << 23
    if significand < 1 << 23:
        return sign | significand
    return sign | (e + 127) << 23 | significand - (1 << 23)


def ieee_group(mode, ws, acts, valid, lanes):
    n = len(ws)
    n_calc = max((i for i in range(n) if valid[i]), default=-1)
    if mode == "fixed":
        mags = [w & 0xffffff if v else 0 for w, v in zip(ws, valid)]
        total, d, selections, _ = distill(mags, [-a if w >> 31 else a for w, a in zip(ws, acts)], n_calc, range(lanes))
        assert total == sum((-(w & 0xffffff) if w >> 31 else w & 0xffffff) * a for w, a, v in zip(ws, acts, valid) if v)
        return total, d, selections
    frac, _, bias = FORMATS[mode]
    w, a = [unpack(mode, x) for x in ws], [unpack(mode, x) for x in acts]
    counts = [valid[i] and w[i][2] != 0 and a[i][2] != 0 for i in range(n)]
    emax = max((w[i][1] + a[i][1] for i in range(n) if counts[i]), default=0)
    mags = [w[i][2] >> (emax - w[i][1] - a[i][1]) if counts[i] else 0 for i in range(n)]
    signed = [-a[i][2] if w[i][0] != a[i][0] else a[i][2] for i in range(n)]
    total, d, selections, _ = distill(mags, signed, n_calc, range(lanes))
    infinities = set()
    for i in range(n):
        kinds = {w[i][3], a[i][3]}
        if not valid[i] or kinds == {"finite"}:
            continue
        if "nan" in kinds or w[i][2] == 0 or a[i][2] == 0:
            return 0x7fc00000, d, selections
        infinities.add(w[i][0] ^ a[i][0])
    if infinities:
        bits = 0x7fc00000 if len(infinities) == 2 else 0xff800000 if infinities == {1} else 0x7f800000
        return bits, d, selections
    return truncate_fp32(total * Fraction(2) ** (emax - 2 * bias - 2 * frac)), d, selections


def ieee_operand(rng, mode, kind):
    frac, ebits, bias = FORMATS[mode]
    top = (1 << ebits) - 1
    e = {"near": lambda: rng.randint(bias - 4, bias + 3), "any": lambda: rng.randint(0, top - 1),
         "low": lambda: rng.randint(0, bias // 2), "special": lambda: rng.choice([top, bias, bias, bias, 0]),
         "subnormal": lambda: rng.choice([0, 0, 1, bias])}[kind]()
    f = rng.getrandbits(frac)
    if kind == "special" and rng.random() < 0.7 or rng.random() < 0.1:
        f = 0
    if rng.random() < 0.1:
        e = f = 0
    return rng.getrandbits(1) << (frac + ebits) | e << frac | f


def ieee_rows(rng):
    print("mode n lanes valid w a res d selections".replace(" ", "\t"))
    for row in range(120):
        mode = ("fixed", "fp32", "fp16")[row % 3]
        n = rng.choice([2, 4, 8, 16, 24, 64, 128])
        valid = [True] * n
        if rng.random() < 0.4:
            last = rng.randrange(n)
            valid = [i <= last and rng.random() < 0.9 for i in range(n)]
        if mode == "fixed":
            lanes = rng.choice([1, 3, 7, 15, 24])
            density = rng.choice([0.1, 0.5, 1.0])
            ws = [rng.getrandbits(1) << 31 | sum((rng.random() < density) << b for b in range(lanes)) for _ in range(n)]
            bits = rng.choice([1, 8, 16, 25])
            acts = [rng.randint(-1 << (bits - 1), (1 << (bits - 1)) - 1) for _ in range(n)]
        else:
            lanes = {"fp32": 24, "fp16": 11}[mode]
            kinds = rng.choice([("near", "near"), ("any", "any"), ("low", "low"), ("special", "near"),
                                ("near", "special"), ("special", "special"), ("subnormal", "near"),
                                ("near", "subnormal"), ("subnormal", "subnormal"), ("any", "special")])
            ws = [ieee_operand(rng, mode, kinds[0]) for _ in range(n)]
            acts = [ieee_operand(rng, mode, kinds[1]) for _ in range(n)]
        res, d, selections = ieee_group(mode, ws, acts, valid, lanes)
        print("\t".join([mode, str(n), str(lanes), "".join("01"[v] for v in valid), "".join("%08x" % w for w in ws),
                         "".join("%08x" % (a & 0xffffffff) for a in acts), "%016x" % (res & (1 << 64) - 1), str(d),
                         str(selections)]))


if __name__ == "__main__":
    if sys.argv[1:] == ["rtl"]:
        rtl_rows(random.Random(1))
    elif sys.argv[1:] == ["ieee"]:
        ieee_rows(random.Random(2))
    else:
        sys.exit(__doc__)
