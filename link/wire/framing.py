"""Framing: packets on a byte stream. COBS takes the zeros out, a zero ends the frame, a CRC-16
tells noise.

    frame = COBS(packet ‖ CRC-16) ‖ 00

Four bytes more than the packet, up to 252 bytes of it; one more above. After garbage the receiver
is in step again at the next zero byte, so at worst the frame that the garbage ran into is lost.
"""

from binascii import crc_hqx

DELIMITER = 0
CRC_BYTES = 2
CRC_START = 0xFFFF
"CRC-16/CCITT-FALSE: polynomial 0x1021, most significant bit first."
BLOCK_BYTES = 254
"Longest run without a zero that one COBS length byte covers."
MAX_PACKET_BYTES = 255


def frame(packet: bytes) -> bytes:
    """The bytes to write to a stream for one packet."""
    return cobs_encode(packet + crc_hqx(packet, CRC_START).to_bytes(CRC_BYTES, "big")) + bytes(
        [DELIMITER]
    )


class Deframer:
    """Bytes in, however they were cut, packets out; what is no frame is counted, never an error."""

    def __init__(self, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._max_frame_bytes = len(cobs_encode(bytes([1] * (max_packet_bytes + CRC_BYTES))))
        self._pending = bytearray()
        self._is_overlong = False
        self.noise = 0
        "Frames that arrived damaged."
        self.too_long = 0
        "Runs of bytes longer than any frame."

    def push(self, data: bytes) -> list[bytes]:
        """The packets that these bytes complete."""
        packets = []
        *ended, rest = data.split(bytes([DELIMITER]))
        for run in ended:
            self._append(run)
            packets += self._end_frame()
        self._append(rest)
        return packets

    def _append(self, run: bytes) -> None:
        """Keeps no more of a run than shows that it is too long."""
        self._pending += run[: self._max_frame_bytes + 1 - len(self._pending)]
        if len(self._pending) > self._max_frame_bytes and not self._is_overlong:
            self._is_overlong = True
            self.too_long += 1

    def _end_frame(self) -> list[bytes]:
        encoded, self._pending = bytes(self._pending), bytearray()
        if self._is_overlong or not encoded:
            self._is_overlong = False
            return []
        content = cobs_decode(encoded)
        if content is None or len(content) < CRC_BYTES or not _is_intact(content):
            self.noise += 1
            return []
        if len(content) - CRC_BYTES > self._max_packet_bytes:  # its zeros made it shorter
            self.too_long += 1
            return []
        return [content[:-CRC_BYTES]]


def cobs_encode(data: bytes) -> bytes:
    """Consistent overhead byte stuffing: no zero in the result (Cheshire and Baker, 1999)."""
    encoded = bytearray()
    runs = data.split(b"\0")
    for run in runs:
        while len(run) >= BLOCK_BYTES:
            encoded += bytes([BLOCK_BYTES + 1]) + run[:BLOCK_BYTES]
            run = run[BLOCK_BYTES:]
        encoded += bytes([len(run) + 1]) + run
    if runs[-1] and len(runs[-1]) % BLOCK_BYTES == 0:
        encoded.pop()  # behind a full block at the very end nothing needs to follow
    return bytes(encoded)


def cobs_decode(encoded: bytes) -> bytes | None:
    """Inverse of cobs_encode; None when the length bytes do not fit."""
    decoded = bytearray()
    position = 0
    while position < len(encoded):
        length = encoded[position]
        block = encoded[position + 1 : position + length]
        if length == 0 or len(block) < length - 1:
            return None
        decoded += block
        position += length
        if length <= BLOCK_BYTES and position < len(encoded):
            decoded.append(0)
    return bytes(decoded)


def _is_intact(content: bytes) -> bool:
    return crc_hqx(content[:-CRC_BYTES], CRC_START) == int.from_bytes(content[-CRC_BYTES:], "big")
