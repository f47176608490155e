"""Small real things to test with: a decoder, a bundle around it, and a node that seals what it is given."""

from itertools import count
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from link.bundle import Bundle, write_manifest
from link.framing import frame
from link.tables import Tables
from link.uplink import UplinkSender

CLASSES = ("ape", "bee", "cat", "dog")
KEY = bytes(range(16))
NODE = 7


def weights(n_latents: int, seed: int = 0) -> np.ndarray:
    """Of a linear classifier, float32 (n_latents, classes)."""
    return np.random.default_rng(seed).normal(size=(n_latents, len(CLASSES))).astype(np.float32) / 8


def write_decoder(path: Path, matrix: np.ndarray, names: tuple[str, str] = ("symbols", "probabilities")) -> None:
    """symbols (B, D) to softmax(symbols · matrix)."""
    given, wanted = names
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", [given, "matrix"], ["logits"]),
            helper.make_node("Softmax", ["logits"], [wanted], axis=1),
        ],
        "decoder",
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, ["batch", matrix.shape[0]])],
        [helper.make_tensor_value_info(wanted, TensorProto.FLOAT, ["batch", matrix.shape[1]])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def make_bundle(
    folder: Path,
    tables: Tables,
    encoder: bytes = b"stays on the node",
    image_shape: tuple[int, int, int] = (8, 8, 1),
    decoder_seed: int = 0,
) -> Bundle:
    folder.mkdir(parents=True)
    (folder / "encoder.tflite").write_bytes(encoder)
    tables.to_npz(folder / "tables.npz")
    write_decoder(folder / "decoder.onnx", weights(tables.n_latents, decoder_seed))
    node = {
        "image": {**dict(zip(("height", "width", "channels"), image_shape, strict=True)), "pixel_pad": 0},
        "wavelet": "haar",
        "latents": tables.n_latents,
        "input_zero_point": -128,
    }
    host = {"tasks": {"label": {"file": "decoder.onnx", "classes": list(CLASSES)}}}
    return write_manifest(folder, node, host, provenance={"dataset": "blobs"}, measured={})


def right_label(symbols: np.ndarray, seed: int = 0) -> str:
    """What the linear classifier says of symbols (D,), computed without the host's code."""
    return CLASSES[int((symbols.astype(np.float32) @ weights(len(symbols), seed)).argmax())]


class Counters:
    """Consecutive numbers, as link.keys.CounterStore gives them."""

    def __init__(self, start: int = 0) -> None:
        self._numbers = count(start)

    def next(self) -> int:
        return next(self._numbers)


class SmallNode:
    """Seals symbols with a bundle and a key; what a node is to the host."""

    def __init__(self, bundle: Bundle, key: bytes = KEY, node: int = NODE, start: int = 0, max_packet_bytes: int = 250):
        self._sender = UplinkSender(node, key, bundle.id, bundle.tables, Counters(start), max_packet_bytes)
        self._n_images = 0

    def packets(self, symbols: np.ndarray, age_s: float = 0.0) -> list[bytes]:
        self._n_images += 1
        return self._sender.packets(symbols, self._n_images - 1, age_s)

    def frames(self, symbols: np.ndarray) -> bytes:
        return b"".join(map(frame, self.packets(symbols)))
