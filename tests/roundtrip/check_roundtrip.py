"""What must come back unchanged, on the demo model and, where they are, on trained models. Standard library only.

    check_roundtrip.py --bin DIR MODEL.onnx|FOLDER..

For each model at fp32 and int8: two compilations give equal bytes; assembler text of the binary assembles to equal bytes; readelf
reads it; the IR text after every pass parses and prints to itself, and compiling goes on from the last dump to an equal binary. Ends with
"N passed, N failed"; exit status 77 when no argument exists.
"""

import argparse
import filecmp
import glob
import os
import subprocess
import sys
import tempfile

SHAPES = {"bodypix_mbv1_050": ["--shape", "input=1x257x257x3"]}
SKIPPED = ("lapsrn_x4",)  # too long for what it adds


class Checker:
    def __init__(self, bin_dir, work):
        self.bin, self.work, self.passed, self.failed = bin_dir, work, 0, 0

    def run(self, tool, *args, **kwargs):
        path = os.path.join(self.bin, tool)
        command = [path if os.path.exists(path) else tool, *args]
        done = subprocess.run(command, capture_output=True, timeout=600, **kwargs)
        if done.returncode != 0:
            print("$", " ".join(command), "\n", done.stderr.decode(errors="replace")[-600:])
        return done

    def verdict(self, what, ok):
        self.passed, self.failed = self.passed + bool(ok), self.failed + (not ok)
        if not ok:
            print("FAIL", what, flush=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def dumps(self, what, folder):
        """Every dump prints to itself."""
        for dump in sorted(glob.glob(os.path.join(folder, "*.bir"))):
            again = os.path.join(folder, "again.bir")
            ok = self.run("bitlet-opt", dump, "-o", again).returncode == 0
            # The blob file of a print stands beside it under its own name; everything else is equal to the byte.
            names = ["again.bir.bin", "consts.bin"]
            texts = [open(p).read().splitlines() for p in (again, dump)] if ok else [[], []]
            strip = [[line.split(" = blob(")[0] if " = blob(" in line else line for line in t] for t in texts]
            self.verdict(f"{what} {os.path.basename(dump)} prints to itself ({names[0]})", ok and strip[0] == strip[1])
            third = os.path.join(folder, "third.bir")
            ok = ok and self.run("bitlet-opt", again, "-o", third).returncode == 0
            third_text = open(third).read().replace("third.bir.bin", "again.bir.bin") if ok else ""
            self.verdict(f"{what} {os.path.basename(dump)} is a fixed point", ok and third_text == open(again).read())
        return sorted(p for p in glob.glob(os.path.join(folder, "*.bir")) if os.path.basename(p)[0].isdigit())

    def model(self, onnx, name, precision):
        what, options = f"{name} {precision}", ["-p", precision, *SHAPES.get(name, [])]
        first, second, third = self.path("first.blt"), self.path("second.blt"), self.path("third.blt")
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            one = self.run("bitletc", onnx, *options, "-o", first, "--dump-ir=all", "--dump-dir", folder)
            two = self.run("bitletc", onnx, *options, "-o", second)
            built = one.returncode == 0 and two.returncode == 0
            self.verdict(f"{what} compiles", built)
            if not built:
                return
            self.verdict(f"{what} compiled twice", filecmp.cmp(first, second, shallow=False))
            dumps = self.dumps(what, folder)
            self.run("bitletc", dumps[-1], "-o", second)
            self.verdict(f"{what} from its last dump", filecmp.cmp(first, second, shallow=False))
        text = self.path("text.s")
        with open(text, "wb") as f:
            f.write(self.run("bitlet-objdump", "-d", first).stdout)
        self.verdict(f"{what} assembles", self.run("bitlet-as", text, "-o", third).returncode == 0 and filecmp.cmp(first, third, shallow=False))
        sections = self.run("readelf", "-S", "-W", first)
        self.verdict(f"{what} readelf", sections.returncode == 0 and b".bitlet.machine" in sections.stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--bin", required=True)
    p.add_argument("models", nargs="+", help="an .onnx file, or a folder of folders with model.onnx (left out when missing)")
    args = p.parse_args()
    if not any(os.path.exists(m) for m in args.models):
        print("skipped: there is no", *args.models)
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="bitlet-roundtrip-") as work:
        check = Checker(args.bin, work)
        for model in args.models:
            files = [model] if model.endswith(".onnx") else sorted(glob.glob(os.path.join(model, "*", "model.onnx")))
            for onnx in files:
                name = os.path.basename(os.path.dirname(onnx)) if onnx.endswith("model.onnx") else os.path.basename(onnx)
                if name in SKIPPED or os.path.getsize(onnx) > 30_000_000:
                    continue
                if not model.endswith(".onnx") and subprocess.run(
                    [os.path.join(args.bin, "bitletc"), onnx, *SHAPES.get(name, []), "--emit", "ir", "--stop-after", "infer", "-o", os.devnull], capture_output=True
                ).returncode != 0:
                    continue  # not importable: what the model tests say
                for precision in ("fp32", "int8"):
                    check.model(onnx, name, precision)
        print(f"{check.passed} passed, {check.failed} failed")
        sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
