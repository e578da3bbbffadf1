#!/usr/bin/env python3
"""The float models of ../shared/models against their reference outputs.

    models.py --bin BUILD/bin [--tool eval|sim] [-k NAME] [-j N]

The tools as in conform.py. Ends with "N passed, N failed"; status 77 without ../shared.
"""
import argparse
import concurrent.futures
import os
import sys
import tempfile
import time

import conform

MODELS = os.path.join(os.path.dirname(conform.ROOT), "shared", "models")
# ONNX Runtime with and without optimisation differs by more than 1e-3 in these.
LOOSE = {"cct_2_32": "1e-2"}
NAMES = ("mnist_cnn", "resnet8_cifar", "mobilenetv2_nsfw", "inceptionv3_nsfw", "ultraface_rfb320", "yolox_nano", "bodypix_mbv1_050",
         "tbefn_180x320", "lapsrn_x2", "super_resolution_10", "fast_style_udnie_224", "meshnet3d_gwm", "cct_2_32", "silero_vad_16k",
         "silero_vad_half", "byte_sb_bidi_lstm", "stories260k", "magika_v3_3", "hey_jarvis")


def run(options, index, name):
    case = conform.Case(os.path.join(MODELS, name), name)
    manifest = conform.Manifest(os.devnull, options.tool)
    manifest.tolerance[name] = (LOOSE.get(name, "1e-3"), "1e-4")
    start = time.monotonic()
    status, output, command = conform.Runner(options, manifest, options.scratch).run(index, case)
    return name, status, output, " ".join(command), time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the tools")
    parser.add_argument("--tool", choices=("eval", "sim"), default="eval")
    parser.add_argument("-k", metavar="NAME", default="", help="only models whose name contains NAME")
    parser.add_argument("-j", metavar="N", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    options.rtol, options.atol, options.precision, options.timeout = "1e-3", "1e-4", None, 1200
    if not os.path.isdir(MODELS):
        print("skipped: %s is not there" % MODELS)
        return conform.SKIPPED
    names = [n for n in NAMES if options.k in n]
    failed = 0
    with tempfile.TemporaryDirectory() as options.scratch, concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        for name, status, output, command, seconds in pool.map(lambda i: run(options, i, names[i]), range(len(names))):
            failed += status != 0
            print("%-6s %-22s %5.1f s" % ("ok" if status == 0 else "FAILED", name, seconds))
            print("".join("    %s\n" % line for line in output.splitlines()[:20]), end="")
            if status != 0:
                print("    " + command)
            sys.stdout.flush()
    print("%d passed, %d failed" % (len(names) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
