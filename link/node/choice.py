"""Choice: which chunks the next packet carries, and whether it asks for an answer.

    first       base chunks, oldest image first, several in a packet when airtime and not the line's
                speed is short
    then        refinements, newest image first: as many as the budget affords and the host still
                wants
    unanswered  probes with the oldest base chunk

Every one is a look at the outbox, which changes nothing.
"""

from collections.abc import Collection

from link.node.fitting import Fitting
from link.node.in_flight import InFlight
from link.node.interface import Equipment, QueuedChunk, SenderOptions
from link.node.packing import Content, Packer
from link.node.rate_control import RateControl
from link.node.report_timer import ReportTimer
from link.wire.control import REPORT_SPAN
from link.wire.packet import LATER_CHUNK_OVERHEAD_BYTES, ChunkId, PacketType

ASK_SPAN = 10
"""Counters behind the oldest that waits at which an answer is wanted: a report names 16, and may be
lost.
"""
BATCH_PACKETS = 8
"Packets after which an answer is wanted at the latest."
LOOK_AHEAD = 24
"Chunks that are looked at to fill a packet, or to find one that may be sent."


class Choice:
    """What of the outbox a node sends next."""

    def __init__(
        self,
        equipment: Equipment,
        options: SenderOptions,
        in_flight: InFlight,
        report: ReportTimer,
        packer: Packer,
        fitting: Fitting,
        rate: RateControl,
    ) -> None:
        self._outbox = equipment.outbox
        self._governor = equipment.governor
        self._timing = equipment.timing
        self._options = options
        self._in_flight = in_flight
        self._report = report
        self._packer = packer
        self._fitting = fitting
        self._rate = rate
        self._n_unasked = options.unasked_chunks
        "Chunks of one image that may be on their way at once."

    def take_advice(self, n_chunks: int | None) -> None:
        """So many chunks of an image are worth sending without being asked; None: no advice."""
        self._n_unasked = n_chunks or self._options.unasked_chunks

    @property
    def is_window_full(self) -> bool:
        """The answer that is awaited could not name another packet."""
        oldest = self._in_flight.oldest_counter
        is_far = oldest is not None and self._packer.planned_counter - oldest >= REPORT_SPAN
        return is_far and self._report.due_s is not None

    def passed_over(self, now_s: float) -> Collection[ChunkId]:
        """Chunks that are on their way, or do not fit at present."""
        held = self._fitting.held(now_s)
        return self._in_flight.chunks.keys() | held if held else self._in_flight.chunks

    def bases(self, now_s: float) -> Content | None:
        """The oldest base chunks that are not on their way; where they share a BATCH, refinements
        ride along.
        """
        if not self._outbox.n_images:
            return None
        limit = LOOK_AHEAD if self._governor.is_limited else 2
        waiting = list(self._outbox.base_chunks(limit, self.passed_over(now_s)))
        if not waiting:
            return None
        n, riders = 1, self._refinements(LOOK_AHEAD if self._governor.is_limited else 1, now_s)
        if self._governor.is_limited:
            n = self._packer.n_fitting([*waiting, *riders])
        chunks = tuple([*waiting, *riders][:n])
        packet_type = PacketType.DATA if n == 1 else PacketType.BATCH
        return Content(
            packet_type,
            chunks,
            listens=self.is_asking(chunks, now_s, has_more=n < len(waiting) + len(riders)),
        )

    def refinement(self, now_s: float) -> Content | None:
        """The next refinement, of the newest image that has one."""
        waiting = self._refinements(LOOK_AHEAD, now_s) if self._outbox.n_images else []
        if not waiting:
            return None
        has_more = any(chunk.image != waiting[0].image for chunk in waiting)
        chunks = (waiting[0],)
        return Content(PacketType.DATA, chunks, listens=self.is_asking(chunks, now_s, has_more))

    def probe(self) -> Content | None:
        """The oldest base chunk without an acknowledgement; None when only refinements are on their
        way.
        """
        oldest = self._in_flight.oldest_base
        skip = {chunk for chunk in self._in_flight.chunks if chunk != oldest}
        waiting = tuple(self._outbox.base_chunks(1, skip))
        return Content(PacketType.DATA, waiting, listens=True, is_probe=True) if waiting else None

    def is_asking(self, chunks: tuple[QueuedChunk, ...], now_s: float, has_more: bool) -> bool:
        """Whether the packet with these chunks wants an answer; has_more: others could follow it
        without one.
        """
        if not self._options.has_downlink or self._report.n_missed:
            return self._options.has_downlink
        counter = self._packer.planned_counter
        if self._report.due_s is not None:
            return self._report.n_since_asked(counter) >= BATCH_PACKETS
        oldest = self._in_flight.oldest_counter
        is_far = oldest is not None and counter - oldest >= ASK_SPAN
        if is_far or len(self._in_flight) + 1 >= BATCH_PACKETS:
            return True
        following = [
            chunk
            for chunk in chunks
            if not chunk.is_last and self._is_next_affordable(chunk, now_s)
        ]
        if has_more or any(
            self._in_flight.n_of_image(chunk.image) + 1 < self._n_unasked for chunk in following
        ):
            return False
        return bool(following) or not self._governor.is_limited

    def _refinements(self, limit: int, now_s: float) -> list[QueuedChunk]:
        """Up to `limit` that may be sent now: wanted, as far as the host has said, and
        affordable.
        """
        found: list[QueuedChunk] = []
        for chunk in self._outbox.refinements(LOOK_AHEAD, self.passed_over(now_s)):
            is_wanted = self._in_flight.n_of_image(chunk.image) < self._n_unasked
            if is_wanted and self._is_affordable(chunk.index, len(chunk.bitstream), now_s):
                found.append(chunk)
            if len(found) == limit:
                break
        return found

    def _is_next_affordable(self, chunk: QueuedChunk, now_s: float) -> bool:
        """The chunk behind this one; it is about as long."""
        return self._is_affordable(chunk.index + 1, len(chunk.bitstream), now_s)

    def _is_affordable(self, index: int, bitstream_bytes: int, now_s: float) -> bool:
        packet_bytes = min(LATER_CHUNK_OVERHEAD_BYTES + bitstream_bytes, self._fitting.max_bytes)
        return index < self._rate.n_affordable(self._timing.airtime_s(packet_bytes), now_s)
