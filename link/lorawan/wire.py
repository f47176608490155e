"""LoRaWAN's wire form: our bodies inside its frames, 3 bytes of ours, its own security in the place
of our seal.

    on the air   LoRaWAN's 13 bytes, among them FPort = 101 + packet type ‖ body
    body of DATA, one chunk of an image's bitstream:
    byte 0-2     low 13 bits of the image's id | last chunk (1 bit) | index (5) | age since capture
                 (5 bits, log)
    rest         bytes of the bitstream
    BATCH        such chunks one behind the other, each with a byte of length before its bitstream
    HELLO        bundle id, 8 bytes ‖ the image id near which the next ones are, 6 bytes
    STATUS       as natively
    REPORT       2 bytes for each image that needs no further chunk: the low 13 bits of its id
    COMMAND      as natively; a node heeds RENEW (say HELLO again) and ASK_STATUS

The network's MIC, frame counter and replay protection take our seal's place, and its keys are those
that count: whoever runs the network server can read and forge. An image's id is the nearest with
these low bits to the one told last, so a node says HELLO before it jumps further than that holds.
Nothing binds a body to the bundle that made it: HELLO tells the bundle, and the host waits for it
in each session of the network.

Inside this project a frame is a packet like the native ones, so that store, capture and monitor
need to know nothing new: the native header with version 0, its counter the low 16 bits of the frame
counter, its salt the device address that the network gave the node for this session (uplink only);
then the body, in clear.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from link.wire.control import BUNDLE_ID_BYTES
from link.wire.packet import MAX_CHUNKS, Chunk, Flag, Header, PacketType

LORAWAN_VERSION = 0
"In the version bits of the header: a body in clear, as a LoRaWAN network delivered it."
FIRST_PORT = 101
"FPort of the packet type 0; 1 to 223 are free to applications."
FRAME_BYTES = 13
"What LoRaWAN puts around a body: MHDR 1, FHDR 7 without options, FPort 1, MIC 4."
SESSION_BYTES = 4
"A device address."

LORAWAN_HEAD_BYTES = 3
IMAGE_LOW_BITS = 13
IMAGE_BYTES = 6
HELLO_BYTES = BUNDLE_ID_BYTES + IMAGE_BYTES
"At most; one less from a node that wants nothing."
MAX_JUMP = 1 << IMAGE_LOW_BITS - 2
"""Between image ids told one behind the other. The farthest that could be told is twice that: a
node that never learned that its last packet arrived may be one jump behind.
"""

AGE_STEPS_PER_OCTAVE = 1.5
AGE_UNKNOWN = 31
"26 % at worst: 0 is less than 0.3 s, 30 stands for 12 days or more."


def port_of(packet_type: PacketType) -> int:
    """The FPort that says this type."""
    return FIRST_PORT + packet_type


def type_of(port: int) -> PacketType | None:
    """The type that an FPort says; None when it is not one of ours."""
    return PacketType(port - FIRST_PORT) if 0 <= port - FIRST_PORT < len(PacketType) else None


def uplink_packet(
    node: int, session: bytes, frame_counter: int, packet_type: PacketType, body: bytes
) -> bytes:
    """A frame of a node as the host's packet; `session` is the device address."""
    assert len(session) == SESSION_BYTES
    return (
        Header(
            node, frame_counter & 0xFFFF, packet_type, Flag.SALT, session, LORAWAN_VERSION
        ).pack()
        + body
    )


def plain_packet(node: int, packet_type: PacketType, body: bytes) -> bytes:
    """A frame to be sent, at either end: the network gives it its counter and address."""
    return Header(node, 0, packet_type, version=LORAWAN_VERSION).pack() + body


def unpack_packet(packet: bytes) -> tuple[Header, PacketType, bytes]:
    """Header, type and body; ValueError when it is no packet of this form."""
    header = Header.unpack(packet)
    if header.version != LORAWAN_VERSION:
        raise ValueError(
            f"packet has wire version {header.version}, over LoRaWAN it is {LORAWAN_VERSION}: "
            "it came from another carrier"
        )
    return header, PacketType(header.packet_type), packet[header.n_bytes :]


def pack_chunk(chunk: Chunk) -> bytes:
    """Body of a DATA frame."""
    return _pack_head(chunk) + chunk.bitstream


def unpack_chunk(body: bytes, reference: int) -> Chunk:
    """`reference` is the image id told last. Raises ValueError when the body is no chunk."""
    chunk = _unpack_head(body, reference)
    return Chunk(chunk.image, chunk.index, chunk.is_last, body[LORAWAN_HEAD_BYTES:], chunk.age_s)


def pack_batch(chunks: Iterable[Chunk]) -> bytes:
    """Body of a BATCH frame."""
    return b"".join(
        _pack_head(chunk) + bytes([len(chunk.bitstream)]) + chunk.bitstream for chunk in chunks
    )


def unpack_batch(body: bytes, reference: int) -> list[Chunk]:
    """As unpack_chunk; each chunk's image is the reference of the next."""
    chunks: list[Chunk] = []
    while body or not chunks:
        chunk = _unpack_head(body, reference)
        start = LORAWAN_HEAD_BYTES + 1
        end = start + body[LORAWAN_HEAD_BYTES] if len(body) > LORAWAN_HEAD_BYTES else len(body) + 1
        if end > len(body):
            raise ValueError(f"a batch ends within its chunk {len(chunks)}")
        chunks.append(Chunk(chunk.image, chunk.index, chunk.is_last, body[start:end], chunk.age_s))
        body, reference = body[end:], chunk.image
    return chunks


@dataclass(frozen=True)
class Greeting:
    """HELLO over LoRaWAN: who speaks in this session, and around which id images are told."""

    bundle_id: bytes
    image: int

    def pack(self) -> bytes:
        return self.bundle_id + self.image.to_bytes(IMAGE_BYTES, "big")

    @classmethod
    def unpack(cls, body: bytes) -> "Greeting":
        """Raises ValueError when the body is none."""
        if len(body) != HELLO_BYTES:
            raise ValueError(
                f"body of a HELLO over LoRaWAN has {len(body)} bytes, it must have {HELLO_BYTES}"
            )
        return cls(body[:BUNDLE_ID_BYTES], int.from_bytes(body[BUNDLE_ID_BYTES:], "big"))


def pack_enough(images: Iterable[int]) -> bytes:
    """Body of a REPORT: the images that need no further chunk."""
    return b"".join((image % (1 << IMAGE_LOW_BITS)).to_bytes(2, "big") for image in images)


def unpack_enough(body: bytes, reference: int) -> list[int]:
    """As unpack_chunk."""
    if len(body) % 2:
        raise ValueError(
            f"a REPORT over LoRaWAN has 2 bytes for each image, this one has {len(body)} in all"
        )
    lows = [int.from_bytes(body[i : i + 2], "big") for i in range(0, len(body), 2)]
    return [nearest(reference, low % (1 << IMAGE_LOW_BITS), IMAGE_LOW_BITS) for low in lows]


def nearest(reference: int, low: int, bits: int) -> int:
    """The number with these low bits that is nearest to `reference`, never negative."""
    lowest = reference - (1 << bits - 1)
    number = lowest + (low - lowest) % (1 << bits)
    return number if number >= 0 else number + (1 << bits)


def can_be_told(image: int, reference: int) -> bool:
    """Whether a host that was last told `reference`, or missed one telling, finds this id from its
    low bits.
    """
    return abs(image - reference) < MAX_JUMP


def _pack_head(chunk: Chunk) -> bytes:
    image = chunk.image % (1 << IMAGE_LOW_BITS)
    return (image << 11 | chunk.is_last << 10 | chunk.index << 5 | _pack_age(chunk.age_s)).to_bytes(
        3, "big"
    )


def _unpack_head(body: bytes, reference: int) -> Chunk:
    """A chunk without its bitstream."""
    if len(body) < LORAWAN_HEAD_BYTES:
        raise ValueError(f"a chunk has {len(body)} bytes, its head alone has {LORAWAN_HEAD_BYTES}")
    head = int.from_bytes(body[:LORAWAN_HEAD_BYTES], "big")
    index = head >> 5 & 31
    if index >= MAX_CHUNKS:
        raise ValueError(f"chunk {index} cannot be: an image has at most {MAX_CHUNKS} chunks")
    image = nearest(reference, head >> 11, IMAGE_LOW_BITS)
    return Chunk(image, index, bool(head >> 10 & 1), b"", _unpack_age(head & 31))


def _pack_age(age_s: float | None) -> int:
    if age_s is None:
        return AGE_UNKNOWN
    return min(AGE_UNKNOWN - 1, round(AGE_STEPS_PER_OCTAVE * math.log2(1 + max(0.0, age_s))))


def _unpack_age(code: int) -> float | None:
    return None if code == AGE_UNKNOWN else 2 ** (code / AGE_STEPS_PER_OCTAVE) - 1
