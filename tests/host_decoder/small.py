"""Small real things to test with: a decoder, a bundle around it, a node that seals, what both ends say of an image."""

import base64
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from host_decoder.events import Answer
from host_decoder.tally import Sent
from link.bundle import Bundle, write_manifest
from link.framing import frame
from link.tables import Tables
from link.uplink import UplinkSender

CLASSES = ("ape", "bee", "cat", "dog")
KEY = bytes(range(16))
NODE = 7
BUNDLE = "00" * 8
"The id that `answer` names."

CONSOLE_LINE = {
    "image": 3,
    "counter": 5,
    "bitstream_bytes": 4,
    "packets": 1,
    "wire_bytes": 15,
    "airtime_s": 0.05,
    "label": "bee",
    "pixels": base64.b64encode(bytes(range(12))).decode(),
    "shape": [2, 2, 3],
    "ms": {"preprocess": 0.1, "model": 0.2, "coder": 0.3},
}


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
    return write_manifest(folder, node, host, provenance={"data_set": "blobs"}, measured={})


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


def answer(counter: int, label: int = 1, first_counter: int | None = None) -> Answer:
    return Answer(
        node=NODE,
        first_counter=counter if first_counter is None else first_counter,
        counter=counter,
        image=counter,
        bundle=BUNDLE,
        classes=CLASSES,
        probabilities=np.eye(len(CLASSES), dtype=np.float32)[label],
        n_known=12,
        n_latents=12,
        n_chunks=1,
        is_complete=True,
        bitstream_bytes=1,
        packet_bytes=12,
        age_s=0.0,
        received_s=1000.0,
    )


def sent(counter: int, truth: str | None = "bee", seen_s: float = 0.0) -> Sent:
    return replace(Sent.from_json(CONSOLE_LINE, seen_s), counter=counter, image=counter, truth=truth)
