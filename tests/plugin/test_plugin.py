#!/usr/bin/env python3
"""A model with operators of a plugin: compiled, simulated and evaluated, against numpy; and what users are told without the plugin or with
wrong nodes.

    test_plugin.py BIN PLUGIN.so BROKEN.so
"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not there")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "tools"))
import onnx_write as ow

BIN, PLUGIN, BROKEN = sys.argv[1:4]
STRING = 8
failures = 0


def check(what, good, text=""):
    global failures
    if not good:
        failures += 1
        print("FAILED %s\n%s" % (what, text))


def run(tool, *args):
    done = subprocess.run([os.path.join(BIN, tool)] + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode()


def strings(values):
    return [(1, len(values)), (2, STRING)] + [(6, v) for v in values]


def node(op, inputs, outputs, **attributes):
    return ow.node(op, inputs, outputs, **attributes) + [(7, "com.example.geo")]


def model(nodes, inputs, outputs, initializers, version=1):
    graph = [(1, n) for n in nodes] + [(2, "g")] + [(5, t) for t in initializers]
    graph += [(11, ow.value_info(*i)) for i in inputs] + [(12, ow.value_info(*o)) for o in outputs]
    return ow.encode([(1, 8), (7, graph), (8, [(1, ""), (2, 17)]), (8, [(1, "com.example.geo"), (2, version)])])


PLACES = np.array([[52.52, 13.405], [48.8566, 2.3522], [35.6762, 139.6503]], np.float32)
POINTS = np.array([[50.94, 6.96], [34.7, 135.5], [52.4, 13.1], [-33.9, 151.2]], np.float32)


def haversine(a, b, radius):
    a, b = np.radians(a.astype(np.float64))[:, None], np.radians(b.astype(np.float64))[None]
    h = np.sin((b - a)[..., 0] / 2) ** 2 + np.cos(a[..., 0]) * np.cos(b[..., 0]) * np.sin((b - a)[..., 1] / 2) ** 2
    return (2 * radius * np.arcsin(np.sqrt(h))).astype(np.float32)


def whole_model(folder):
    """Points -> half their distances (an operator of ONNX between the plugin's), and names."""
    nodes = [node("Haversine", ["points", "places"], ["km"]), ow.node("Mul", ["km", "half"], ["halves"]),
             node("NearestName", ["km", "names"], ["name"], far="too far", limit=1000.0)]
    inits = [ow.tensor(PLACES, "places"), ow.tensor(np.array(0.5, np.float32), "half"), strings(["Berlin", "Paris", "Tokyo"]) + [(8, "names")]]
    path = os.path.join(folder, "model.onnx")
    with open(path, "wb") as f:
        f.write(model(nodes, [("points", ow.FLOAT, [4, 2])], [("halves", ow.FLOAT, [4, 3]), ("name", STRING, [4])], inits))
    km = haversine(POINTS, PLACES, 6371.0088)
    best = km.argmin(1)
    names = ["%s %.0f" % (("Berlin", "Paris", "Tokyo")[k], km[i, k]) if km[i, k] <= 1000 else "too far" for i, k in enumerate(best)]
    check("the example tells near from far", names[3] == "too far" and names[0] != "too far", str(names))
    for name, data in (("input_0", ow.tensor(POINTS)), ("output_0", ow.tensor(km / 2)), ("output_1", strings(names))):
        with open(os.path.join(folder, name + ".pb"), "wb") as f:
            f.write(ow.encode(data))
    return path


def main():
    with tempfile.TemporaryDirectory() as folder:
        path, blt = whole_model(folder), os.path.join(folder, "m.blt")
        for precision in ("fp32", "int8"):
            status, text = run("bitletc", path, "-o", blt, "--plugin", PLUGIN, "-p", precision)
            check("bitletc " + precision, status == 0, text)
            status, text = run("bitlet-isa-sim", blt, "--plugin", PLUGIN, "--inputs", folder, "--expect", folder)
            check("bitlet-isa-sim " + precision, status == 0, text)
        status, text = run("onnx-eval", path, "--plugin", PLUGIN, "--inputs", folder, "--expect", folder)
        check("onnx-eval", status == 0, text)
        status, text = run("bitlet-isa-sim", blt, "--inputs", folder)
        check("the simulator without the plugin", status == 1 and "geo_haversine" in text and "--plugin" in text, text)
        status, text = run("bitletc", path, "-o", blt)
        check("the compiler without the plugin", status == 1 and "Haversine" in text and "node 0" in text and "--plugin" in text, text)
        status, text = run("bitletc", "--plugin", PLUGIN, "--list-ops")
        check("--list-ops", status == 0 and "com.example.geo.Haversine" in text, text)
        for what, nodes, words in (
                ("a wrong shape", [node("Haversine", ["points", "flat"], ["y"])], "[N, 2]"),
                ("a wrong type", [node("Haversine", ["points", "ints"], ["y"])], "signatures"),
                ("an unknown attribute", [node("Haversine", ["points", "places"], ["y"], speed=3.0)], "speed"),
                ("an attribute of the wrong kind", [node("Haversine", ["points", "places"], ["y"], radius=3)], "radius"),
                ("a radius that cannot be", [node("Haversine", ["points", "places"], ["y"], radius=-3.0)], "positive")):
            inits = [ow.tensor(PLACES, "places"), ow.tensor(PLACES.ravel(), "flat"), ow.tensor(PLACES.astype(np.int64), "ints")]
            with open(path, "wb") as f:
                f.write(model(nodes, [("points", ow.FLOAT, [4, 2])], [("y", ow.FLOAT, [4, 3])], inits))
            status, text = run("bitletc", path, "-o", blt, "--plugin", PLUGIN)
            check(what, status == 1 and words in text and "node 0" in text, text)
        with open(path, "wb") as f:
            f.write(model([node("Haversine", ["points", "places"], ["y"])], [("points", ow.FLOAT, [4, 2])], [("y", ow.FLOAT, [4, 3])],
                          [ow.tensor(PLACES * 3, "places")]))
        status, text = run("bitletc", path, "-o", blt, "--plugin", PLUGIN)
        check("bitletc, latitudes in data", status == 0, text)
        status, text = run("bitlet-isa-sim", blt, "--plugin", PLUGIN, "--inputs", folder)
        check("what the function says stops the program", status == 1 and "latitude" in text, text)
        for library in (BROKEN, os.path.join(folder, "none.so"), path):
            status, text = run("bitletc", path, "-o", blt, "--plugin", library)
            check("a library that is none: " + library, status == 1 and "error[plugin]" in text, text)
    print("%d failed" % failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
