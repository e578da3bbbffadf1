#!/usr/bin/env python3
"""The rules of the house that a compiler does not check: what may include what, who may allocate, who may
end the process, and that documents name what exists. Ends with "N passed, N failed"."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ("ir/base", "ir/host", "ir", "isa", "sim", "frontend", "passes", "backend")

# Whose headers a part may include, besides its own. A main sits on top: it may include what its line allows too.
MAY_INCLUDE = {
    "ir/base": (),
    "isa": ("ir/base",),
    "ir/host": ("ir/base",),
    "sim": ("ir/base", "ir/host", "isa"),
    "ir": ("ir/base", "ir/host"),
    "frontend": ("ir/base", "ir/host", "ir"),
    "passes": ("ir/base", "ir/host", "ir"),
    "backend": ("ir/base", "ir", "isa"),
}
SINGLE_HEADERS = {"passes": ("machine.h", "machine.def", "image.h")}  # of isa, the numbers and not the instructions
MAINS = {
    "frontend": (r"^bitletc\w*\.[ch]$", ("passes", "backend", "isa", "sim")),
    "passes": (r"^bitlet_opt\w*\.[ch]$", ()),
}

# Where memory may be had other than from an arena, and why.
ALLOCATES = {
    "ir/base/arena.c": "it is the allocator",
}
# Where a process may be ended other than by a main's return.
ENDS_PROCESS = {
    "ir/base/arena.c": "bitlet_fatal and bitlet_bug",
}
ALLOCATION = re.compile(r"(?<![\w.>])(?:malloc|calloc|realloc|free|strdup|strndup|asprintf|posix_memalign|"
                        r"aligned_alloc|reallocarray)\s*\(")
ENDING = re.compile(r"(?<![\w.>])(?:exit|abort|_exit|_Exit|quick_exit)\s*\(")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
SAME_NAME_IS_FINE = {"CMakeLists.txt", "README.md"}
README_LINES_MAX = 30
TOP = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "bootstrap.sh", "frontend", "ir", "passes", "backend", "isa", "sim", "tests"}


def all_files():
    for where, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders
                            if not f.startswith("build") and f != "__pycache__" and (f == ".ci" or f[0] != "."))
        for name in sorted(files):
            yield os.path.relpath(os.path.join(where, name), ROOT)


FILES = list(all_files())


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def part_of(path):
    folder = os.path.dirname(path)
    return next((p for p in PARTS if folder == p or folder.startswith(p + "/")), None)


def sources(*suffixes):
    return [f for f in FILES if part_of(f) and f.endswith(suffixes or (".c", ".h", ".l", ".y"))]


def without_comments_and_strings(text):
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, lambda m: "\n" * m[0].count("\n") or " ", text, flags=re.S)


def lines_matching(path, pattern, text):
    for match in pattern.finditer(text):
        yield "%s:%d: %s" % (path, text.count("\n", 0, match.start()) + 1, match[0].strip())


def includes_follow_the_direction():
    owner = {}
    for f in FILES:
        if part_of(f) and f.endswith((".h", ".def")):
            owner[os.path.basename(f)] = part_of(f)
    for f in sources(".c", ".h", ".l", ".y", ".def"):
        part, name = part_of(f), os.path.basename(f)
        allowed = {part} | set(MAY_INCLUDE[part])
        if part in MAINS and re.match(MAINS[part][0], name):
            allowed |= set(MAINS[part][1])
        for header in re.findall(r'^\s*#\s*include\s+"([^"]+)"', read(f), flags=re.M):
            if "/" in header:
                yield "%s: includes \"%s\" by a path" % (f, header)
            elif header in owner and owner[header] not in allowed and header not in SINGLE_HEADERS.get(part, ()):
                yield "%s (%s) includes %s (%s)" % (f, part, header, owner[header])


def nothing_includes_a_main():
    for f in sources():
        for header in re.findall(r'^\s*#\s*include\s+"([^"]+\.c)"', read(f), flags=re.M):
            yield "%s: includes %s" % (f, header)


def memory_comes_from_arenas():
    for f in sources():
        if f not in ALLOCATES:
            yield from lines_matching(f, ALLOCATION, without_comments_and_strings(read(f)))


def exceptions_are_needed():
    for table, pattern in ((ALLOCATES, ALLOCATION), (ENDS_PROCESS, ENDING)):
        for f in table:
            if f in FILES and not pattern.search(without_comments_and_strings(read(f))):
                yield "%s: its exception is not needed any more" % f


def processes_end_in_mains():
    for f in sources():
        text = without_comments_and_strings(read(f))
        if f not in ENDS_PROCESS and not re.search(r"^int main\(", text, flags=re.M):
            yield from lines_matching(f, ENDING, text)


def nothing_is_left_unfinished():
    for f in FILES:
        if f.endswith((".c", ".h", ".l", ".y", ".def", ".py", ".sh", ".txt", ".proto")) and f != "tests/house/house.py":
            yield from lines_matching(f, UNFINISHED, read(f))


def file_names_are_unique():
    seen = {}
    for f in FILES:
        name = os.path.basename(f)
        if name in SAME_NAME_IS_FINE or not (part_of(f) or f.endswith((".c", ".h", ".py"))):
            continue
        if name in seen:
            yield "%s and %s" % (seen[name], f)
        seen[name] = f


def headers_open_with_a_comment():
    for f in sources(".h"):
        text = read(f)
        if not text.startswith("//"):
            yield f + ": no comment on top"


def parts_are_described():
    for part in PARTS[1:] + ("tests",):
        if any(part_of(f) == part or f.startswith(part + "/") for f in FILES) and part + "/README.md" not in FILES:
            yield part + " has no README.md"
        elif part + "/README.md" in FILES and read(part + "/README.md").count("\n") > README_LINES_MAX:
            yield "%s/README.md is longer than %d lines" % (part, README_LINES_MAX)


def documents_name_what_exists():
    """Links, and words in backquotes that look like a file of the tree."""
    known = set(FILES) | {os.path.basename(f) for f in FILES}
    for f in FILES:
        if not f.endswith(".md") or os.path.basename(f) in ("ISA.md", "OPS.md"):
            continue
        text, folder = read(f), os.path.dirname(f)
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in link and not os.path.exists(os.path.join(ROOT, folder, link)):
                yield "%s: links to %s" % (f, link)
        for word in re.findall(r"`([\w./-]+\.(?:c|h|def|py|sh|md|l|y|proto|cmake|json))`", text):
            if word not in known and os.path.join(folder, word) not in known:
                yield "%s: names %s" % (f, word)


def the_top_is_closed():
    for f in FILES:
        top = f.split("/")[0]
        if top[0] != "." and top not in TOP:
            yield f + ": nothing else stands at the top"


CHECKS = (the_top_is_closed, includes_follow_the_direction, nothing_includes_a_main, memory_comes_from_arenas, exceptions_are_needed,
          processes_end_in_mains, nothing_is_left_unfinished, file_names_are_unique, headers_open_with_a_comment,
          parts_are_described, documents_name_what_exists)


def main():
    failed = 0
    for check in CHECKS:
        wrong = list(check())
        failed += bool(wrong)
        if wrong:
            print("FAIL %s" % check.__name__.replace("_", " "))
            print("".join("  %s\n" % line for line in wrong), end="")
    print("%d passed, %d failed" % (len(CHECKS) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
