"""Packing: what the next packet would hold, as bytes, how long it would be, under which counter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from link.node.fitting import Fitting
from link.node.interface import Equipment, Outgoing, QueuedChunk
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

LONG_FORM_BYTES = LONG_HEAD_BYTES - CHUNK_HEAD_BYTES
"Room that a base chunk leaves in its packet, so that it can be sent however long it waited."
HELLO_PACKET_BYTES = overhead_bytes(PacketType.HELLO, has_salt=True) + len(
    Hello(bytes(8), wants_time=True).pack()
)
"Length of the longest HELLO: no node's packets may be limited to less."


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
    """Packets of one node, as long as `fitting` allows."""

    def __init__(
        self,
        session: NodeSession,
        equipment: Equipment,
        fitting: Fitting,
        parity: ParityPlan | None,
        age_s: Callable[[QueuedChunk, float], float | None],
    ) -> None:
        """`age_s` tells how old a chunk's image is at a time. Parity must fit too: it is longer
        than the longest body it covers.
        """
        if not HELLO_PACKET_BYTES <= fitting.max_bytes <= MAX_PACKET_BYTES:
            raise ValueError(
                f"packets of {fitting.max_bytes} bytes cannot be made: {HELLO_PACKET_BYTES} to "
                f"{MAX_PACKET_BYTES} are possible, set max_packet_bytes to that"
            )
        self._session = session
        self._outbox = equipment.outbox
        self._counters = equipment.counters
        self._timing = equipment.timing
        self._age_s = age_s
        self._fitting = fitting
        self._parity_bytes = parity.room_bytes if parity else 0
        self.latest_counter = -1
        "Counter used last."
        equipment.counters.advance_to(equipment.outbox.newest_image + 1)

    @property
    def planned_counter(self) -> int:
        """Most likely that of the next packet."""
        return max(self.latest_counter, self._outbox.newest_image) + 1

    def next_counter(self) -> int:
        """The counter of a packet that is about to leave, used up now."""
        self.latest_counter = self._counters.next()
        return self.latest_counter

    def skip_to(self, counter: int) -> None:
        """Use none up to this one any more."""
        self._counters.advance_to(counter + 1)
        self.latest_counter = max(self.latest_counter, counter)

    def chunk_bytes(self, first: int | None, later: int | None) -> tuple[int, int]:
        """The longest first and later pieces of a bitstream, or the given ones if shorter."""
        most_first = (
            self._fitting.max_bytes
            - FIRST_CHUNK_OVERHEAD_BYTES
            - max(LONG_FORM_BYTES, self._parity_bytes)
        )
        most_later = self._fitting.max_bytes - LATER_CHUNK_OVERHEAD_BYTES - self._parity_bytes
        return min(first or most_first, most_first), min(later or most_later, most_later)

    def n_fitting(self, chunks: Sequence[QueuedChunk]) -> int:
        """How many of them one packet holds, at least one."""
        overhead = overhead_bytes(PacketType.BATCH, self._session.owes_salt)
        most = min(self._fitting.max_bytes - self._parity_bytes, self._fitting.room_bytes)
        room, counter, n = most - overhead, self.planned_counter, 0
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

    def spans_s(self, content: Content) -> tuple[float, float]:
        """Airtime of the packet that it would most likely be, and with what may answer it."""
        packet_bytes = min(self.packet_bytes(content), self._fitting.max_bytes)
        airtime_s = self._timing.airtime_s(packet_bytes)
        return airtime_s, airtime_s + (self._timing.report_wait_s if content.listens else 0.0)

    def seal(self, content: Content, counter: int, body: bytes, airtime_s: float) -> Outgoing:
        """The packet itself, under this counter."""
        return Outgoing(
            self._session.seal(content.packet_type, counter, body, content.listens),
            content.packet_type,
            airtime_s,
            chunks=content.chunk_ids,
            listens=content.listens,
            counter=counter,
            bitstream_bytes=tuple(len(chunk.bitstream) for chunk in content.chunks),
        )
