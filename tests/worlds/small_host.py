"""Small real things to test with: a decoder, a bundle around it, a node that seals, what both ends
say of an image.
"""

import base64
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from host_decoder.events import Answer
from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import Provenance
from link.coder import latent_coder
from link.coder.tables import Tables
from link.output.console import Captured, Sent, TeamTold
from link.security.seal import Direction, Seal, downlink_key, uplink_key
from link.wire.control import Command, Hello, Report, Time, unpack_command
from link.wire.framing import frame
from link.wire.packet import Chunk, Flag, Header, PacketType, split
from tests.worlds.small_bundle import small_manifest

CLASSES = ("ape", "bee", "cat", "dog")
KEY = bytes(range(16))
NODE = 7
BUNDLE = "00" * 8
"The id that `answer` names."

IMAGE_LINE = {
    "event": "image",
    "image": 5,
    "label": "bee",
    "pixels": base64.b64encode(bytes(range(12))).decode(),
    "shape": [2, 2, 3],
    "bitstream_bytes": 8,
    "chunks": 3,
    "ms": {"preprocess": 0.1, "model": 0.2, "coder": 0.3},
}
PACKET_LINE = {
    "event": "packet",
    "type": "DATA",
    "counter": 6,
    "packet_bytes": 15,
    "wire_bytes": 15,
    "airtime_s": 0.05,
    "listens": True,
    "chunks": [[5, 0, 4]],
}
TEAM_LINE = {
    "event": "team",
    "member": 0,
    "image": 5,
    "sequence": 2,
    "alive": [1, 1, 0],
    "published_bytes": 400,
    "sent_bytes": 800,
    "frames": 3,
    "leader": 0,
    "aggregator": 1,
    "overhead_ms": 2.5,
    "elapsed_ms": 4.0,
}


def weights(n_latents: int, seed: int = 0) -> np.ndarray:
    """Weights of a linear classifier, float32 (n_latents, classes)."""
    return np.random.default_rng(seed).normal(size=(n_latents, len(CLASSES))).astype(np.float32) / 8


def write_decoder(
    path: Path, matrix: np.ndarray, names: tuple[str, str] = ("symbols", "probabilities")
) -> None:
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
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )


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
    manifest = small_manifest(
        ImageSpec(*image_shape), tables.n_latents, CLASSES, provenance=Provenance(data_set="blobs")
    )
    return Bundle.write(folder, manifest)


def right_label(symbols: np.ndarray, seed: int = 0) -> str:
    """What the linear classifier says of symbols (D,), computed without the host's code."""
    return CLASSES[int((symbols.astype(np.float32) @ weights(len(symbols), seed)).argmax())]


class SmallNode:
    """Seals what it is given; what a node is to the host. Its salt travels in every packet."""

    def __init__(
        self,
        bundle: Bundle,
        key: bytes = KEY,
        node: int = NODE,
        start: int = 0,
        chunk_bytes: int = 200,
        salt: bytes = b"salt",
    ) -> None:
        self.bundle = bundle
        self.number = node
        self.salt = salt
        self._key = key
        self._chunk_bytes = chunk_bytes
        self._seal = Seal(uplink_key(key, salt), node, salt, Direction.UPLINK)
        self._counters = count(start)
        self._host_salt: bytes | None = None
        self._latest = 0

    def packets(
        self, symbols: np.ndarray, age_s: float | None = 0.0, flags: int = 0
    ) -> list[bytes]:
        """One image; its id is the counter before those of its packets."""
        image = next(self._counters)
        return [self.seal_chunk(chunk, flags) for chunk in self.chunks(symbols, image, age_s)]

    def chunks(self, symbols: np.ndarray, image: int, age_s: float | None = 0.0) -> list[Chunk]:
        pieces = split(
            latent_coder.encode(symbols, self.bundle.tables), self._chunk_bytes, self._chunk_bytes
        )
        last = len(pieces) - 1
        return [
            Chunk(image, i, i == last, piece, None if i else age_s)
            for i, piece in enumerate(pieces)
        ]

    def frames(self, symbols: np.ndarray) -> bytes:
        return b"".join(map(frame, self.packets(symbols)))

    def seal_chunk(self, chunk: Chunk, flags: int = 0) -> bytes:
        counter = next(self._counters)
        return self._sealed(PacketType.DATA, counter, chunk.pack(counter), flags, self.bundle.id)

    def hello(self, wants_time: bool = False, wants_slot: bool = False) -> bytes:
        body = Hello(self.bundle.id, wants_time, wants_slot).pack()
        return self._sealed(PacketType.HELLO, next(self._counters), body, Flag.LISTEN)

    def seal(
        self, packet_type: PacketType, body: bytes, flags: int = 0, bundle_id: bytes = b""
    ) -> bytes:
        return self._sealed(packet_type, next(self._counters), body, flags, bundle_id)

    def hear(self, packet: bytes) -> Report | Command | Time:
        """What a packet of the host says."""
        header = Header.unpack(packet)
        self._host_salt = header.salt or self._host_salt
        assert self._host_salt is not None
        key = downlink_key(self._key, self.salt, self._host_salt)
        seal = Seal(key, self.number, self.salt, Direction.DOWNLINK)
        body = seal.open(packet, header, header.counter_low)
        assert body is not None
        if header.packet_type == PacketType.REPORT:
            return Report.unpack(body, latest=self._latest)
        return Time.unpack(body) if header.packet_type == PacketType.TIME else unpack_command(body)

    def _sealed(
        self, packet_type: PacketType, counter: int, body: bytes, flags: int, bundle_id: bytes = b""
    ) -> bytes:
        self._latest = counter
        header = Header(self.number, counter & 0xFFFF, packet_type, flags | Flag.SALT, self.salt)
        return self._seal.seal(header, counter, body, bundle_id)


def answer(image: int, label: int = 1, n_chunks: int = 1) -> Answer:
    return Answer(
        node=NODE,
        image=image,
        counter=image + n_chunks,
        bundle=BUNDLE,
        classes=CLASSES,
        probabilities=np.eye(len(CLASSES), dtype=np.float32)[label],
        n_known=12,
        n_latents=12,
        n_chunks=n_chunks,
        is_complete=True,
        bitstream_bytes=4,
        packet_bytes=15,
        age_s=0.0,
        received_s=1000.0,
    )


def told(**changes: Any) -> TeamTold:
    return replace(TeamTold.from_json(TEAM_LINE), **changes)


def captured(image: int, label: str | None = "bee") -> Captured:
    return replace(Captured.from_json(IMAGE_LINE), image=image, label=label)


def sent(*chunks: tuple[int, int, int]) -> Sent:
    """A packet of 15 bytes and 50 ms with these chunks: image, index, bytes of bitstream."""
    return replace(Sent.from_json(PACKET_LINE), chunks=chunks)
