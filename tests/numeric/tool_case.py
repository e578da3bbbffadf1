"""Runs small models by the reference evaluator and by compiler and simulator, and holds them against wanted outputs."""

import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import onnx_write as ow  # noqa: E402

NUMPY = {"float32": ow.FLOAT, "float16": ow.FLOAT16, "float64": ow.DOUBLE, "int64": ow.INT64, "int32": ow.INT32, "bool": ow.BOOL}


def info(named):
    return [(k, NUMPY[str(v.dtype)], list(v.shape)) for k, v in named.items()]


def model(nodes, inputs, outputs, init=None, opset=18, domains=None):
    """inputs and outputs: {name: array}."""
    return ow.model(nodes, info(inputs), info(outputs), init or {}, opset=opset, domains=domains or {})


def run(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return (done.stdout or "exit status %d" % done.returncode) if done.returncode else ""


def try_model(binaries, data, inputs, outputs, rtol, atol, *options):
    """What is wrong, or an empty text; options are bitletc's."""
    with tempfile.TemporaryDirectory() as folder:
        file, binary = os.path.join(folder, "m.onnx"), os.path.join(folder, "m.blt")
        with open(file, "wb") as f:
            f.write(data)
        feeds = []
        for k, v in enumerate(inputs.values()):
            feeds += ["--inputs", os.path.join(folder, f"input_{k}.npy")]
            np.save(feeds[-1], v)
        for k, v in enumerate(outputs.values()):
            np.save(os.path.join(folder, f"output_{k}.npy"), v)
        expect = ["--expect", folder, "--rtol", str(rtol), "--atol", str(atol)]
        tools = [os.path.join(binaries, t) for t in ("onnx-eval", "bitletc", "bitlet-isa-sim")]
        why = run(tools[0], file, *feeds, *expect)
        return why or run(tools[1], file, "-o", binary, *options) or run(tools[2], binary, "--quiet", *feeds, *expect)


class Count:
    def __init__(self):
        self.passed = self.failed = 0

    def note(self, name, why):
        self.passed, self.failed = self.passed + (not why), self.failed + bool(why)
        if why:
            print(f"FAILED {name}: {why.strip()[:1500]}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
