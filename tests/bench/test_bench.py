#!/usr/bin/env python3
"""What the benchmarks measure and does not depend on the speed of the machine: memory, growth with the number of nodes, equal
bytes for any number of threads, and that the script prints, saves and compares. Ends with "N passed, N failed"."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BIN, WORK = sys.argv[1:3]
try:
    import numpy  # noqa: F401
except ImportError:
    print("skipped: no numpy")
    sys.exit(77)
sys.path.insert(0, HERE)
import bench_models

MB = 1 << 20
BASE = 24 * MB  # the program itself, and what it keeps about a small graph


# A child's peak begins with that of the process that forked it, so a small one does.
MEASURE = """import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(child.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)"""


def measure(tool, *args):
    """Processor seconds and peak bytes."""
    out = subprocess.run([sys.executable, "-S", "-c", MEASURE, os.path.join(BIN, tool), *args],
                         stdout=subprocess.PIPE, text=True, check=True)
    status, seconds, peak = out.stdout.split()
    if status != "0":
        raise RuntimeError("%s %s: status %s" % (tool, " ".join(args), status))
    return float(seconds), int(peak)


def compiler(*args):
    return measure("bitletc", *args)


def cnn(path):
    """30 MB of convolutions with BatchNormalization, payloads at odd addresses of the file."""
    n = bench_models.Net(7)
    x = n.relu(n.conv("image", 3, 512, 3, 2))
    for _ in range(3):
        x = n.relu(n.conv(x, 512, 512, 3))
    bench_models.finish(path, n, [("image", bench_models.ow.FLOAT, [1, 3, 16, 16])], [1, 512, 8, 8])


def memory_of_a_model_inside_its_file():
    model, out = os.path.join(WORK, "cnn.onnx"), os.path.join(WORK, "cnn.blt")
    cnn(model)
    size = os.path.getsize(model)
    for p in ("fp32", "int8"):
        _, peak = compiler(model, "-p", p, "-o", out)
        assert peak <= 2.5 * size + BASE, "%s: %.1f MB for a file of %.1f MB" % (p, peak / MB, size / MB)


def memory_of_a_model_with_external_data():
    rows, parts = 4096, 6
    model, out = os.path.join(WORK, "external.onnx"), os.path.join(WORK, "external.blt")
    bench_models.external(model, rows, parts)
    for p in ("fp32", "int8"):
        _, peak = compiler(model, "-p", p, "-o", out)
        bound = 1.2 * rows * 4096 * 4 + os.path.getsize(out) + BASE
        assert peak <= bound, "%s: %.1f MB, the bound is %.1f MB" % (p, peak / MB, bound / MB)
    os.unlink(out)


def wide_cnn(path, side, channels):
    """Convolutions whose activations are far larger than their weights. Gives the bytes of the two tensors that are live."""
    n = bench_models.Net(9)
    x = n.relu(n.conv("image", 3, channels, 3))
    for _ in range(2):
        x = n.relu(n.conv(x, channels, channels, 3))
    bench_models.finish(path, n, [("image", bench_models.ow.FLOAT, [1, 3, side, side])], [1, channels, side, side])
    return 2 * 4 * channels * side * side


def memory_of_the_simulator():
    """The binary, twice the largest live activations, and 64 MB."""
    many, wide, out = (os.path.join(WORK, name) for name in ("cnn.onnx", "wide_cnn.onnx", "simulated.blt"))
    cnn(many)
    cases = [(many, 2 * 4 * 512 * 8 * 8), (wide, wide_cnn(wide, 384, 16))]
    for model, live in cases:
        for p in ("fp32", "int16", "int8"):
            compiler(model, "-p", p, "-o", out)
            for datapath in ("vector", "fast"):
                _, peak = measure("bitlet-isa-sim", out, "--datapath", datapath, "--threads", "2")
                bound = os.path.getsize(out) + 2 * live + 64 * MB
                assert peak <= bound, "%s %s %s: %.1f MB, the bound is %.1f MB" % (
                    os.path.basename(model), p, datapath, peak / MB, bound / MB)
                if os.environ.get("BENCH_VERBOSE"):
                    print("%s %s %s: %.1f of %.1f MB" % (os.path.basename(model), p, datapath, peak / MB, bound / MB))


def threads_do_not_change_the_output():
    model = os.path.join(WORK, "cnn.onnx")
    cnn(model)
    for p in ("fp32", "int8", "w4a8"):
        images = []
        for threads in ("1", "2", "7"):
            out = os.path.join(WORK, "threads.blt")
            compiler(model, "-p", p, "--threads", threads, "-o", out)
            with open(out, "rb") as f:
                images.append(f.read())
        assert images[0] == images[1] == images[2], p


def growth(kind, p):
    """Processor seconds for 5,000 and 20,000 nodes."""
    seconds = []
    for nodes in (5000, 20000):
        model = os.path.join(WORK, "graph.onnx")
        kind(model, nodes)
        seconds.append(compiler(model, "-p", p, "-o", os.path.join(WORK, "graph.blt"))[0])
    return seconds


def time_grows_with_the_nodes():
    for kind in (bench_models.chain, bench_models.wide):
        for p in ("fp32", "int8"):
            # Four times the nodes: quadratic would be sixteen times. Other work on the machine may disturb one try.
            tries = []
            while len(tries) < 3 and not (tries and tries[-1][1] <= 8 * tries[-1][0] + 0.2):
                tries.append(growth(kind, p))
            assert tries[-1][1] <= 8 * tries[-1][0] + 0.2, "%s %s: %s" % (kind.__name__, p, tries)


def bench(*args):
    return subprocess.run([sys.executable, os.path.join(HERE, "run"), "--bin", BIN, "--work", WORK, *args],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def the_script_saves_and_compares():
    first, worse = os.path.join(WORK, "first.json"), os.path.join(WORK, "worse.json")
    out = bench("--only", "graphs", "--rounds", "1", "--ort", os.path.join(WORK, "nowhere"), "--json", first)
    assert out.returncode == 0 and "bitletc chain fp32" in out.stdout and "not there: ONNX Runtime" in out.stdout, out.stdout
    with open(first, encoding="utf-8") as f:
        saved = json.load(f)
    assert [r["name"] for r in saved["rows"]] == ["bitletc %s %s" % (m, p) for m in ("chain", "wide") for p in ("fp32", "int8")]
    assert all(r["seconds"]["min"] <= r["seconds"]["median"] <= r["seconds"]["max"] and r["memory"] > MB for r in saved["rows"])
    saved["rows"][1]["seconds"]["median"] *= 1.2
    with open(worse, "w", encoding="utf-8") as f:
        json.dump(saved, f)
    assert bench("--compare", first, first).returncode == 0
    out = bench("--compare", first, worse)
    assert out.returncode == 1 and out.stdout.count("WORSE") == 1, out.stdout
    assert bench("--compare", worse, first).returncode == 0
    assert bench("--only", "nonsense").returncode == 2


TESTS = (memory_of_a_model_inside_its_file, memory_of_a_model_with_external_data, memory_of_the_simulator, threads_do_not_change_the_output,
         time_grows_with_the_nodes, the_script_saves_and_compares)


def main():
    os.makedirs(WORK, exist_ok=True)
    failed = 0
    for test in TESTS:
        try:
            test()
        except (AssertionError, RuntimeError) as e:
            failed += 1
            print("FAIL %s: %s" % (test.__name__.replace("_", " "), e))
    print("%d passed, %d failed" % (len(TESTS) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
