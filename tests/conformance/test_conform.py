#!/usr/bin/env python3
"""The conformance runner told right from wrong, with tools that do as the case's name says. Ends with "N passed, N failed"."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import onnx_write  # noqa: E402

TOOL = r"""#!/bin/sh
case "$*" in
*test_good*) exit 0 ;;
*test_bad*) echo "error[mismatch]: differs"; exit 1 ;;
*test_crash*) exit 70 ;;
*--fix*|*--shape*) exit 1 ;;
*test_random*--types*) exit 0 ;;
*test_close*--rtol\ 0.5\ --atol\ 0.25*) exit 0 ;;
esac
exit 1
"""

# case: (operator, opset)
CASES = {"test_good": ("Add", 13), "test_bad": ("Add", 13), "test_crash": ("Add", 13), "test_random": ("Bernoulli", 15),
         "test_close": ("Add", 13), "test_unknown": ("NoSuchOperator", 13), "test_early": ("Where", 8)}

# what is checked: (manifest, cases, wanted last line, words that must be printed)
CHECKS = {
    "passes": ("", ("test_good",), "1 passed, 0 failed", ()),
    "mismatch fails": ("", ("test_good", "test_bad"), "1 passed, 1 failed", ("FAILED node/test_bad", "error[mismatch]")),
    "expected failure": ("xfail test_bad some reason # remark\n", ("test_good", "test_bad"), "1 passed, 0 failed, 1 skipped", ()),
    "expected failure that passes": ("xfail test_good some reason\n", ("test_good",), "0 passed, 1 failed", ("take its line out",)),
    "a crash is never expected": ("xfail test_crash some reason\n", ("test_good", "test_crash"), "1 passed, 1 failed", ("exit status 70",)),
    "for the other tool": ("sim xfail test_bad reason\n", ("test_good", "test_bad"), "1 passed, 1 failed", ()),
    "for this tool": ("eval xfail test_bad reason\n", ("test_good", "test_bad"), "1 passed, 0 failed, 1 skipped", ()),
    "no reason": ("xfail test_bad\n", ("test_good",), "1 passed, 1 failed", ("manifest.txt:1",)),
    "types alone": ("random test_random drawn\n", ("test_random",), "1 passed, 0 failed", ()),
    "values are compared": ("", ("test_random", "test_good"), "1 passed, 1 failed", ()),
    "tolerance": ("tolerance test_close 0.5 0.25 reason\n", ("test_close",), "1 passed, 0 failed", ()),
    "unsupported": ("", ("test_good", "test_unknown", "test_early"), "1 passed, 0 failed, 2 skipped", ("NoSuchOperator 1", "Where-8 1")),
    "nothing run": ("", ("test_unknown",), "0 passed, 0 failed, 1 skipped", ()),
}


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def write_case(folder, name):
    operator, opset = CASES[name]
    node = onnx_write.node(operator, ["x", "s"], ["y"])
    info = [("x", onnx_write.FLOAT, ("n", 3)), ("s", onnx_write.INT64, (2,))]
    write(os.path.join(folder, "model.onnx"), onnx_write.model([node], info, [("y", onnx_write.FLOAT, (2, 3))], {}, opset))
    for k in range(2):
        write(os.path.join(folder, "test_data_set_0", "input_%d.pb" % k), onnx_write.encode([(1, 2), (1, 3), (2, 1), (9, bytes(24))]))


def check(name, scratch):
    manifest, cases, last, words = CHECKS[name]
    top = os.path.join(scratch, name.replace(" ", "_"))
    for case in cases:
        write_case(os.path.join(top, "cases", "node", case), case)
    write(os.path.join(top, "manifest.txt"), manifest.encode())
    tool = os.path.join(top, "bin", "onnx-eval")
    write(tool, TOOL.encode())
    os.chmod(tool, 0o755)
    done = subprocess.run([sys.executable, os.path.join(HERE, "conform.py"), "--bin", os.path.join(top, "bin"), "--manifest",
                           os.path.join(top, "manifest.txt"), os.path.join(top, "cases")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = done.stdout.decode()
    status = 0 if ", 0 failed" in last and not last.startswith("0") else 1
    good = output.splitlines()[-1:] == [last] and done.returncode == status and all(w in output for w in words)
    if not good:
        print("FAILED %s: wanted '%s', status %d; got %d and\n%s" % (name, last, status, done.returncode, output))
    return good


def main():
    with tempfile.TemporaryDirectory() as scratch:
        good = sum([check(name, scratch) for name in CHECKS])
    print("%d passed, %d failed" % (good, len(CHECKS) - good))
    return 0 if good == len(CHECKS) else 1


if __name__ == "__main__":
    sys.exit(main())
