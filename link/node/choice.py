"""Choice: what the next packet is, which chunks it carries, whether it asks for an answer.

    first       HELLO or news of a fault when they are due, parity, a STATUS that is owed
    then        base chunks, oldest image first, several in a packet when airtime and not the line's
                speed is short
    then        refinements, newest image first: as many as the budget affords and the host still
                wants
    unanswered  probes with the oldest base chunk

Every one is a look, which changes nothing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from link.node.announcements import Announcements
from link.node.fitting import Fitting
from link.node.in_flight import InFlight
from link.node.interface import Equipment, QueuedChunk, SenderOptions
from link.node.packing import Content, Packer
from link.node.parity_queue import ParityQueue
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


@dataclass(frozen=True)
class ChunkChoice:
    """Which chunks of the outbox the next packet carries."""

    equipment: Equipment
    options: SenderOptions
    in_flight: InFlight
    report: ReportTimer
    packer: Packer
    fitting: Fitting
    rate: RateControl

    @property
    def _n_unasked(self) -> int:
        """Chunks of one image that may be on their way at once."""
        return self.report.n_advised or self.options.unasked_chunks

    @property
    def is_window_full(self) -> bool:
        """The answer that is awaited could not name another packet."""
        oldest = self.in_flight.oldest_counter
        is_far = oldest is not None and self.packer.planned_counter - oldest >= REPORT_SPAN
        return is_far and self.report.due_s is not None

    def passed_over(self, now_s: float) -> Collection[ChunkId]:
        """Chunks that are on their way, or do not fit at present."""
        held = self.fitting.held(now_s)
        return self.in_flight.chunks.keys() | held if held else self.in_flight.chunks

    def bases(self, now_s: float) -> Content | None:
        """The oldest base chunks not on their way; in a BATCH refinements ride along."""
        is_limited = self.equipment.governor.is_limited
        limit = LOOK_AHEAD if is_limited else 2
        waiting = list(self.equipment.outbox.base_chunks(limit, self.passed_over(now_s)))
        if not waiting:
            return None
        found = [*waiting, *self._refinements(LOOK_AHEAD if is_limited else 1, now_s)]
        n = self.packer.n_fitting(found) if is_limited else 1
        chunks = tuple(found[:n])
        packet_type = PacketType.DATA if n == 1 else PacketType.BATCH
        return Content(
            packet_type,
            chunks,
            listens=self.is_asking(chunks, now_s, has_more=n < len(found)),
        )

    def refinement(self, now_s: float) -> Content | None:
        """The next refinement, of the newest image that has one."""
        waiting = self._refinements(LOOK_AHEAD, now_s)
        if not waiting:
            return None
        has_more = any(chunk.image != waiting[0].image for chunk in waiting)
        chunks = (waiting[0],)
        return Content(PacketType.DATA, chunks, listens=self.is_asking(chunks, now_s, has_more))

    def probe(self) -> Content | None:
        """The oldest unacknowledged base chunk; None: only refinements are on their way."""
        oldest = self.in_flight.oldest_base
        skip = {chunk for chunk in self.in_flight.chunks if chunk != oldest}
        waiting = tuple(self.equipment.outbox.base_chunks(1, skip))
        return Content(PacketType.DATA, waiting, listens=True, is_probe=True) if waiting else None

    def is_asking(self, chunks: tuple[QueuedChunk, ...], now_s: float, has_more: bool) -> bool:
        """Whether a packet with these chunks wants an answer; has_more: others could follow."""
        if not self.options.has_downlink or self.report.n_missed:
            return self.options.has_downlink
        counter = self.packer.planned_counter
        if self.report.due_s is not None:
            return self.report.n_since_asked(counter) >= BATCH_PACKETS
        oldest = self.in_flight.oldest_counter
        is_far = oldest is not None and counter - oldest >= ASK_SPAN
        if is_far or len(self.in_flight) + 1 >= BATCH_PACKETS:
            return True
        following = [
            chunk
            for chunk in chunks
            if not chunk.is_last
            # the chunk behind this one is about as long
            and self._is_affordable(chunk.index + 1, len(chunk.bitstream), now_s)
        ]
        if has_more or any(
            self.in_flight.n_of_image(chunk.image) + 1 < self._n_unasked for chunk in following
        ):
            return False
        is_cheap = self.options.wants_messages or not self.equipment.governor.is_limited
        return bool(following) or is_cheap

    def _refinements(self, limit: int, now_s: float) -> list[QueuedChunk]:
        """Up to `limit` that may be sent now: affordable, and wanted as far as is known."""
        found: list[QueuedChunk] = []
        for chunk in self.equipment.outbox.refinements(LOOK_AHEAD, self.passed_over(now_s)):
            is_wanted = self.in_flight.n_of_image(chunk.image) < self._n_unasked
            if is_wanted and self._is_affordable(chunk.index, len(chunk.bitstream), now_s):
                found.append(chunk)
            if len(found) == limit:
                break
        return found

    def _is_affordable(self, index: int, bitstream_bytes: int, now_s: float) -> bool:
        packet_bytes = min(LATER_CHUNK_OVERHEAD_BYTES + bitstream_bytes, self.fitting.max_bytes)
        return index < self.rate.n_affordable(self.equipment.timing.airtime_s(packet_bytes), now_s)


class Choice:
    """What a node sends next, of all that it could say."""

    def __init__(
        self,
        chunks: ChunkChoice,
        announcements: Announcements,
        parity: ParityQueue,
    ) -> None:
        self._chunks = chunks
        self._announcements = announcements
        self._parity = parity
        self._has_downlink = chunks.options.has_downlink
        self._in_flight = chunks.in_flight
        self._report = chunks.report
        self._fitting = chunks.fitting

    def best(self, now_s: float) -> Content | None:
        """The most useful thing that could be sent, whether or not it may be now."""
        if now_s < self._fitting.free_s:
            return None
        return next(filter(None, (offer(now_s) for offer in self._offers)), None)

    @property
    def _offers(self) -> tuple[Callable[[float], Content | None], ...]:
        """What is sent first; to a silent host nothing new, nor what no report could name."""
        is_open = not self._report.is_silent and not self._chunks.is_window_full
        new = (self._due_status, self._chunks.bases, self._chunks.refinement)
        return (
            self._announcements.urgent,
            self._due_parity,
            *(new if is_open else ()),
            self._probe,
        )

    def _due_parity(self, now_s: float) -> Content | None:
        parity = self._parity.next(self._chunks.packer.planned_counter)
        return Content(PacketType.PARITY, control=parity) if parity else None

    def _due_status(self, now_s: float) -> Content | None:
        if not self._announcements.is_status_owed:
            return None
        return self._announcements.news(now_s, self._chunks.is_asking((), now_s, has_more=True))

    def _probe(self, now_s: float) -> Content | None:
        """Something to be answered, once the host has been silent for long enough. Where only
        refinements are on their way, none: they are given up and take their turn again.
        """
        if not self._is_probe_due(now_s):
            return None
        if self._report.is_naming:
            return self._announcements.hello(now_s, is_probe=True)
        probe = self._chunks.probe()
        return probe if probe or self._in_flight.chunks else self._chunks.refinement(now_s)

    @property
    def probe_due_s(self) -> float | None:
        """None: nothing is unanswered, or the answer is still awaited."""
        if self._report.due_s is not None or not self._has_downlink:
            return None
        return self._report.probe_s if self._in_flight.chunks or self._report.is_silent else None

    def is_at_a_loss(self, now_s: float) -> bool:
        """Whether, if there is nothing to send, that is because of what is waited for in vain."""
        is_in_vain = self._is_probe_due(now_s) and bool(self._in_flight.chunks)
        return now_s >= self._fitting.free_s and (is_in_vain or self._parity.is_flush_due(now_s))

    def _is_probe_due(self, now_s: float) -> bool:
        return self.probe_due_s is not None and now_s >= self.probe_due_s
