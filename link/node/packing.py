"""Packing: what the next packet would hold, as bytes, and how long it would be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from link.node.fitting import Fitting
from link.node.interface import Outbox, QueuedChunk
from link.node.session import NodeSession
from link.wire.control import Hello, Parity, Status
from link.wire.erasure import ParityPlan
from link.wire.packet import (
    CHUNK_HEAD_BYTES,
    FIRST_CHUNK_OVERHEAD_BYTES,
    LATER_CHUNK_OVERHEAD_BYTES,
    LONG_HEAD_BYTES,
    MAX_PACKET_BYTES,
    Chunk,
    ChunkId,
    PacketType,
    chunk_head_bytes,
    overhead_bytes,
    pack_batch,
)

DATA_OVERHEAD_BYTES = overhead_bytes(PacketType.DATA)
LONG_FORM_BYTES = LONG_HEAD_BYTES - CHUNK_HEAD_BYTES
"Room that a base chunk leaves in its packet, so that it can be sent however long it waited."
MIN_PACKET_BYTES = overhead_bytes(PacketType.HELLO, has_salt=True) + len(
    Hello(bytes(8), wants_time=True).pack()
)


@dataclass(frozen=True)
class Content:
    """What the next packet would be."""

    packet_type: PacketType
    chunks: tuple[QueuedChunk, ...] = ()
    control: Hello | Status | Parity | None = None
    listens: bool = False
    is_probe: bool = False

    @property
    def chunk_ids(self) -> tuple[ChunkId, ...]:
        return tuple((chunk.image, chunk.index) for chunk in self.chunks)


class Packer:
    """Fills one node's packets; `age_s` tells how old a chunk's image is at a time."""

    def __init__(
        self,
        session: NodeSession,
        outbox: Outbox,
        age_s: Callable[[QueuedChunk, float], float | None],
        max_packet_bytes: int,
        parity: ParityPlan | None,
        fitting: Fitting | None = None,
    ) -> None:
        """Parity must fit too: it is longer than the longest body it covers."""
        if not MIN_PACKET_BYTES <= max_packet_bytes <= MAX_PACKET_BYTES:
            raise ValueError(
                f"packets of {max_packet_bytes} bytes cannot be made: {MIN_PACKET_BYTES} to "
                f"{MAX_PACKET_BYTES} are "
                "possible, set max_packet_bytes to that"
            )
        self._session = session
        self._outbox = outbox
        self._age_s = age_s
        self.max_packet_bytes = max_packet_bytes
        self._fitting = fitting or Fitting(max_packet_bytes, MIN_PACKET_BYTES)
        self._parity_bytes = parity.room_bytes if parity else 0
        self.latest = -1
        "Counter used last."

    @property
    def planned_counter(self) -> int:
        """Most likely that of the next packet."""
        return max(self.latest, self._outbox.newest_image) + 1

    def chunk_bytes(self, first: int | None, later: int | None) -> tuple[int, int]:
        """The longest first and later pieces to cut a bitstream into, or the given ones where those
        are shorter.
        """
        most_first = (
            self.max_packet_bytes
            - FIRST_CHUNK_OVERHEAD_BYTES
            - max(LONG_FORM_BYTES, self._parity_bytes)
        )
        most_later = self.max_packet_bytes - LATER_CHUNK_OVERHEAD_BYTES - self._parity_bytes
        return min(first or most_first, most_first), min(later or most_later, most_later)

    def n_fitting(self, chunks: Sequence[QueuedChunk]) -> int:
        """How many of them one packet holds, at least one."""
        overhead = overhead_bytes(PacketType.BATCH, self._session.owes_salt)
        room = min(self.max_packet_bytes - self._parity_bytes, self._fitting.room_bytes) - overhead
        counter, n = self.planned_counter, 0
        for chunk in chunks:
            room -= chunk_head_bytes(chunk.image, chunk.index, counter) + 1 + len(chunk.bitstream)
            if room < 0:
                break
            n += 1
        return max(1, n)

    def body(self, content: Content, counter: int, now_s: float) -> bytes:
        if isinstance(content.control, Parity):
            return content.control.pack(counter)
        if content.control is not None:
            return content.control.pack()
        chunks = [
            Chunk(
                chunk.image, chunk.index, chunk.is_last, chunk.bitstream, self._age_s(chunk, now_s)
            )
            for chunk in content.chunks
        ]
        return (
            chunks[0].pack(counter)
            if content.packet_type == PacketType.DATA
            else pack_batch(chunks, counter)
        )

    def packet_bytes(self, content: Content, body: bytes | None = None) -> int:
        """Length of the packet with this body; None: the one that it would most likely have."""
        if body is None:
            body = self.body(content, self.planned_counter, 0.0)
        return overhead_bytes(content.packet_type, self._session.owes_salt) + len(body)
