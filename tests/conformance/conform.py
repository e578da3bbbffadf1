#!/usr/bin/env python3
"""ONNX conformance: runs every case of a folder and compares its outputs with the expected ones.

    conform.py --bin BUILD/bin [--tool eval|sim] [-p PRECISION] [-k NAME] [-j N] [FOLDER ..]

A case is a folder with model.onnx and test_data_set_0/ (input_K.pb, output_K.pb), as ONNX's own backend tests are; FOLDERs are searched at any
depth. Without FOLDER: Debian's libonnx-testdata and ../shared/onnx-node-tests, each where it is there.

--tool eval   onnx-eval: import and reference evaluator
--tool sim    bitletc and bitlet-isa-sim: the whole tool chain

Inputs that an operator needs when compiling (shapes, mostly) become constants: the diagnostic of the tool names them, and the case is run once
more with --fix. In the same way --shape fixes symbolic dimensions.

manifest.txt says what is not expected to pass, one line a case:

    xfail NAME REASON       fails; when it passes, the run fails, so that the line goes
    tolerance NAME RTOL ATOL REASON
    random NAME REASON      element types and extents of the outputs are compared, not the elements
    eval xfail NAME REASON  only with that tool (eval or sim)

With --tool sim and no precision the statistics of every case that multiplies (macs.py) must show all its MACs on the array; over all cases
frontend/onnx_units.def must say what was measured (units.py).

A case whose operators are in no row of frontend/onnx*_ops.def is `unsupported`: it is not run; the operators that are
missing are counted. Ends with "N passed, N failed[, N skipped]"; skipped are expected failures and unsupported cases.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

import macs
import units

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DEFAULT_FOLDERS = ("/usr/share/libonnx-testdata/data", os.path.join(os.path.dirname(ROOT), "shared", "onnx-node-tests"))
TABLES = (("", "onnx_ops.def"), ("", "onnx_old_ops.def"), ("ai.onnx.ml", "onnx_ml_ops.def"), ("ai.onnx.preview", "onnx_preview_ops.def"),
          ("ai.onnx.preview.training", "onnx_training_ops.def"))
MANIFEST = os.path.join(HERE, "manifest.txt")
SKIPPED = 77
RETRIES = 4


# ---- Protobuf, as far as a runner needs it

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of every field of a message; bytes for those with a length."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = 8 if kind == 1 else 4
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def children(message, number):
    return [value for n, value in fields(message) if n == number]


def text(message, number):
    found = children(message, number)
    return found[-1].decode("utf-8", "replace") if found else ""


def tensor_dims(path):
    """The extents of a TensorProto."""
    return tensor_type(path)[1]


def tensor_type(path):
    """(element type, extents) of a TensorProto."""
    with open(path, "rb") as f:
        data = f.read()
    element, dims = 0, []
    for number, value in fields(data):
        if number == 2:
            element = value
        elif number == 1 and isinstance(value, int):
            dims.append(value)
        elif number == 1:
            at = 0
            while at < len(value):
                dim, at = varint(value, at)
                dims.append(dim)
    return element, dims


# ---- Cases

class Case:
    """One folder: the operators its model needs and the names of its inputs."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.data = os.path.join(folder, "test_data_set_0")
        with open(self.model(), "rb") as f:
            model = f.read()
        self.opsets = {text(o, 1): (children(o, 2) or [0])[-1] for o in children(model, 8)}
        graph = children(model, 7)[-1]
        self.operators = set()
        self.collect_operators(graph, 1)
        functions = children(model, 25)
        for function in functions:
            self.collect_operators(function, 7)
            self.opsets.update({text(o, 1): (children(o, 2) or [0])[-1] for o in children(function, 9) if text(o, 1) not in self.opsets})
        self.operators -= {(text(f, 10) + "." if text(f, 10) else "") + text(f, 1) for f in functions}
        initializers = {text(t, 8) for t in children(graph, 5)}
        inputs = [i for i in children(graph, 11) if text(i, 1) not in initializers]
        self.inputs = [text(i, 1) for i in inputs]

    def model(self):
        return os.path.join(self.folder, "model.onnx")

    def collect_operators(self, graph, field):
        """Of the nodes in a field of a graph or function."""
        for node in children(graph, field):
            domain = text(node, 7)
            self.operators.add((domain + "." if domain not in ("", "ai.onnx") else "") + text(node, 4))
            for attribute in children(node, 5):
                for number in (6, 11):  # g, graphs
                    for graph in children(attribute, number):
                        self.collect_operators(graph, 1)

    def opset(self, domain):
        return self.opsets.get(domain, self.opsets.get("ai.onnx", 0) if not domain else 0)

    def lacks(self, operator, table):
        """The operator, with the opset when it is only that which has no row."""
        if operator not in table:
            return operator
        opset = self.opset(operator.rpartition(".")[0])
        fits = any(since <= opset and (not until or opset < until) for since, until in table[operator])
        return None if fits else "%s-%d" % (operator, opset)

    def missing(self, table):
        """What keeps the case from being tried: operators without a row."""
        found = [lack for lack in (self.lacks(o, table) for o in self.operators) if lack]
        return sorted(found)

    def input_file(self, name):
        return os.path.join(self.data, "input_%d.pb" % self.inputs.index(name))


def find_cases(folders):
    for top in folders:
        for where, subfolders, files in os.walk(top):
            subfolders.sort()
            if "model.onnx" in files:
                subfolders[:] = []
                yield Case(where, os.path.relpath(where, top))


def read_table():
    """{operator: [(since, until)]}; the domain goes before the name, as in ai.onnx.ml.Scaler."""
    table = collections.defaultdict(list)
    for domain, name in TABLES:
        with open(os.path.join(ROOT, "frontend", name), encoding="utf-8") as f:
            rows = re.findall(r"^ONNX_OP\((\w+),\s*(\d+),\s*(\d+),", f.read(), flags=re.M)
        for operator, since, until in rows:
            table[(domain + "." if domain else "") + operator].append((int(since), int(until)))
    return table


# ---- The manifest

class Manifest:
    """Expected failures and tolerances, by the last part of a case's name."""

    def __init__(self, path, tool):
        self.xfail, self.tolerance, self.random, self.problems = {}, {}, {}, []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.read_line(number, line.split("#")[0].split(), tool)

    def read_line(self, number, words, tool):
        if words and words[0] in ("eval", "sim"):
            if words.pop(0) != tool:
                return
        if not words:
            return
        if words[0] == "xfail" and len(words) > 2:
            self.xfail[words[1]] = " ".join(words[2:])
        elif words[0] == "tolerance" and len(words) > 4:
            self.tolerance[words[1]] = (words[2], words[3])
        elif words[0] == "random" and len(words) > 2:
            self.random[words[1]] = " ".join(words[2:])
        else:
            self.problems.append("manifest.txt:%d: what does this mean: %s" % (number, " ".join(words)))


# ---- Running

class Runner:
    def __init__(self, options, manifest, scratch):
        self.options, self.manifest, self.scratch, self.units = options, manifest, scratch, units.Units()

    def tool(self, name):
        return os.path.join(self.options.bin, name)

    def binary(self, index):
        return os.path.join(self.scratch, "%d.blt" % index)

    def commands(self, case, hints, index):
        """The command lines of a case. hints: --fix and --shape options the tools asked for; `fixed` names what became constant."""
        given, fixed = hints
        feeds = [word for name in case.inputs if name not in fixed for word in ("--inputs", case.input_file(name))]
        rtol, atol = self.manifest.tolerance.get(os.path.basename(case.name), (self.options.rtol, self.options.atol))
        checks = ["--expect", case.data, "--rtol", rtol, "--atol", atol]
        if self.options.tool == "eval":
            return [[self.tool("onnx-eval"), case.model()] + given + feeds + checks]
        binary = self.binary(index)
        compile_line = [self.tool("bitletc"), case.model(), "-o", binary] + given
        if self.options.precision:
            compile_line += ["-p", self.options.precision]
        if self.is_random(case):
            checks = ["--outputs", binary + ".out"]
        if self.counts_macs():
            checks += ["--stats", binary + ".json"]
        return [compile_line, [self.tool("bitlet-isa-sim"), binary] + feeds + checks]

    def counts_macs(self):
        return self.options.tool == "sim" and not self.options.precision

    def check_stats(self, case, index, result):
        """The result of a case that passed, in the light of its statistics."""
        with open(self.binary(index) + ".json", encoding="utf-8") as f:
            stats = json.load(f)
        os.remove(self.binary(index) + ".json")
        self.units.add(case, stats)
        lacks = macs.judge(macs.Needs(case, sys.modules[__name__]), stats) if case.operators & macs.MULTIPLY else ""
        return (1, lacks, result[2]) if lacks else result

    def is_random(self, case):
        return self.options.tool == "sim" and os.path.basename(case.name) in self.manifest.random

    def compare_types(self, case, index):
        """(status, output) of a case with random outputs."""
        expected = sorted(f for f in os.listdir(case.data) if re.match(r"output_\d+\.pb$", f))
        for name in expected:
            want, got = tensor_type(os.path.join(case.data, name)), tensor_type(os.path.join(self.binary(index) + ".out", name))
            if want != got:
                return 1, "%s has element type %d and extents %s, expected %d and %s\n" % (name, got[0], got[1], want[0], want[1])
        return (0, "") if expected else (1, "no expected outputs\n")

    def try_once(self, case, hints, index):
        """(status, output, command) of the first command that fails, or of the last one."""
        for command in self.commands(case, hints, index):
            try:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=self.options.timeout, check=False)
            except subprocess.TimeoutExpired:
                return 124, "no end within %d s" % self.options.timeout, command
            if done.returncode != 0:
                break
        return done.returncode, done.stdout.decode("utf-8", "replace"), command

    @staticmethod
    def learn(case, output, hints):
        """Adds what the diagnostics asked for; False when they asked for nothing new."""
        given, fixed = hints
        before = len(given)
        for name in re.findall(r"--fix '(.*?)'=FILE", output):
            if name in case.inputs and name not in fixed:
                fixed.add(name)
                given += ["--fix", "%s=%s" % (name, case.input_file(name))]
        for name in re.findall(r"onnx-symbolic\]: .*--shape (.*)=\S*\s*$|--shape (.*)=\S* sets", output, flags=re.M):
            name = name[0] or name[1]
            if name in case.inputs:
                given += ["--shape", "%s=%s" % (name, "x".join(map(str, tensor_dims(case.input_file(name)))))]
        return len(given) > before

    def run(self, index, case):
        hints = ([], set())
        for _ in range(RETRIES):
            result = self.try_once(case, hints, index)
            if result[0] != 1 or not self.learn(case, result[1], hints):
                break
        if result[0] == 0 and self.is_random(case):
            result = self.compare_types(case, index) + (result[2],)
        if result[0] == 0 and self.counts_macs():
            result = self.check_stats(case, index, result)
        if self.options.tool == "sim" and os.path.exists(self.binary(index)):
            os.remove(self.binary(index))
        return result


class Report:
    """Counts of cases, and of operators over them."""

    def __init__(self, options):
        self.options = options
        self.passed = self.failed = self.expected = self.unsupported = 0
        self.by_operator = collections.defaultdict(collections.Counter)
        self.missing = collections.Counter()

    def note(self, case, verdict):
        for operator in case.operators:
            self.by_operator[operator][verdict] += 1

    def skip(self, case, missing):
        self.unsupported += 1
        self.note(case, "unsupported")
        self.missing.update(missing)
        if self.options.verbose:
            print("unsupported  %s: %s" % (case.name, " ".join(missing)))

    def judge(self, case, result, reason):
        status, output, command = result
        good = status == 0
        if good and reason is None:
            self.passed += 1
        elif not good and status == 1 and reason is not None:
            self.expected += 1
        else:
            self.failed += 1
            print("FAILED %s%s" % (case.name, ": expected to fail (%s), but it passes; take its line out of manifest.txt" % reason if good
                                   else ", exit status %d" % status))
            print("\n".join("    " + line for line in output.splitlines()[:self.options.lines]))
            print("    " + " ".join(map(shlex.quote, command)), flush=True)
        self.note(case, "passed" if good else "failed" if reason is None else "expected failure")

    def summary(self):
        if self.options.operators:
            for operator in sorted(self.by_operator):
                print("%-32s %s" % (operator, ", ".join("%d %s" % (n, verdict) for verdict, n in sorted(self.by_operator[operator].items()))))
        if self.missing:
            print("%d cases need what has no row in onnx_ops.def:" % self.unsupported)
            print("    " + ", ".join("%s %d" % pair for pair in sorted(self.missing.items())))
        print("%d expected failures, %d unsupported" % (self.expected, self.unsupported))
        skipped = self.expected + self.unsupported
        print("%d passed, %d failed" % (self.passed, self.failed) + (", %d skipped" % skipped if skipped else ""))
        return 1 if self.failed or not self.passed else 0

    def compare_units(self, measured):
        """Of a run over all cases: the table of units holds, or is written anew."""
        text = measured.text(self.by_operator)
        if self.options.bless:
            units.write(text)
        elif units.differs(text):
            self.failed += 1
            print("FAILED " + units.differs(text))


def unknown_names(manifest, cases):
    """Manifest lines for cases that do not exist; only worth a look when all default folders are there."""
    known = {os.path.basename(c.name) for c in cases}
    return ["manifest.txt: there is no case %s" % n for n in sorted(set(manifest.xfail) | set(manifest.tolerance) | set(manifest.random)) if n not in known]


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--bin", required=True, help="folder of the tools")
    parser.add_argument("--tool", choices=("eval", "sim"), default="eval")
    parser.add_argument("-p", "--precision", help="of bitletc, with --tool sim")
    parser.add_argument("--rtol", default="1e-3")
    parser.add_argument("--atol", default="1e-7", help="default: as in ONNX's own tests")
    parser.add_argument("--manifest", default=MANIFEST)
    parser.add_argument("-k", metavar="NAME", default="", help="only cases whose name contains NAME")
    parser.add_argument("-j", metavar="N", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-v", "--verbose", action="store_true", help="name the unsupported cases")
    parser.add_argument("--operators", action="store_true", help="counts for every operator")
    parser.add_argument("--timeout", metavar="SECONDS", type=int, default=120, help="of one command")
    parser.add_argument("--bless", action="store_true", help="write frontend/onnx_units.def")
    parser.add_argument("--lines", type=int, default=8, help="lines of output shown of a failure")
    return parser.parse_args(argv)


def main(argv):
    options = parse_args(argv)
    folders = options.folders or [f for f in DEFAULT_FOLDERS if os.path.isdir(f)]
    for folder in [] if options.folders else DEFAULT_FOLDERS:
        if folder not in folders:
            print("skipped: %s is not there" % folder)
    if not folders:
        return SKIPPED
    manifest, table, report = Manifest(options.manifest, options.tool), read_table(), Report(options)
    cases = [c for c in find_cases(folders) if options.k in c.name]
    problems = manifest.problems
    everything = not options.folders and len(folders) == len(DEFAULT_FOLDERS) and not options.k
    if everything:
        problems = problems + unknown_names(manifest, cases)
    for problem in problems:
        report.failed += 1
        print("FAILED " + problem)
    wanted = []
    for case in cases:
        missing = case.missing(table)
        if missing:
            report.skip(case, missing)
        else:
            wanted.append(case)
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        runner = Runner(options, manifest, scratch)
        for case, result in zip(wanted, pool.map(runner.run, range(len(wanted)), wanted)):
            report.judge(case, result, manifest.xfail.get(os.path.basename(case.name)))
    if everything and runner.counts_macs():
        report.compare_units(runner.units)
    return report.summary()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
