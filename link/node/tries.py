"""Tries: how often each chunk that waits was sent, and what is given up of the outbox.

A base chunk stays until it has arrived, unless it fits no packet at all; a refinement that was sent
too often, or that its host wants no more, is not worth more airtime.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from link.node.interface import Outbox, Outgoing, SenderStatistics
from link.wire.packet import ChunkId

REFINEMENT_TRIES = 3
"Times that a refinement is sent before it is given up."
MAX_TRIED = 4096
"Chunks that wait of which it is remembered how often they were sent."


class Tries:
    """The chunks of one outbox, from their first sending to their end; it counts them."""

    def __init__(self, outbox: Outbox, statistics: SenderStatistics) -> None:
        self._outbox = outbox
        self._statistics = statistics
        self._n_sent: Counter[ChunkId] = Counter()

    def sent(self, outgoing: Outgoing) -> None:
        """A packet is about to leave."""
        self._count(outgoing, 1)
        self._n_sent.update(outgoing.chunks)
        if len(self._n_sent) > MAX_TRIED:
            del self._n_sent[min(self._n_sent)]

    def withdrawn(self, outgoing: Outgoing) -> None:
        """It did not leave after all."""
        self._n_sent.subtract(outgoing.chunks)
        self._count(outgoing, -1)

    def delivered(self, chunks: Collection[ChunkId]) -> tuple[int, ...]:
        """They are safe, or nobody will ever say so; the images whose base is among them."""
        self._outbox.delivered(chunks)
        self._forget(chunks)
        bases = tuple(sorted(image for image, index in chunks if index == 0))
        self._statistics.n_delivered += len(bases)
        return bases

    def lost(self, chunks: Iterable[ChunkId]) -> None:
        """They wait again, but for images whose refinements were sent too often."""
        self._give_up(
            {
                image
                for image, index in chunks
                if index and self._n_sent[image, index] >= REFINEMENT_TRIES
            }
        )

    def stop(self, images: Collection[int]) -> None:
        """The host wants no more of these images."""
        self._outbox.drop_refinements(images)
        self._forget([chunk for chunk in self._n_sent if chunk[1] and chunk[0] in images])

    def too_long(self, chunks: Collection[ChunkId]) -> None:
        """They fit no packet, not even alone."""
        bases = [chunk for chunk in chunks if chunk[1] == 0]
        self._outbox.delivered(bases)
        self._statistics.n_too_long += len(bases)
        self._give_up({image for image, _ in chunks})

    def begin_anew(self) -> None:
        """Whatever was sent counts for nothing."""
        self._n_sent.clear()

    def _give_up(self, images: set[int]) -> None:
        if images:
            self.stop(images)
            self._statistics.n_refinements_dropped += len(images)

    def _forget(self, chunks: Iterable[ChunkId]) -> None:
        for chunk in chunks:
            self._n_sent.pop(chunk, None)

    def _count(self, outgoing: Outgoing, sign: int) -> None:
        statistics = self._statistics
        statistics.n_packets += sign
        statistics.airtime_s += sign * outgoing.airtime_s
        statistics.n_chunks += sign * len(outgoing.chunks)
        statistics.n_repeated += sign * sum(self._n_sent[chunk] > 0 for chunk in outgoing.chunks)
