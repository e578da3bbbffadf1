"""Prints what the demo's runs gave: digits as text pictures, predictions, and a table of layers beside the paper's formula.

    python3 show_digits.py DIGITS_DIR RUNS_DIR fp32 int8

DIGITS_DIR/test_data_set_K/{input_0.npy, label.txt}; RUNS_DIR/PRECISION/test_data_set_K/{output_0.npy, stats.json}.
"""

import ast
import json
import os
import struct
import sys

SHADES = " .:-=+*#%@"
OVERHEAD = {"fp32": 13, "int8": 10}  # cycles of a group besides distillation


def read_npy(path):
    """Flat list of the float32 elements of a .npy file, and its shape."""
    data = open(path, "rb").read()
    size = struct.unpack_from("<H", data, 8)[0]
    head = ast.literal_eval(data[10 : 10 + size].decode())
    assert head["descr"] == "<f4" and not head["fortran_order"], head
    return list(struct.unpack_from(f"<{(len(data) - 10 - size) // 4}f", data, 10 + size)), head["shape"]


def picture(path):
    pixels, shape = read_npy(path)
    width = shape[-1]
    rows = [pixels[i : i + width] for i in range(0, len(pixels), width)]
    return ["".join(SHADES[min(9, int(p * 9.99))] * 2 for p in row) for row in rows]


def best(values):
    return max(range(len(values)), key=values.__getitem__)


def show_digits(digits, runs, precisions, per_row=4):
    sets = sorted(os.listdir(digits), key=lambda s: int(s.rsplit("_", 1)[1]))
    right = dict.fromkeys(precisions, 0)
    for at in range(0, len(sets), per_row):
        columns = []
        for name in sets[at : at + per_row]:
            label = int(open(os.path.join(digits, name, "label.txt")).read())
            column = picture(os.path.join(digits, name, "input_0.npy")) + [f"label {label}"]
            for p in precisions:
                scores, _ = read_npy(os.path.join(runs, p, name, "output_0.npy"))
                guess = best(scores)
                right[p] += guess == label
                column.append(f"{p:5} {guess} ({100 * scores[guess]:5.1f} %)")
            columns.append(column)
        for line in zip(*columns):
            print("   ".join(f"{cell:18}" for cell in line).rstrip())
        print()
    for p in precisions:
        print(f"{p}: {right[p]} of {len(sets)} right")
    return right, len(sets)


def show_layers(stats, precision):
    """One line a MAC layer. Formula: groups x (D + overhead) over the PEs, D the mean over steps of the slowest PE."""
    machine, total = stats["machine"], stats["total"]
    n, pes = machine["group"], machine["pes"]
    print(f"\n{precision}: {total['cycles']} cycles, {total['seconds'] * 1e6:.1f} us at {machine['clock_ghz']:g} GHz, {total['energy_pj']['total'] / 1e6:.2f} uJ an image")
    print(f"  {'layer':16} {'op':9} {'MACs':>8} {'cycles':>7} {'array':>7} {'groups':>7} {'PEs used':>8} {'mean D':>7} {'max D':>6}   formula steps x (D + {OVERHEAD[precision]})")
    for layer in stats["layers"]:
        bce = layer.get("bce")
        cycles = layer["last_cycle"] - layer["first_cycle"]
        if cycles <= 0:
            continue
        head = f"  {layer['node_name'] or layer['name']:16.16} {layer['op_type'] or layer.get('ir_op', ''):9.9} {layer['macs'] or '':>8} {cycles:7}"
        if not bce:
            print(head)
            continue
        d = bce["step_cycles"] / bce["steps"]
        formula = bce["steps"] * (d + OVERHEAD[precision])
        print(f"{head} {layer['units']['array']['busy']:7} {bce['steps']:7} {100 * bce['pe_occupancy']:6.0f} % {bce['d_mean']:7.1f} {d:6.1f}   {formula:.0f}")
    bce = total["bce"]
    t = bce["d_mean"] + OVERHEAD[precision]
    print(f"  the paper's formula with this network's mean D: T = {bce['d_mean']:.1f} + {OVERHEAD[precision]} = {t:.1f} cycles for a group of {n};")
    print(f"  {total['macs']} MACs / ({n} x {pes} PEs) x T = {total['macs'] / n / pes * t:.0f} cycles if every group were full and every PE busy")


def main():
    digits, runs, precisions = sys.argv[1], sys.argv[2], sys.argv[3:]
    right, count = show_digits(digits, runs, precisions)
    for p in precisions:
        with open(os.path.join(runs, p, "test_data_set_0", "stats.json")) as f:
            show_layers(json.load(f), p)
    sys.exit(0 if all(r >= count - 1 for r in right.values()) else 1)


if __name__ == "__main__":
    main()
