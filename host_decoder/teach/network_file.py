"""A head as an ONNX file, written without any library: what the host's decoders are, and nobody
need install a training's libraries to make one.

An ONNX file is one message of Protocol Buffers (onnx.proto3; the encoding is protobuf.dev's): a
list of fields, each a number, a kind and a value. Here stand the few that a head needs.

    symbols (N, D) → x → distances (N, m) ─ exp, MatMul, Softmax → probabilities (N, C)
                                 └───────── least → score (N,)
"""

from collections.abc import Sequence

import numpy as np

IR_VERSION, OPSET = 8, 17
FLOAT, INT64 = 1, 7
"TensorProto.DataType."
VARINT, DELIMITED = 0, 2
"Kinds of fields: a whole number, or bytes behind their length."
INT_ATTRIBUTE, INTS_ATTRIBUTE = 2, 7
"AttributeProto.AttributeType."


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the high bit while more follow."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | DELIMITED) + varint(len(content)) + content


def tensor(name: str, values: np.ndarray) -> bytes:
    """TensorProto of float32 or int64."""
    kind = INT64 if values.dtype.kind == "i" else FLOAT
    stored = np.ascontiguousarray(values, "<i8" if kind == INT64 else "<f4")
    dims = b"".join(field(1, size) for size in stored.shape)
    return dims + field(2, kind) + field(8, name) + field(9, stored.tobytes())


def attribute(name: str, value: int | Sequence[int]) -> bytes:
    """AttributeProto."""
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, INT_ATTRIBUTE)
    numbers = b"".join(field(8, one) for one in value)
    return field(1, name) + numbers + field(20, INTS_ATTRIBUTE)


def node(
    operator: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]
) -> bytes:
    """NodeProto with one output."""
    ends = b"".join(field(1, name) for name in inputs) + field(2, output)
    said = b"".join(field(5, attribute(name, value)) for name, value in attributes.items())
    return ends + field(4, operator) + said


def value_info(name: str, *sizes: int | str) -> bytes:
    """ValueInfoProto of float32; a size that is open has a name."""
    dims = b"".join(field(1, field(1 if isinstance(size, int) else 2, size)) for size in sizes)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dims)))


def head_file(
    scale: np.ndarray, shift: np.ndarray, centres: np.ndarray, weights: np.ndarray
) -> bytes:
    """x = symbols * scale + shift and scores = exp(−|x − centres|²) @ weights: scale and shift
    (D,), centres (m, D), weights (m, C).
    """
    arrays = {
        "scale": scale,
        "shift": shift,
        "across": -2 * centres.T,
        "lengths": (centres**2).sum(1),
        "weights": weights,
    }
    nodes = [
        node("Mul", ("symbols", "scale"), "scaled"),
        node("Add", ("scaled", "shift"), "x"),
        node("ReduceSumSquare", ("x",), "length", axes=[1], keepdims=1),
        node("Gemm", ("x", "across", "lengths"), "rest"),
        node("Add", ("rest", "length"), "sum"),
        node("Relu", ("sum",), "distances"),
        node("Neg", ("distances",), "exponents"),
        node("Exp", ("exponents",), "kernel"),
        node("MatMul", ("kernel", "weights"), "scores"),
        node("Softmax", ("scores",), "probabilities", axis=1),
        node("ReduceMin", ("distances",), "score", axes=[1], keepdims=0),
    ]
    graph = b"".join(field(1, one) for one in nodes) + field(2, "head")
    graph += b"".join(field(5, tensor(name, values)) for name, values in arrays.items())
    graph += field(11, value_info("symbols", "images", len(scale)))
    graph += field(12, value_info("probabilities", "images", weights.shape[1]))
    graph += field(12, value_info("score", "images"))
    opset = field(1, "") + field(2, OPSET)
    return field(1, IR_VERSION) + field(2, "latentlink") + field(7, graph) + field(8, opset)
