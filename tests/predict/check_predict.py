#!/usr/bin/env python3
"""Holds the cycles that bitletc --predict keeps in a binary against those that bitlet-isa-sim counts.

    check_predict.py cases|models|formula --bin DIR [--models DIR] [--cases DIR]

cases    ONNX's own backend cases: no layer differs, or the binary names the effect
models   trained models: the effects that each has, and no difference where there is none
formula  on the machine of the paper a step takes D + 10 cycles, D that of the slowest PE; all else adds at most 3 %
Ends with "N passed, N failed"; exit status 77 when what it needs is not there.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ALIGN, WEIGHTS, BRANCH, EXTENT = "float alignment", "run-time weights", "run-time branch", "run-time extent"
# (model, options of bitletc, effects)
MODELS = (
    ("mnist_cnn", ("-p", "int8"), ()),
    ("mnist_cnn", ("-p", "int8", "--machine", "bitlet-x"), ()),
    ("mnist_cnn", (), (ALIGN,)),
    ("resnet8_cifar", ("-p", "int8"), ()),
    ("resnet8_cifar", ("-p", "int16", "--machine", "bitlet-x"), ()),
    ("mobilenetv2_nsfw", ("-p", "int8"), ()),
    ("mobilenetv2_nsfw", ("-p", "int8", "--machine", "bitlet-x"), ()),
    ("inceptionv3_nsfw", ("-p", "int8", "--machine", "bitlet-x"), ()),
    ("gtcrn_simple", ("-p", "int8"), ()),
    ("gtcrn_simple", (), (ALIGN,)),
    ("fastestdet_qdq", (), ()),
    ("byte_sb_bidi_lstm", ("--shape", "input=2x60"), (ALIGN,)),
    ("hey_jarvis", ("-p", "int8"), (BRANCH,)),
    ("cct_2_32", ("-p", "int8"), (WEIGHTS,)),
)
EQUAL_CASES_MIN = 800  # of ONNX's cases; more than half of them multiply nothing, or integers that are known
OVERHEAD, STALLS_MAX = 10, 0.03


class Checker:
    def __init__(self, args, scratch):
        self.args, self.scratch, self.passed, self.failed, self.equal = args, scratch, 0, 0, 0

    def tool(self, name, *args):
        return subprocess.run([os.path.join(self.args.bin, name), *args], capture_output=True, text=True, timeout=600)

    def measure(self, model, data, name, options=(), datapath="fast"):
        """Statistics of a run of a model that was compiled with a prediction; None: it does not compile or run."""
        blt, stats = os.path.join(self.scratch, name + ".blt"), os.path.join(self.scratch, name + ".json")
        inputs = ["--inputs", data] if data and os.path.isdir(data) and os.listdir(data) else []
        done = self.tool("bitletc", model, *options, "--predict", "-o", blt)
        if done.returncode == 0:
            done = self.tool("bitlet-isa-sim", blt, "-q", "--datapath", datapath, *inputs, "--stats", stats)
        found = json.load(open(stats)) if done.returncode == 0 else None
        for path in (blt, stats):
            if os.path.exists(path):
                os.remove(path)
        return found, done.stderr.strip()[-300:]

    def verdict(self, what, ok, detail):
        self.passed, self.failed = self.passed + ok, self.failed + (not ok)
        if not ok or self.args.what != "cases":
            print("%s %s: %s" % ("ok  " if ok else "FAIL", what, detail), flush=True)

    def prediction(self, what, stats, effects=None):
        total = stats["total"]
        p = total["predicted"]
        detail = "%d cycles predicted, %d simulated, %d layers differ, effects %s" % (
            p["cycles"], total["cycles"], p["layers_that_differ"], ", ".join(p["effects"]) or "none")
        exact = p["difference"] == 0 and p["layers_that_differ"] == 0
        for layer in stats["layers"]:
            q = layer["predicted"]
            exact = exact and (q["difference"], q["array_difference"]) == (0, 0)
        self.equal += exact
        named = effects is None or sorted(p["effects"]) == sorted(effects)
        self.verdict(what, named and (exact or bool(p["effects"])), detail)


def check_cases(c):
    found = []
    for where, _, files in os.walk(c.args.cases):
        if "model.onnx" in files and "test_data_set_0" in os.listdir(where):
            found.append(where)
    if not found:
        return False

    def one(case):
        return case, c.measure(os.path.join(case, "model.onnx"), os.path.join(case, "test_data_set_0"), os.path.basename(case))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for case, (stats, _) in pool.map(one, sorted(found)):
            if stats:  # what a case must give is conform.py's business
                c.prediction(os.path.basename(case), stats)
    c.verdict("cases without effect", c.equal >= EQUAL_CASES_MIN, "%d, at least %d are expected" % (c.equal, EQUAL_CASES_MIN))
    return True


def check_models(c):
    if not os.path.isdir(c.args.models):
        return False
    for i, (name, options, effects) in enumerate(MODELS):
        folder = os.path.join(c.args.models, name)
        stats, why = c.measure(os.path.join(folder, "model.onnx"), os.path.join(folder, "test_data_set_0"), "m%d" % i, options)
        what = " ".join((name,) + options)
        if stats:
            c.prediction(what, stats, effects)
        else:
            c.verdict(what, False, why)
    return True


def by_formula(c, name, model, data):
    stats, why = c.measure(model, data, name, ("-p", "int8"))
    if not stats:
        return c.verdict(name, False, why)
    bce = stats["total"]["bce"]
    formula = bce["step_cycles"] + OVERHEAD * bce["steps"]
    more = stats["total"]["cycles"] / formula - 1
    c.verdict(name, 0 <= more <= STALLS_MAX, "%d cycles, the formula gives %d: %.2f %% more" % (stats["total"]["cycles"], formula, 100 * more))
    c.prediction(name + ", predicted", stats, ())


def check_formula(c):
    done = subprocess.run([sys.executable, os.path.join(HERE, "..", "bench", "bench_models.py"), c.scratch, "resnet50"],
                          capture_output=True, text=True)
    model = os.path.join(c.scratch, "resnet50.onnx")
    if done.returncode == 0:
        by_formula(c, "ResNet-50", model, None)
    folder = os.path.join(c.args.models, "inceptionv3_nsfw")
    if os.path.isdir(folder):
        by_formula(c, "inceptionv3_nsfw", os.path.join(folder, "model.onnx"), os.path.join(folder, "test_data_set_0"))
    return c.passed + c.failed > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cases", "models", "formula"))
    parser.add_argument("--bin", required=True)
    parser.add_argument("--models", default="")
    parser.add_argument("--cases", default="/usr/share/libonnx-testdata/data")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bitlet-predict-") as scratch:
        checker = Checker(args, scratch)
        if not {"cases": check_cases, "models": check_models, "formula": check_formula}[args.what](checker):
            print("skipped: what it runs on is not there")
            return 77
        print("%d passed, %d failed" % (checker.passed, checker.failed))
        return 1 if checker.failed else 0


if __name__ == "__main__":
    sys.exit(main())
