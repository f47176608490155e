"""Uplink: symbols go in on the node, sealed packets travel, a refining latent comes out on the host.

These are the two composing ends; they know neither sockets nor clocks. The receiver never raises on what
arrives: it answers with an Update, a better latent of one image, or with a Rejected that says why in a sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np

from link import latent_coder
from link.assembler import ImageAssembler
from link.bundle import Bundle
from link.latent_coder import Latent
from link.packet import (
    CHUNK_HEAD_BYTES,
    HEADER_BYTES,
    MAX_PACKET_BYTES,
    WIRE_VERSION,
    Chunk,
    Header,
    PacketType,
    chunk_head_bytes,
    split,
)
from link.seal import TAG_BYTES, Opener, ReplayWindow, Sealer, possible_counters, traffic_key
from link.tables import Tables

FIRST_CHUNK_OVERHEAD_BYTES = HEADER_BYTES + chunk_head_bytes(0) + TAG_BYTES
LATER_CHUNK_OVERHEAD_BYTES = HEADER_BYTES + chunk_head_bytes(1) + TAG_BYTES
MIN_PACKET_BYTES = HEADER_BYTES + CHUNK_HEAD_BYTES + TAG_BYTES


class Counters(Protocol):
    """link.keys.CounterStore on a node; consecutive numbers, none ever given twice."""

    def next(self) -> int: ...


class UplinkSender:
    """A node's end: `key` is the master key of node.key, `tables` those of the bundle whose id is given."""

    def __init__(
        self,
        node: int,
        key: bytes,
        bundle_id: bytes,
        tables: Tables,
        counters: Counters,
        max_packet_bytes: int,
    ) -> None:
        if not FIRST_CHUNK_OVERHEAD_BYTES < max_packet_bytes <= MAX_PACKET_BYTES:
            raise ValueError(
                f"packets of {max_packet_bytes} bytes cannot be made: {FIRST_CHUNK_OVERHEAD_BYTES + 1} to "
                f"{MAX_PACKET_BYTES} are possible, set max_packet_bytes to that"
            )
        self._node = node
        self._sealer = Sealer(traffic_key(key), node, bundle_id)
        self._tables = tables
        self._counters = counters
        self._max_body_bytes = max_packet_bytes - HEADER_BYTES - TAG_BYTES

    def packets(self, symbols: np.ndarray, image_number: int, age_s: float = 0.0) -> list[bytes]:
        """One image as sealed packets, to be sent in this order; symbols integers (D,)."""
        return self.packets_of(latent_coder.encode(symbols, self._tables), image_number, age_s)

    def packets_of(self, bitstream: bytes, image_number: int, age_s: float = 0.0) -> list[bytes]:
        """The same for symbols that are already encoded."""
        chunks = split(bitstream, image_number, age_s, self._max_body_bytes)
        counters = [self._counters.next() for _ in chunks]
        assert counters == list(range(counters[0], counters[0] + len(chunks))), "counters must be consecutive"
        return [self._seal(chunk.pack(), counter) for chunk, counter in zip(chunks, counters, strict=True)]

    def _seal(self, body: bytes, counter: int) -> bytes:
        header = Header(self._node, counter & 0xFFFF, PacketType.DATA).pack()
        return header + self._sealer.seal(header, counter, body)


@dataclass(frozen=True)
class NodeEntry:
    """What a host holds about one node."""

    key: bytes = field(repr=False)
    "Master key, as in the node's node.key."
    bundle: Bundle
    highest_counter: int = -1
    "Highest counter received before this start; older packets are replays."
    other_bundles: tuple[Bundle, ...] = ()
    "Further bundles held, to name the one that a packet was made with."


@dataclass(frozen=True, eq=False)
class Update:
    """What is now known of an image; every further chunk of it gives a new one."""

    node: int
    counter: int
    "Of the packet that brought this update."
    first_counter: int
    "Of the image's chunk 0; with the node it names the image for good."
    image: int
    "The node's image number, unwrapped from its 8 bits."
    latent: Latent
    bundle: Bundle
    n_chunks: int
    "Chunks 0 .. n_chunks - 1 are in the latent."
    is_complete: bool
    age_s: float
    "From capture to sending, as the node measured it."
    captured_s: float
    "When the image was captured, on the host's clock."
    bitstream_bytes: int
    packet_bytes: int
    "Bytes of the packets that carried these chunks."
    chunk: Chunk
    "What this packet itself carried, to be stored."


class Reason(StrEnum):
    """Why a packet gave no update."""

    MALFORMED = "malformed"
    WIRE_VERSION = "wire version"
    PACKET_TYPE = "packet type"
    UNKNOWN_NODE = "unknown node"
    NOT_OPENED = "not opened"
    OTHER_BUNDLE = "other bundle"
    REPLAY = "replay"
    GAP = "gap"


@dataclass(frozen=True)
class Rejected:
    """No update, and the sentence that explains it. A GAP is no fault: the chunk is kept for its turn."""

    reason: Reason
    sentence: str
    node: int | None = None
    counter: int | None = None
    "Only of a packet whose tag verified: the host stores the highest one."
    bundle: Bundle | None = None
    "The bundle with which it verified."
    chunk: Chunk | None = None
    "What it carried, where that may still become of use: of a GAP, and of an OTHER_BUNDLE."


class UplinkReceiver:
    """A host's end, for all of its nodes."""

    def __init__(self, nodes: Mapping[int, NodeEntry]) -> None:
        self._nodes = {number: _NodeReceiver(number, entry) for number, entry in nodes.items()}

    def receive(self, packet: bytes, now_s: float) -> Update | Rejected:
        """One packet, whole, as the radio or the Deframer gave it."""
        if not MIN_PACKET_BYTES <= len(packet) <= MAX_PACKET_BYTES:
            return Rejected(
                Reason.MALFORMED,
                f"packet has {len(packet)} bytes, packets have {MIN_PACKET_BYTES} to {MAX_PACKET_BYTES}: "
                "it was cut off or is none",
            )
        header = Header.unpack(packet)
        if header.version != WIRE_VERSION:
            return Rejected(
                Reason.WIRE_VERSION,
                f"packet has wire version {header.version}, this host speaks {WIRE_VERSION}; update the older end",
            )
        if header.packet_type != PacketType.DATA:
            return Rejected(
                Reason.PACKET_TYPE,
                f"packet has type {header.packet_type}, "
                f"this host takes {PacketType.DATA.value} (DATA); update this host",
            )
        if header.node not in self._nodes:
            return Rejected(
                Reason.UNKNOWN_NODE,
                f"packet names node {header.node}, this host knows {sorted(self._nodes)}; "
                "if the node is yours, add its key and bundle to the host's configuration",
            )
        return self._nodes[header.node].receive(packet, header, now_s)


class _NodeReceiver:
    """Opens one node's packets and puts its images together."""

    def __init__(self, node: int, entry: NodeEntry) -> None:
        self._node, self._bundle = node, entry.bundle
        self._opener = Opener(traffic_key(entry.key), node)
        self._window = ReplayWindow(entry.highest_counter)
        self._bundles = list({bundle.id: bundle for bundle in (entry.bundle, *entry.other_bundles)}.values())
        self._tables = entry.bundle.tables
        self._images = ImageAssembler()

    def receive(self, packet: bytes, header: Header, now_s: float) -> Update | Rejected:
        clear, sealed = packet[:HEADER_BYTES], packet[HEADER_BYTES:]
        for counter in possible_counters(header.counter_low, self._window.highest):
            for bundle in self._bundles:
                body = self._opener.open(clear, counter, sealed, bundle.id)
                if body is not None:
                    return self._receive_opened(body, bundle, counter, len(packet), now_s)
        held = ", ".join(bundle.id.hex() for bundle in self._bundles)
        return Rejected(
            Reason.NOT_OPENED,
            f"packet in the name of node {self._node} does not open with its key and any bundle held for it "
            f"({held}): it was damaged or forged, or the node has another key or a bundle this host lacks; "
            "compare node.key and the bundle's id at both ends",
            self._node,
        )

    def _receive_opened(
        self, body: bytes, bundle: Bundle, counter: int, packet_bytes: int, now_s: float
    ) -> Update | Rejected:
        def reject(reason: Reason, sentence: str, chunk: Chunk | None = None) -> Rejected:
            return Rejected(reason, sentence, self._node, counter, bundle, chunk)

        if not self._window.is_new(counter):
            return reject(
                Reason.REPLAY,
                f"packet {counter} of node {self._node} was received before or is too old to tell "
                f"(highest is {self._window.highest}); it is ignored",
            )
        self._window.mark(counter)
        try:
            chunk = Chunk.unpack(body)
            if bundle.id != self._bundle.id:
                return reject(
                    Reason.OTHER_BUNDLE,
                    f"packet made with bundle {bundle.id.hex()} ({bundle.path}), "
                    f"this host has {self._bundle.id.hex()} ({self._bundle.path}) for node {self._node}; "
                    "configure the former here, or flash the latter there",
                    chunk,
                )
            image = self._images.add(chunk, counter, packet_bytes, now_s)
            if image is None:
                return reject(
                    Reason.GAP,
                    f"chunk {chunk.index} of image {chunk.image_low} (modulo 256) of node {self._node} came "
                    "without an earlier one; it is kept until that arrives",
                    chunk,
                )
            latent = latent_coder.decode(image.bitstream, self._tables, image.is_complete)
        except ValueError as error:
            return reject(
                Reason.MALFORMED,
                f"packet {counter} of node {self._node} opens but makes no sense: {error}; "
                "node and host run programs that do not fit together",
            )
        return Update(
            node=self._node,
            counter=counter,
            first_counter=counter - chunk.index,
            image=image.number,
            latent=latent,
            bundle=bundle,
            n_chunks=len(image.prefix),
            is_complete=image.is_complete,
            age_s=image.prefix[0].age_s,
            captured_s=image.captured_s,
            bitstream_bytes=len(image.bitstream),
            packet_bytes=image.packet_bytes,
            chunk=chunk,
        )
