"""Writes ONNX models and tensors with nothing but the standard library and (for arrays) numpy.

A message is a list of (field number, value): int -> varint, bytes or str -> length-delimited, float -> 32-bit, list -> nested
message. Field numbers are those of the ONNX format.
"""

import struct

FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32, UINT64, COMPLEX64, COMPLEX128 = range(1, 16)
BFLOAT16, FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, UINT4, INT4, FLOAT4E2M1, FLOAT8E8M0, UINT2, INT2 = range(16, 27)
_NUMPY = {"float32": FLOAT, "uint8": UINT8, "int8": INT8, "uint16": UINT16, "int16": INT16, "int32": INT32, "int64": INT64, "bool": BOOL,
          "float16": FLOAT16, "float64": DOUBLE, "complex64": COMPLEX64, "complex128": COMPLEX128, "uint32": UINT32, "uint64": UINT64}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(fields):
    out = bytearray()
    for number, value in fields:
        if isinstance(value, bool) or isinstance(value, int):
            out += varint(number << 3) + varint(int(value))
        elif isinstance(value, float):
            out += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            if isinstance(value, list):
                value = encode(value)
            elif isinstance(value, str):
                value = value.encode()
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return bytes(out)


def tensor(array, name=""):
    fields = [(1, int(d)) for d in array.shape] + [(2, _NUMPY[str(array.dtype)])]
    if name:
        fields.append((8, name))
    return fields + [(9, array.tobytes())]


class Graph(list):
    """The fields of a graph that is an attribute's value."""


def graph(nodes, inputs, outputs, initializers=None, name="body"):
    """Body of an operator. inputs and outputs: (name, type, shape); shape None: not told."""
    fields = [(1, n) for n in nodes] + [(2, name)] + [(5, tensor(a, n)) for n, a in (initializers or {}).items()]
    return Graph(fields + [(11, value_info(*i)) for i in inputs] + [(12, value_info(*o)) for o in outputs])


class Sparse:
    """A tensor by some of its elements: values[k] at indices[k], flat or one for each dimension."""

    def __init__(self, values, indices, shape):
        self.values, self.indices, self.shape = values, indices, shape

    def message(self, name=""):
        return [(1, tensor(self.values, name)), (2, tensor(self.indices))] + [(3, int(d)) for d in self.shape]


def attribute(name, value):
    if isinstance(value, Graph):
        return [(1, name), (6, list(value)), (20, 5)]
    if isinstance(value, Sparse):
        return [(1, name), (22, value.message()), (20, 11)]
    if isinstance(value, float):
        return [(1, name), (2, value), (20, 1)]
    if isinstance(value, int):
        return [(1, name), (3, value), (20, 2)]
    if isinstance(value, str):
        return [(1, name), (4, value), (20, 3)]
    if isinstance(value, (list, tuple)) and all(isinstance(v, int) for v in value):
        return [(1, name)] + [(8, v) for v in value] + [(20, 7)]
    if isinstance(value, (list, tuple)) and all(isinstance(v, float) for v in value):
        return [(1, name)] + [(7, v) for v in value] + [(20, 6)]
    if isinstance(value, (list, tuple)):
        return [(1, name)] + [(9, v) for v in value] + [(20, 8)]
    return [(1, name), (5, tensor(value)), (20, 4)]


def node(op, inputs, outputs, name="", domain="", **attrs):
    fields = [(1, i) for i in inputs] + [(2, o) for o in outputs]
    if name:
        fields.append((3, name))
    fields += [(4, op)] + [(5, attribute(k, v)) for k, v in sorted(attrs.items())]
    return fields + ([(7, domain)] if domain else [])


def value_info(name, dtype, shape):
    if shape is None:
        return [(1, name), (2, [(1, [(1, dtype)])])]
    dims = [(1, [(1, d)] if isinstance(d, int) else [(2, d)]) for d in shape]
    return [(1, name), (2, [(1, [(1, dtype), (2, dims)])])]


def model(nodes, inputs, outputs, initializers, opset=13, name="graph", producer="bitlet", domains=None, functions=()):
    """domains: opsets of domains beside the default one; functions: what function() gave."""
    graph = [(1, n) for n in nodes] + [(2, name)] + [(15, a.message(n)) if isinstance(a, Sparse) else (5, tensor(a, n)) for n, a in initializers.items()]
    graph += [(11, value_info(*i)) for i in inputs] + [(12, value_info(*o)) for o in outputs]
    opsets = [(8, [(1, domain), (2, version)]) for domain, version in {"": opset, **(domains or {})}.items()]
    return encode([(1, 8), (2, producer), (7, graph)] + opsets + [(25, f) for f in functions])
