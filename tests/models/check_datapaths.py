"""Simulates one model with datapath rtl and with datapath vector, at every precision: each output byte, each cycle and each other statistic
must be equal. Standard library only.

    check_datapaths.py --bin DIR --model FILE --inputs DIR|FILE

The inputs calibrate too. Ends with "N passed, N failed"; exit status 77 when there is no such model.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

PRECISIONS = ("fp32", "fp16", "int1", "int4", "int7", "int8", "int16", "int24")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError("%s\n%s" % (" ".join(command), done.stdout[-2000:]))


def simulate(args, image, datapath, work):
    """(bytes of every output file, statistics without what names the datapath)."""
    folder, stats = os.path.join(work, datapath), os.path.join(work, datapath + ".json")
    run(os.path.join(args.bin, "bitlet-isa-sim"), image, "--datapath", datapath, "--inputs", args.inputs, "--outputs", folder, "--stats", stats)
    outputs = {name: open(os.path.join(folder, name), "rb").read() for name in sorted(os.listdir(folder))}
    numbers = json.load(open(stats))
    del numbers["options"]
    return outputs, numbers


def agrees(args, precision, work):
    image = os.path.join(work, "model.blt")
    run(os.path.join(args.bin, "bitletc"), args.model, "-p", precision, "--calibrate", args.inputs, "-o", image)
    literal, wide = simulate(args, image, "rtl", work), simulate(args, image, "vector", work)
    for what, a, b in zip(("outputs", "statistics"), literal, wide):
        if a != b:
            print("%s: %s of rtl and vector differ: %s" % (precision, what, [k for k in a if a[k] != b.get(k)]))
            return False
    if not literal[0] or literal[1]["total"]["cycles"] <= 0:
        print("%s: nothing was simulated" % precision)
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--inputs", required=True)
    args = parser.parse_args()
    if not os.path.exists(args.model):
        print("%s is not here; skipped" % args.model)
        return 77
    passed = 0
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory(prefix="bitlet-datapaths-") as work:
            try:
                passed += agrees(args, precision, work)
            except RuntimeError as failure:
                print("%s: %s" % (precision, failure))
    print("%d passed, %d failed" % (passed, len(PRECISIONS) - passed))
    return passed != len(PRECISIONS)


if __name__ == "__main__":
    sys.exit(main())
