"""In flight: what a node has sent and not yet heard of, by the counter of the packet that carried
it.

A chunk that is sent again travels under a new counter, so it may be on its way under several; any
one of them that is acknowledged delivers it, and it is lost when none is left. A report speaks of
16 counters: what lies further back when a new one is used cannot be acknowledged any more.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from link.base.recent import Recent
from link.wire.control import REPORT_SPAN, Report
from link.wire.packet import ChunkId

MAX_STOPPED = 256
"Images that the host wants no more of, remembered."
MAX_REMEMBERED = 2 * REPORT_SPAN
"Packets whose images are still known when a late verdict on them comes."


@dataclass
class Flight:
    """One packet that carried chunks."""

    counter: int
    chunks: tuple[ChunkId, ...]
    end_s: float | None = None
    "When its last bit left; None: it is leaving."


@dataclass
class Settled:
    """What a report decided."""

    delivered: set[ChunkId] = field(default_factory=set)
    lost: set[ChunkId] = field(default_factory=set)
    "On their way no more, and not delivered."
    stopped: set[int] = field(default_factory=set)
    "Images that need no further chunk."


class InFlight:
    """The packets on their way, oldest first."""

    def __init__(self) -> None:
        self._flights: dict[int, Flight] = {}
        self._carried: Recent[int, tuple[int, ...]] = Recent(MAX_REMEMBERED)
        "Images of the chunks in each packet of late, acknowledged or not."
        self._stopped: Recent[int, None] = Recent(MAX_STOPPED)
        "Images on which a verdict came: it is news only once."
        self._n_by_image: Counter[int] = Counter()
        self.chunks: Counter[ChunkId] = Counter()
        "Under how many counters each chunk is on its way; none is not in here."

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def oldest_counter(self) -> int | None:
        return next(iter(self._flights), None)

    @property
    def oldest_base(self) -> ChunkId | None:
        """The chunk 0 that waits longest for its acknowledgement."""
        return next(
            (chunk for flight in self._flights.values() for chunk in flight.chunks if not chunk[1]),
            None,
        )

    def n_of_image(self, image: int) -> int:
        """Chunks of it on their way."""
        return self._n_by_image[image]

    def add(self, counter: int, chunks: Iterable[ChunkId]) -> None:
        flight = self._flights[counter] = Flight(counter, tuple(chunks))
        self._carried[counter] = tuple(image for image, _ in flight.chunks)
        for chunk in flight.chunks:
            if not self.chunks[chunk]:
                self._n_by_image[chunk[0]] += 1
            self.chunks[chunk] += 1

    def ended(self, counter: int, end_s: float) -> None:
        """The packet's last bit has left."""
        if flight := self._flights.get(counter):
            flight.end_s = end_s

    def settle(self, report: Report, heard_until_s: float) -> Settled:
        """Take in a report. The host spoke of all that it heard until heard_until_s and of nothing
        that came later.
        """
        settled = Settled()
        for counter in report.received_counters():
            if flight := self._flights.get(counter):
                settled.delivered.update(flight.chunks)
        self._remove(settled.delivered)
        for flight in [
            flight
            for flight in self._flights.values()
            if _is_covered(flight, report, heard_until_s)
        ]:
            settled.lost |= self._land(flight)
        settled.stopped = self._newly_stopped(report)
        self._remove({chunk for chunk in self.chunks if chunk[1] and chunk[0] in settled.stopped})
        return settled

    def _newly_stopped(self, report: Report) -> set[int]:
        """Images that the report stops and none before it did."""
        newest = [
            image
            for counter in report.received_counters()
            for image in reversed(self._carried.get(counter, ()))
        ]
        named = {
            newest[place] for place in report.enough_places() if place < len(newest)
        } - self._stopped.keys()
        self._stopped.update(dict.fromkeys(named))
        return named

    def withdraw(self, counter: int) -> None:
        """The packet did not leave after all."""
        if flight := self._flights.get(counter):
            self._land(flight)

    def give_up(self, before: int | None = None) -> set[ChunkId]:
        """Wait no longer for packets, all or those with counters below `before`; the chunks that
        are lost with them.
        """
        lost = set()
        for flight in [
            flight for flight in self._flights.values() if before is None or flight.counter < before
        ]:
            lost |= self._land(flight)
        return lost

    def _land(self, flight: Flight) -> set[ChunkId]:
        """A packet is given up; those of its chunks that are on their way no more."""
        del self._flights[flight.counter]
        return {chunk for chunk in flight.chunks if self._count_down(chunk)}

    def _remove(self, chunks: set[ChunkId]) -> None:
        """Everywhere, whatever packets carried them."""
        for flight in list(self._flights.values()):
            if chunks.isdisjoint(flight.chunks):
                continue
            for chunk in chunks.intersection(flight.chunks):
                self._count_down(chunk)
            flight.chunks = tuple(chunk for chunk in flight.chunks if chunk not in chunks)
            if not flight.chunks:
                del self._flights[flight.counter]

    def _count_down(self, chunk: ChunkId) -> bool:
        """Whether that was the last packet with this chunk."""
        self.chunks[chunk] -= 1
        if self.chunks[chunk]:
            return False
        del self.chunks[chunk]
        self._n_by_image[chunk[0]] -= 1
        if not self._n_by_image[chunk[0]]:
            del self._n_by_image[chunk[0]]
        return True


def _is_covered(flight: Flight, report: Report, heard_until_s: float) -> bool:
    """Whether the report would have named the packet if it had come."""
    return flight.counter <= report.highest or (
        flight.end_s is not None and flight.end_s <= heard_until_s
    )
