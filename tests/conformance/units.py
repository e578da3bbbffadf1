"""Which units of the machine ran each operator over the conformance cases, and how many of its cases pass: frontend/onnx_units.def."""
import collections
import os

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "frontend", "onnx_units.def")
HEAD = """// Measured by tests/conformance/conform.py --tool sim (--bless rewrites this file): the units that ran the layers of each operator over the
// official cases, and how many of the cases that hold it pass. No unit: its results were known when compiling, or are views of other data.
//
//   ONNX_UNITS(operator, units, passing cases, cases)
//
// clang-format off
"""
TAIL = "// clang-format on\n#undef ONNX_UNITS\n"
UNITS = (("macs", "array"), ("vector_elements", "vector"), ("host_calls", "host"))


class Units:
    def __init__(self):
        self.used = collections.defaultdict(set)

    def add(self, case, stats):
        """The layers of one run; the statistics name operators without their domain."""
        full = {name.rpartition(".")[2]: name for name in case.operators}
        for layer in stats["layers"]:
            name = full.get(layer.get("op_type"))
            if name:
                self.used[name].update(unit for key, unit in UNITS if layer.get(key, 0) > 0)

    def text(self, by_operator):
        """The table; by_operator: counts of verdicts over the cases of each operator."""
        rows = []
        for name in sorted(by_operator):
            counts = by_operator[name]
            units = ", ".join(unit for _, unit in UNITS if unit in self.used[name])
            rows.append("ONNX_UNITS(%-48s %-24s %3d, %3d)\n" % ('"%s",' % name, '"%s",' % units, counts["passed"], sum(counts.values())))
        return HEAD + "".join(rows) + TAIL


def differs(text):
    """Why the table is not up to date; empty when it is."""
    have = open(TABLE, encoding="utf-8").read().splitlines() if os.path.exists(TABLE) else []
    lines = [line for line in text.splitlines() if line not in have] + [line for line in have if line not in text.splitlines()]
    return "frontend/onnx_units.def is not what was measured (--bless, then target docs-frontend):\n" + "\n".join("    " + l for l in lines[:8]) if lines else ""


def write(text):
    with open(TABLE, "w", encoding="utf-8") as f:
        f.write(text)
