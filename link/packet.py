"""Packet format, wire version 1: which byte means what.

    byte 0    version (2 bits) | type (3 bits) | flags (3 bits)   ┐
    byte 1    node                                                ├ header, in clear, authenticated
    byte 2-3  low 16 bits of the node's packet counter            ┘
    sealed    body of the type, then the 4-byte tag

    body of DATA, one chunk of an image's bitstream:
    byte 0    image number modulo 256
    byte 1    bit 7: last chunk of this image | bits 0-6: index of the chunk
    byte 2    only in chunk 0: age of the image when it was sent, log-scaled
    rest      bytes of the bitstream

Chunk i of an image travels under the counter of chunk 0 plus i, so counter - index names the image without a
further byte. A packet is exactly as long as its radio frame or stream frame says; it carries no length.
"""

import math
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from itertools import pairwise

WIRE_VERSION = 1
HEADER_BYTES = 4
MAX_PACKET_BYTES = 255
"What one radio frame can carry; a cable keeps to it too."

CHUNK_HEAD_BYTES = 2
AGE_BYTES = 1
MAX_CHUNKS = 128

AGE_STEPS_PER_OCTAVE = 12
"6 % per step: 0 is less than 30 ms, 255 stands for 29 days or more."


class PacketType(IntEnum):
    """What the sealed body is. Only DATA is spoken yet."""

    DATA = 0
    PARITY = 1
    REPORT = 2
    COMMAND = 3
    HELLO = 4
    TIME = 5
    FRAGMENT = 6


class Flag(IntFlag):
    """Reserved in version 1; authenticated like the rest of the header."""

    LISTEN_AFTER_ME = 1
    KEY_EPOCH = 2
    MODEL_SLOT = 4


@dataclass(frozen=True)
class Header:
    """The four bytes in clear; as read they may hold any version and type."""

    node: int
    counter_low: int
    packet_type: int = PacketType.DATA
    flags: int = 0
    version: int = WIRE_VERSION

    def pack(self) -> bytes:
        first = self.version << 6 | self.packet_type << 3 | self.flags
        return bytes([first, self.node]) + self.counter_low.to_bytes(2, "big")

    @classmethod
    def unpack(cls, packet: bytes) -> "Header":
        """Of a packet of at least HEADER_BYTES."""
        first, node = packet[0], packet[1]
        return cls(node, int.from_bytes(packet[2:4], "big"), first >> 3 & 7, first & 7, first >> 6)


@dataclass(frozen=True)
class Chunk:
    """A piece of one image's bitstream; chunk 0 alone gives a first answer, each further one refines it."""

    image_low: int
    "Image number modulo 256."
    index: int
    is_last: bool
    bitstream: bytes
    age_s: float = 0.0
    "Time from capture to sending; travels in chunk 0 only, to 6 %."

    def pack(self) -> bytes:
        age = bytes([pack_age(self.age_s)]) if self.index == 0 else b""
        return bytes([self.image_low, self.is_last << 7 | self.index]) + age + self.bitstream

    @classmethod
    def unpack(cls, body: bytes) -> "Chunk":
        """Raises ValueError when the body is too short to be a chunk."""
        n_head = chunk_head_bytes(body[1] & 0x7F) if len(body) >= CHUNK_HEAD_BYTES else CHUNK_HEAD_BYTES
        if len(body) < n_head:
            raise ValueError(f"body of a DATA packet has {len(body)} bytes, a chunk begins with {n_head}")
        age_s = unpack_age(body[2]) if n_head > CHUNK_HEAD_BYTES else 0.0
        return cls(body[0], body[1] & 0x7F, bool(body[1] >> 7), body[n_head:], age_s)


def chunk_head_bytes(index: int) -> int:
    """Bytes in front of the bitstream in the body of chunk `index`."""
    return CHUNK_HEAD_BYTES + (AGE_BYTES if index == 0 else 0)


def split(bitstream: bytes, image_number: int, age_s: float, max_body_bytes: int) -> list[Chunk]:
    """Cut a bitstream into as few chunks as their bodies allow; an empty one is one empty chunk."""
    first_room = max_body_bytes - chunk_head_bytes(0)
    later_room = max_body_bytes - chunk_head_bytes(1)
    if first_room < 1:
        raise ValueError(f"bodies of {max_body_bytes} bytes leave no room for a bitstream; allow longer packets")
    cuts = [0, *range(first_room, max(len(bitstream), 1), later_room), len(bitstream)]
    pieces = [bitstream[start:end] for start, end in pairwise(cuts)]
    if len(pieces) > MAX_CHUNKS:
        raise ValueError(
            f"a bitstream of {len(bitstream)} bytes needs {len(pieces)} packets, "
            f"an image has at most {MAX_CHUNKS}; allow longer packets"
        )
    return [
        Chunk(image_number % 256, index, index == len(pieces) - 1, piece, age_s) for index, piece in enumerate(pieces)
    ]


def pack_age(age_s: float) -> int:
    """Age to its byte, 12 steps per octave of 1 s + age."""
    return min(255, round(AGE_STEPS_PER_OCTAVE * math.log2(1 + max(0.0, age_s))))


def unpack_age(code: int) -> float:
    return 2 ** (code / AGE_STEPS_PER_OCTAVE) - 1
