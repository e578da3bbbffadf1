#!/usr/bin/env python3
"""Golden tests: runs the tools as a user does and compares what they print.

A test is a file under tests/golden whose first comment lines hold one or more

    // RUN: bitlet-opt --passes=fold %s | bitlet-opt -

(`#` and `;` start a comment line as well). %s is the file, %t a prefix for temporary files, %d the
file's folder, %T the folder tests, %% a percent sign. A program found in --bin is run from there. The lines run
one after the other under `bash -o pipefail`; all but the last must succeed, the last one's status is the
test's, which must be 0 or what `// EXIT: n` says. Standard output and standard error, together, are compared

  - with the sibling FILE.expect, when there is one (--bless rewrites it), or
  - with the file's CHECK lines, spelled as FileCheck spells them: CHECK, CHECK-NEXT, CHECK-NOT,
    CHECK-LABEL, {{regex}} inside; runs of blanks match any run of blanks.

`// REQUIRES: shared` skips a test where ../shared is absent; another word names a program that must be there.
A file without RUN lines is input for others. Folders named `inputs` are not searched.
"""
import argparse
import concurrent.futures
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LEADER = re.compile(r"^\s*(?://|#|;)\s*(RUN|EXIT|REQUIRES):\s*(.*?)\s*$")
CHECK = re.compile(r"^.*?(?://|#|;)\s*CHECK(-NEXT|-NOT|-LABEL)?:\s?(.*?)\s*$")
SUFFIXES_NEVER_TESTS = (".expect", ".onnx", ".pb", ".npy", ".npz", ".blt", ".pyc")
TIMEOUT_SECONDS = 120


class Test:
    """One file: its commands, the wanted status and what it requires."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.relpath(path, HERE)
        self.runs, self.exit, self.requires, self.checks = [], 0, [], []
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            for number, line in enumerate(f, 1):
                self.read_line(number, line.rstrip("\n"))

    def read_line(self, number, line):
        found = LEADER.match(line)
        if found and found[1] == "RUN":
            if self.runs and self.runs[-1].endswith("\\"):
                self.runs[-1] = self.runs[-1][:-1] + " " + found[2]
            else:
                self.runs.append(found[2])
        elif found and found[1] == "EXIT":
            self.exit = int(found[2])
        elif found:
            self.requires += found[2].split()
        else:
            found = CHECK.match(line)
            if found:
                self.checks.append((number, (found[1] or "")[1:], found[2]))

    @property
    def expect_path(self):
        return self.path + ".expect"


def find_tests(folder, pattern):
    tests = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in ("inputs", "__pycache__"))
        for name in sorted(files):
            path = os.path.join(where, name)
            if name.endswith(SUFFIXES_NEVER_TESTS) or name.startswith("."):
                continue
            test = Test(path)
            if test.runs and re.search(pattern, test.name):
                tests.append(test)
    return tests


def missing_requirement(test):
    for word in test.requires:
        if word == "shared":
            if not os.path.isdir(os.path.join(os.path.dirname(ROOT), "shared")):
                return "../shared is absent"
        elif not shutil.which(word):
            return word + " is not installed"
    return None


def expand(command, test, temp):
    values = {"%s": test.path, "%t": os.path.join(temp, "t"), "%d": os.path.dirname(test.path), "%T": HERE, "%%": "%"}
    return re.sub(r"%[stdT%](?![A-Za-z0-9])|%%", lambda m: values[m[0]], command)


def execute(test, bin_dir, temp):
    """The status of the last command, or None when the test could not end so, and what all of them printed."""
    env = dict(os.environ, PATH=bin_dir + os.pathsep + os.environ["PATH"], LC_ALL="C", TERM="dumb")
    output, status = "", 0
    for number, command in enumerate(test.runs):
        line = expand(command, test, temp)
        try:
            done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=temp, env=env, timeout=TIMEOUT_SECONDS,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return None, output + "no end after %d s: %s\n" % (TIMEOUT_SECONDS, line)
        output += done.stdout.decode("utf-8", "surrogateescape")
        status = done.returncode
        if status != 0 and number + 1 < len(test.runs):
            return None, output + "exit status %d: %s\n" % (status, line)
    # What is printed must not depend on where the tree lies.
    output = output.replace(os.path.join(temp, "t"), "%t").replace(temp, "%t").replace(HERE + os.sep, "")
    return status, output


def pattern_of(text):
    """A CHECK line as a regular expression."""
    parts = re.split(r"\{\{(.*?)\}\}", text)
    out = ""
    for i, part in enumerate(parts):
        if i % 2:
            out += "(?:" + part + ")"
        else:
            out += re.sub(r"(?:\\?[ \t])+", lambda _: r"[ \t]+", re.escape(part))
    return re.compile(out)


def run_checks(checks, output):
    """What is wrong, or None. Each CHECK is looked for after the line the one before it was found on."""
    lines = output.split("\n")
    at, pending_not, start = -1, [], 0
    bounds = label_bounds(checks, lines)
    if isinstance(bounds, str):
        return bounds
    for k, (number, kind, text) in enumerate(checks):
        pattern = pattern_of(text)
        if kind == "NOT":
            pending_not.append((number, text, pattern))
            continue
        if kind == "LABEL":
            found = bounds[k]
        elif kind == "NEXT":
            found = at + 1 if at + 1 < len(lines) and pattern.search(lines[at + 1]) else None
        else:
            end = next((bounds[j] for j in sorted(bounds) if j > k), len(lines))
            found = next((i for i in range(at + 1, end) if pattern.search(lines[i])), None)
        if found is None:
            return "line %d: CHECK%s not found: %s" % (number, "-" + kind if kind else "", text)
        wrong = excluded(pending_not, lines[start:found])
        if wrong:
            return wrong
        at, start, pending_not = found, found + 1, []
    return excluded(pending_not, lines[start:])


def label_bounds(checks, lines):
    """Where each CHECK-LABEL stands; the checks between two labels cannot match beyond the second."""
    bounds, at = {}, 0
    for k, (number, kind, text) in enumerate(checks):
        if kind == "LABEL":
            found = next((i for i in range(at, len(lines)) if pattern_of(text).search(lines[i])), None)
            if found is None:
                return "line %d: CHECK-LABEL not found: %s" % (number, text)
            bounds[k], at = found, found + 1
    return bounds


def excluded(pending, lines):
    for number, text, pattern in pending:
        for line in lines:
            if pattern.search(line):
                return "line %d: CHECK-NOT found: %s\n  in: %s" % (number, text, line)
    return None


def compare(test, output, bless):
    """What is wrong with the output, or None."""
    if os.path.exists(test.expect_path) or (bless and not test.checks):
        if bless:
            write_expect(test, output)
            return None
        with open(test.expect_path, encoding="utf-8", errors="surrogateescape") as f:
            wanted = f.read()
        if output != wanted:
            return "".join(difflib.unified_diff(wanted.splitlines(True), output.splitlines(True), "expected", "got"))
    elif not test.checks and test.exit == 0 and output:
        return "it prints, and has neither a .expect file (--bless makes one) nor CHECK lines:\n" + output
    return run_checks(test.checks, output)


def write_expect(test, output):
    old = None
    if os.path.exists(test.expect_path):
        with open(test.expect_path, encoding="utf-8", errors="surrogateescape") as f:
            old = f.read()
    if old != output:
        with open(test.expect_path, "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(output)
        print("blessed " + test.name)


def run_test(test, args):
    """(verdict, text): verdict is pass, fail or skip."""
    missing = missing_requirement(test)
    if missing:
        return "skip", missing
    with tempfile.TemporaryDirectory(prefix="golden-") as temp:
        temp = os.path.realpath(temp)
        status, output = execute(test, args.bin, temp)
        if status is None:
            return "fail", output
        if status != test.exit:
            return "fail", "exit status %d, wanted %d; it printed:\n%s" % (status, test.exit, output)
        wrong = compare(test, output, args.bless)
        if wrong and not os.path.exists(test.expect_path):
            wrong += "\n--- it printed:\n" + output
        return ("fail", wrong) if wrong else ("pass", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, ".build", "release", "bin"), help="where the tools are")
    parser.add_argument("--bless", action="store_true", help="write what is printed into the .expect files")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, metavar="N", help="tests at once")
    parser.add_argument("-k", default="", metavar="REGEX", help="only tests whose path matches")
    parser.add_argument("folder", nargs="?", default=os.path.join(HERE, "golden"))
    args = parser.parse_args()
    args.bin = os.path.abspath(args.bin)
    tests = find_tests(os.path.abspath(args.folder), args.k)
    if not tests and args.k:
        sys.exit("no test matches " + args.k)
    count = {"pass": 0, "fail": 0, "skip": 0}
    with concurrent.futures.ThreadPoolExecutor(max(1, args.j)) as pool:
        for test, (verdict, text) in zip(tests, pool.map(lambda t: run_test(t, args), tests)):
            count[verdict] += 1
            if verdict == "skip":
                print("SKIP %s: %s" % (test.name, text))
            elif verdict == "fail":
                repeat = "%s --bin %s -k '^%s$'" % (os.path.relpath(__file__), args.bin, re.escape(test.name))
                print("FAIL %s\n%s\n  again: python3 %s\n" % (test.name, text.rstrip("\n"), repeat))
    skipped = ", %d skipped" % count["skip"] if count["skip"] else ""
    print("%d passed, %d failed%s" % (count["pass"], count["fail"], skipped))
    return 1 if count["fail"] else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
