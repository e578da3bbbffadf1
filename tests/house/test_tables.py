#!/usr/bin/env python3
"""A wrong row in a table must fail the build: each case adds one and wants the compiler to refuse.

    test_tables.py COMPILER
"""
import os
import shutil
import subprocess
import sys
import tempfile

BASE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "ir", "base")

# table, source that expands it, the row before which the new one goes, the new one, whether it must compile
CASES = (
    ("fn.def", "fn.c", 'UNARY_FN(neg,', 'UNARY_FN(twice, 0, 1, "a number in use")', False),
    ("fn.def", "fn.c", 'UNARY_FN(neg,', 'UNARY_FN(beyond, 30, 1, "a number outside the table")', False),
    ("fn.def", "fn.c", 'BINARY_FN(add,', 'BINARY_FN(twice, 21, 1, "a number in use")', False),
    ("fn.def", "fn.c", 'REDUCE_FN(sum,', 'REDUCE_FN(sum, 9, 1, "a name in use")', False),
    ("fn.def", "fn.c", 'REDUCE_FN(sum,', '', True),
    ("dtypes.def", "dtype.c", 'DTYPE(F32,', 'DTYPE(AGAIN, "again", 11, 32, 4, F)', False),
    ("dtypes.def", "dtype.c", 'DTYPE(F32,', 'DTYPE(F64, "f65", 77, 64, 8, F)', False),
    ("dtypes.def", "dtype.c", 'DTYPE(F32,', 'DTYPE(F128, "f128", 77, 128, 16, F)', True),
)


def compiles(compiler, table, source, before, row):
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(BASE):
            if name.endswith((".h", ".def")) or name == source:
                shutil.copy(os.path.join(BASE, name), folder)
        path = os.path.join(folder, table)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        assert before in text, before
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(before, row + "\n" + before, 1))
        done = subprocess.run([compiler, "-std=c11", "-fsyntax-only", os.path.join(folder, source)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0


def main(compiler):
    failed = 0
    for table, source, before, row, wanted in CASES:
        if compiles(compiler, table, source, before, row) != wanted:
            failed += 1
            print("FAIL %s %s: %s" % (table, "does not compile with" if wanted else "compiles with", row))
    print("%d passed, %d failed" % (len(CASES) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
