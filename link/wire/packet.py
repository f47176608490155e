"""Packet format, wire version 3: which byte means what. docs/wire-format.md draws every packet.

    byte 0    version (2 bits) | type (3 bits) | flags (3 bits)   ┐
    byte 1    node                                                │ header, in clear, authenticated
    byte 2-3  low 16 bits of the sender's packet counter          │
    [salt]    4 bytes uplink, 8 downlink, when flag SALT is set   │
    [high]    4 bytes, uplink, behind the salt: the counter's     │
              other 32 bits                                       ┘
    sealed    body of the type (link.wire.control has those of the rarer types), then the tag

    body of DATA, one chunk of an image's bitstream:
    byte 0-1  low 10 bits of the image's id | last chunk of this image (1 bit) | index of the chunk
              (5 bits)
    [5 bytes] only when the index reads 31: low 32 bits of the id, then last (1 bit) | 0 (2) | index
      (5)
    [age]     only in chunk 0: time from capture to sending, log-scaled
    rest      bytes of the bitstream

    body of BATCH: such chunks one behind the other, each with a byte of length before its bitstream

An image's id is a packet counter set aside when it was taken, so it is unique for good, and always
the nearest number with these low bits that is not above the packet's own counter. The long form
serves images that waited while a thousand counters passed. A packet is exactly as long as its radio
frame or stream frame says; it carries no length.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from itertools import pairwise

WIRE_VERSION = 3
HEADER_BYTES = 4
"Without a salt."
COUNTER_LOW_BITS = 16
"As many bits of the sender's counter as every header carries."
COUNTER_HIGH_BYTES = 4
"The rest of the counter, told with the node's salt."
MAX_PACKET_BYTES = 255
"What one radio frame can carry; a cable keeps to it too."

ChunkId = tuple[int, int]
"Image and index."
CHUNK_HEAD_BYTES = 2
LONG_HEAD_BYTES = 7
AGE_BYTES = 1
IMAGE_LOW_BITS = 10
LONG_IMAGE_LOW_BITS = 32
MAX_CHUNKS = 31
LONG_FORM = 31
"In the place of an index: the long form follows."

DURATION_STEPS_PER_OCTAVE = 12
DURATION_UNKNOWN = 255
"6 % per step: 0 is less than 30 ms, 254 stands for 27 days or more."


class PacketType(IntEnum):
    """What the sealed body is; the first five travel uplink, the others downlink."""

    DATA = 0
    BATCH = 1
    PARITY = 2
    STATUS = 3
    HELLO = 4
    REPORT = 5
    COMMAND = 6
    TIME = 7

    @property
    def is_uplink(self) -> bool:
        return self <= PacketType.HELLO


class Flag(IntFlag):
    """Authenticated like the rest of the header."""

    SALT = 1
    "The salt of the sender's session follows the header."
    LISTEN = 2
    "The node listens after this packet: the host may answer."
    KNOWN = 4
    "The sender knows the salt of the other end, which need not send it any more."


NODE_SALT_BYTES = 4
HOST_SALT_BYTES = 8
"""Longer than the node's: the node's counters never repeat in ordinary life either, the host's
begin anew.
"""


SHORT_TAG_BYTES = 4
LONG_TAG_BYTES = 8
SHORT_TAGGED = (PacketType.DATA, PacketType.BATCH, PacketType.PARITY, PacketType.STATUS)
"""While they tell no salt. A forged image is one wrong answer among many, and a packet is held
against one such tag.
"""
WITH_BUNDLE = (PacketType.DATA, PacketType.BATCH, PacketType.PARITY)
"Types whose bodies mean something only with one bundle."


@dataclass(frozen=True)
class Header:
    """The bytes in clear; as read they may hold any version and type."""

    node: int
    counter_low: int
    packet_type: int = PacketType.DATA
    flags: int = 0
    salt: bytes = b""
    "Present exactly when flags has SALT."
    version: int = WIRE_VERSION
    counter_high: int = 0
    "The counter's bits above those 16; told where `tells_counter`."

    @property
    def tells_counter(self) -> bool:
        """Whether the whole counter stands here: wherever a node tells its salt."""
        return (
            bool(self.salt)
            and self.version == WIRE_VERSION
            and PacketType(self.packet_type).is_uplink
        )

    @property
    def counter(self) -> int:
        """The whole counter, where `tells_counter`."""
        return self.counter_high << COUNTER_LOW_BITS | self.counter_low

    @property
    def n_bytes(self) -> int:
        return HEADER_BYTES + len(self.salt) + COUNTER_HIGH_BYTES * self.tells_counter

    def pack(self) -> bytes:
        first = self.version << 6 | self.packet_type << 3 | self.flags
        high = self.counter_high.to_bytes(COUNTER_HIGH_BYTES, "big") if self.tells_counter else b""
        return bytes([first, self.node]) + self.counter_low.to_bytes(2, "big") + self.salt + high

    @classmethod
    def unpack(cls, packet: bytes) -> "Header":
        """Raises ValueError when the packet is shorter than its header."""
        if len(packet) < HEADER_BYTES:
            raise ValueError(f"packet has {len(packet)} bytes, a header has {HEADER_BYTES}")
        first, node = packet[0], packet[1]
        packet_type, flags = first >> 3 & 7, first & 7
        n_salt = salt_bytes(packet_type) if flags & Flag.SALT else 0
        salt = packet[HEADER_BYTES : HEADER_BYTES + n_salt]
        header = cls(node, int.from_bytes(packet[2:4], "big"), packet_type, flags, salt, first >> 6)
        if len(packet) < header.n_bytes or len(salt) < n_salt:
            n_bytes = max(header.n_bytes, HEADER_BYTES + n_salt)
            raise ValueError(
                f"packet has {len(packet)} bytes, its header with the salt has {n_bytes}"
            )
        if not header.tells_counter:
            return header
        return replace(
            header,
            counter_high=int.from_bytes(
                packet[header.n_bytes - COUNTER_HIGH_BYTES : header.n_bytes], "big"
            ),
        )


def salt_bytes(packet_type: int) -> int:
    """Length of the salt that the sender of such a packet has."""
    return NODE_SALT_BYTES if PacketType(packet_type).is_uplink else HOST_SALT_BYTES


def tag_bytes(packet_type: int, has_salt: bool) -> int:
    """Length of a packet's tag, as its header tells it."""
    return (
        SHORT_TAG_BYTES
        if PacketType(packet_type) in SHORT_TAGGED and not has_salt
        else LONG_TAG_BYTES
    )


def overhead_bytes(packet_type: PacketType, has_salt: bool = False) -> int:
    """Bytes of a packet that are neither body nor framing."""
    salted_bytes = salt_bytes(packet_type) + COUNTER_HIGH_BYTES * packet_type.is_uplink
    return HEADER_BYTES + has_salt * salted_bytes + tag_bytes(packet_type, has_salt)


LATER_CHUNK_OVERHEAD_BYTES = overhead_bytes(PacketType.DATA) + CHUNK_HEAD_BYTES
"Bytes around a chunk behind an image's first, in a packet of its own."
FIRST_CHUNK_OVERHEAD_BYTES = LATER_CHUNK_OVERHEAD_BYTES + AGE_BYTES


@dataclass(frozen=True)
class Chunk:
    """A piece of one image's bitstream; chunk 0 alone gives a first answer, each further one
    refines it.
    """

    image: int
    "The image's id."
    index: int
    is_last: bool
    bitstream: bytes
    age_s: float | None = None
    """Time from capture to sending, to 6 %; travels in chunk 0 only, None where the node cannot
    tell.
    """
    version: bytes = b""
    """The salt of the card's start that sent it, where several cards may each make a bitstream of
    an image; it does not travel.
    """

    @property
    def packet_bytes(self) -> int:
        """Length of a packet that carries it alone."""
        overhead = FIRST_CHUNK_OVERHEAD_BYTES if self.index == 0 else LATER_CHUNK_OVERHEAD_BYTES
        return overhead + len(self.bitstream)

    def pack(self, counter: int) -> bytes:
        """Body of the DATA packet sent under `counter`."""
        return self._head(counter) + self.bitstream

    @classmethod
    def unpack(cls, body: bytes, counter: int) -> "Chunk":
        """Raises ValueError when the body is no chunk."""
        chunk, n_head = _unpack_head(body, counter)
        return cls(chunk.image, chunk.index, chunk.is_last, body[n_head:], chunk.age_s)

    def is_same(self, other: "Chunk") -> bool:
        """Whether both hold the same; their ages differ when one was sent again."""
        return (self.bitstream, self.is_last) == (other.bitstream, other.is_last)

    @staticmethod
    def prefix_of(chunks: "Iterable[Chunk]") -> "list[Chunk]":
        """Those of one image from 0 on without a gap: only they can be decoded.

        All are of one version: the first that is whole, else the first that has a chunk 0. The
        first of an index counts.
        """
        versions: dict[bytes, dict[int, Chunk]] = {}
        for chunk in chunks:
            versions.setdefault(chunk.version, {}).setdefault(chunk.index, chunk)
        prefixes = [
            [by_index[index] for place, index in enumerate(sorted(by_index)) if place == index]
            for by_index in versions.values()
        ]
        return max(prefixes, key=lambda one: 2 * one[-1].is_last + 1 if one else 0, default=[])

    def _head(self, counter: int) -> bytes:
        age = bytes([pack_duration(self.age_s)]) if self.index == 0 else b""
        place = self.is_last << 5 | self.index
        if counter - self.image < 1 << IMAGE_LOW_BITS:
            return (self.image % (1 << IMAGE_LOW_BITS) << 6 | place).to_bytes(
                CHUNK_HEAD_BYTES, "big"
            ) + age
        long_place = self.is_last << 7 | self.index
        low = self.image % (1 << LONG_IMAGE_LOW_BITS)
        return (
            LONG_FORM.to_bytes(CHUNK_HEAD_BYTES, "big")
            + low.to_bytes(4, "big")
            + bytes([long_place])
            + age
        )


def chunk_head_bytes(image: int, index: int, counter: int) -> int:
    """Bytes in front of the bitstream when this chunk travels under `counter`."""
    is_short = counter - image < 1 << IMAGE_LOW_BITS
    return (CHUNK_HEAD_BYTES if is_short else LONG_HEAD_BYTES) + (AGE_BYTES if index == 0 else 0)


def pack_batch(chunks: Iterable[Chunk], counter: int) -> bytes:
    """Body of the BATCH packet sent under `counter`."""
    return b"".join(
        chunk._head(counter) + bytes([len(chunk.bitstream)]) + chunk.bitstream for chunk in chunks
    )


def unpack_batch(body: bytes, counter: int) -> list[Chunk]:
    """Raises ValueError when the body is not made of whole chunks."""
    chunks: list[Chunk] = []
    while body:
        chunk, n_head = _unpack_head(body, counter)
        end = n_head + 1 + body[n_head] if n_head < len(body) else len(body) + 1
        if end > len(body):
            raise ValueError(f"a batch ends within its chunk {len(chunks)}")
        chunks.append(
            Chunk(chunk.image, chunk.index, chunk.is_last, body[n_head + 1 : end], chunk.age_s)
        )
        body = body[end:]
    return chunks


def split(bitstream: bytes, first_bytes: int, later_bytes: int) -> list[bytes]:
    """Cut a bitstream for chunks of at most so many bytes; an empty one is one empty piece.

    Raises ValueError when that takes more than MAX_CHUNKS.
    """
    if first_bytes < 1 or later_bytes < 1:
        raise ValueError(
            f"chunks of {first_bytes} and {later_bytes} bytes hold nothing; allow longer packets"
        )
    cuts = [0, *range(first_bytes, max(len(bitstream), 1), later_bytes), len(bitstream)]
    pieces = [bitstream[start:end] for start, end in pairwise(cuts)]
    if len(pieces) > MAX_CHUNKS:
        raise ValueError(
            f"a bitstream of {len(bitstream)} bytes needs {len(pieces)} chunks, an image has at "
            f"most {MAX_CHUNKS}; allow longer ones"
        )
    return pieces


def pack_duration(duration_s: float | None) -> int:
    """A duration to its byte, 12 steps per octave of 1 s + duration; None to DURATION_UNKNOWN."""
    if duration_s is None:
        return DURATION_UNKNOWN
    return min(
        DURATION_UNKNOWN - 1, round(DURATION_STEPS_PER_OCTAVE * math.log2(1 + max(0.0, duration_s)))
    )


def unpack_duration(code: int) -> float | None:
    return None if code == DURATION_UNKNOWN else 2 ** (code / DURATION_STEPS_PER_OCTAVE) - 1


def at_most(limit: int, low: int, bits: int) -> int:
    """The largest number with these low bits that is not above `limit`; negative when there is
    none.
    """
    return limit - (limit - low) % (1 << bits)


def _unpack_head(body: bytes, counter: int) -> tuple[Chunk, int]:
    """A chunk without its bitstream, and the length of its head."""
    head = int.from_bytes(body[:CHUNK_HEAD_BYTES], "big")
    is_long = head % 32 == LONG_FORM
    n_head = LONG_HEAD_BYTES if is_long else CHUNK_HEAD_BYTES
    if len(body) < n_head:
        raise ValueError(f"a chunk has {len(body)} bytes, its head alone has {n_head}")
    if is_long:
        image = at_most(counter, int.from_bytes(body[2:6], "big"), LONG_IMAGE_LOW_BITS)
        is_last, index = bool(body[6] >> 7), body[6] & 0x7F
    else:
        image = at_most(counter, head >> 6, IMAGE_LOW_BITS)
        is_last, index = bool(head >> 5 & 1), head % 32
    if image < 0 or index >= MAX_CHUNKS:
        raise ValueError(f"chunk {index} of image {image} cannot travel under counter {counter}")
    if index:
        return Chunk(image, index, is_last, b""), n_head
    if len(body) == n_head:
        raise ValueError("chunk 0 ends before the age of its image")
    return Chunk(image, index, is_last, b"", unpack_duration(body[n_head])), n_head + AGE_BYTES
