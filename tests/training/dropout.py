"""Dropout in training, compiled and simulated: how many elements go, what the others become, what the seed decides.

    dropout.py --bin BUILD/bin

Ends with "N passed, N failed".
"""

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import onnx_write as ow  # noqa: E402

SHAPE = (32, 128)


def run(binaries, ratio, seed, training):
    """(x, y, mask); ratio and training_mode are inputs of the model."""
    x = np.random.default_rng(1).uniform(1, 2, SHAPE).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        model, binary = os.path.join(folder, "m.onnx"), os.path.join(folder, "m.blt")
        info = [("x", ow.FLOAT, list(SHAPE)), ("ratio", ow.FLOAT, []), ("mode", ow.BOOL, [])]
        outputs = [("y", ow.FLOAT, list(SHAPE)), ("mask", ow.BOOL, list(SHAPE))]
        with open(model, "wb") as f:
            f.write(ow.model([ow.node("Dropout", ["x", "ratio", "mode"], ["y", "mask"], seed=seed)], info, outputs, {}))
        feeds = []
        for name, value in (("x", x), ("ratio", np.array(ratio, "float32")), ("mode", np.array(training))):
            feeds += ["--inputs", os.path.join(folder, name + ".npy")]
            np.save(feeds[-1], value)
        subprocess.run([os.path.join(binaries, "bitletc"), model, "-o", binary], check=True)
        subprocess.run([os.path.join(binaries, "bitlet-isa-sim"), binary, "--quiet", *feeds, "--outputs", folder], check=True)
        return x, np.load(os.path.join(folder, "output_0.npy")), np.load(os.path.join(folder, "output_1.npy"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    binaries = parser.parse_args().bin
    checks = {}
    masks = {}
    for ratio, seed in ((0.25, 5), (0.75, 5), (0.25, 6)):
        x, y, masks[ratio, seed] = run(binaries, ratio, seed, True)
        mask = masks[ratio, seed].astype(bool)
        deviation = 5 * np.sqrt(ratio * (1 - ratio) / x.size)
        checks[f"ratio {ratio}, seed {seed}: share of zeros"] = abs((~mask).mean() - ratio) < deviation
        checks[f"ratio {ratio}, seed {seed}: zeros where the mask is false"] = not y[~mask].any()
        checks[f"ratio {ratio}, seed {seed}: the others scaled"] = np.allclose(y[mask], x[mask] / (1 - ratio), rtol=1e-6)
    checks["a seed repeats"] = (run(binaries, 0.25, 5, True)[2] == masks[0.25, 5]).all()
    checks["another seed differs"] = (masks[0.25, 6] != masks[0.25, 5]).any()
    x, y, mask = run(binaries, 0.25, 5, False)
    checks["identity when inferring"] = (x == y).all() and mask.all()
    for name in (n for n, good in checks.items() if not good):
        print(f"FAILED {name}")
    failed = sum(not good for good in checks.values())
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
