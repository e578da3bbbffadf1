#!/usr/bin/env python3
"""Adds up what several runs say: ctest's JUnit files, and NAME=STATUS words for single steps.

    summarize.py release.xml asan.xml build=0 format=1

A test that prints "N passed, N failed[, N skipped]" last counts as that many; any other counts as one.
The last line printed is the sum, in the same words; the status is 1 when anything failed or nothing ran.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", re.M)


def count_case(case):
    """(passed, failed, skipped) of one ctest test."""
    status = case.get("status")
    if status in ("disabled", "notrun") or case.find("skipped") is not None:
        # ctest calls a test whose program was not built "notrun": that is a failure, an asked-for skip is not.
        asked = status == "disabled" or "SKIP" in (case.findtext("skipped") or case.find("skipped").get("message", ""))
        return (0, 0, 1) if asked else (0, 1, 0)
    found = COUNTS.findall(case.findtext("system-out") or "")
    passed, failed, skipped = (int(n or 0) for n in found[-1]) if found else (0, 0, 0)
    if status == "run" and case.find("failure") is None:
        return (passed, failed, skipped) if found else (1, 0, 0)
    return passed, max(failed, 1), skipped


def count_junit(path):
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as e:
        print("%s: %s" % (path, e))
        return 0, 1, 0
    if not cases:
        return 0, 1, 0
    return tuple(sum(n) for n in zip(*(count_case(c) for c in cases)))


def show(name, counts):
    print("%-28s %s" % (name, in_words(counts)))


def in_words(counts):
    passed, failed, skipped = counts
    return "%d passed, %d failed" % (passed, failed) + (", %d skipped" % skipped if skipped else "")


def main(words):
    total = (0, 0, 0)
    for word in words:
        name, step, status = word.partition("=")
        if step:
            counts = (1, 0, 0) if status == "0" else (0, 1, 0)
        else:
            counts = count_junit(word)
            name = re.sub(r"^.*/|\.xml$", "", word)
        show(name, counts)
        total = tuple(a + b for a, b in zip(total, counts))
    print(in_words(total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
