#!/usr/bin/env python3
"""The golden runner told right from wrong: it must pass what is right and fail what is not."""
import os
import subprocess
import sys
import tempfile

RUNNER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run.py")

# name: (content, expect file or None, wanted verdict)
CASES = {
    "check.txt": ("// RUN: printf 'a\\nb  c\\nd\\n'\n// CHECK: a\n// CHECK-NEXT: b c\n// CHECK: {{[d-f]}}\n", None, True),
    "check_missing.txt": ("# RUN: echo a\n# CHECK: b\n", None, False),
    "check_order.txt": ("# RUN: printf 'a\\nb\\n'\n# CHECK: b\n# CHECK: a\n", None, False),
    "check_next.txt": ("; RUN: printf 'a\\nx\\nb\\n'\n; CHECK: a\n; CHECK-NEXT: b\n", None, False),
    "check_not.txt": ("# RUN: printf 'a\\nx\\nb\\n'\n# CHECK: a\n# CHECK-NOT: x\n# CHECK: b\n", None, False),
    "check_not_fine.txt": ("# RUN: printf 'x\\na\\nb\\nx\\n'\n# CHECK: a\n# CHECK-NOT: x\n# CHECK: b\n", None, True),
    "check_not_last.txt": ("# RUN: printf 'a\\nx\\n'\n# CHECK: a\n# CHECK-NOT: x\n", None, False),
    "check_label.txt": ("# RUN: printf 'f\\ng\\nx\\n'\n# CHECK-LABEL: f\n# CHECK: x\n# CHECK-LABEL: g\n", None, False),
    "check_label_fine.txt": ("# RUN: printf 'f\\nx\\ng\\n'\n# CHECK-LABEL: f\n# CHECK: x\n# CHECK-LABEL: g\n", None, True),
    "expect.txt": ("# RUN: cat %s | wc -l\n", "1\n", True),
    "expect_differs.txt": ("# RUN: echo a\n", "b\n", False),
    "exit.txt": ("# RUN: exit 3\n# EXIT: 3\n", None, True),
    "exit_differs.txt": ("# RUN: exit 3\n", None, False),
    "exit_early.txt": ("# RUN: exit 3\n# RUN: exit 3\n# EXIT: 3\n", None, False),
    "exit_in_pipe.txt": ("# RUN: false | true\n", None, False),
    "silent.txt": ("# RUN: echo unexpected\n", None, False),
    "temp.txt": ("# RUN: echo hello > %t.out\n# RUN: cat %t.out; echo %t.out\n", "hello\n%t.out\n", True),
}


def run(folder, *more):
    done = subprocess.run([sys.executable, RUNNER, folder, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode()


def write_cases(folder):
    for name, (content, expect, _) in CASES.items():
        with open(os.path.join(folder, name), "w") as f:
            f.write(content)
        if expect is not None:
            with open(os.path.join(folder, name + ".expect"), "w") as f:
                f.write(expect)


def main():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        write_cases(folder)
        for name, (_, _, wanted) in CASES.items():
            status, text = run(folder, "-k", "/" + name + "$")
            counts = "1 passed, 0 failed" if wanted else "0 passed, 1 failed"
            if (status == 0) != wanted or not text.endswith(counts + "\n"):
                failures.append("%s:\n%s" % (name, text))
        run(folder, "--bless", "-k", "/expect_differs.txt$")
        status, text = run(folder, "-k", "/expect_differs.txt$")
        if status != 0:
            failures.append("--bless did not help:\n" + text)
    for failure in failures:
        print("FAIL " + failure)
    print("%d passed, %d failed" % (len(CASES) + 1 - len(failures), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
