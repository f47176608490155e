"""Losses: packets of a node that did not come, counted by the gaps in its packet counter.

An estimate, because a counter that an image took as its id was never on the air, and is known only
when a chunk of that image came. A lost chunk's index follows from what came before and behind the
gap, where that leaves no doubt; a batch leaves some.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from link.base.recent import Recent
from link.wire.packet import Chunk

MAX_KNOWN_IDS = 256


@dataclass
class Losses:
    """What one node sent in vain."""

    ids_are_counters: bool = True
    """The native link takes image ids from the packet counter; in LoRaWAN the two have nothing to
    do with each other.
    """
    n: int = 0
    "Gaps in the counter."
    by_chunk: Counter[int] = field(default_factory=Counter)
    "Chunk index to gaps that can only have been it."
    _highest: int | None = field(default=None, init=False, repr=False)
    _first: int = field(default=0, init=False, repr=False)
    _previous: Chunk | None = field(default=None, init=False, repr=False)
    "The chunk of the packet before; None when it held none or several."
    _n_chunks: int = field(default=0, init=False, repr=False)
    "Chunks of the last image whose end is known."
    _ids: Recent[int, None] = field(
        default_factory=lambda: Recent(MAX_KNOWN_IDS), init=False, repr=False
    )

    def restarted(self) -> None:
        """A new session begins: the counters skipped before it were never used."""
        self._highest = self._previous = None

    def heard(self, counter: int, chunks: Sequence[Chunk]) -> int:
        """A packet came that is good and new; the number of images heard of for the first time."""
        images = {chunk.image for chunk in chunks} - self._ids.keys()
        for image in images:
            self._ids[image] = None
            if self.ids_are_counters and self._highest is not None and image < self._highest:
                self._forgive(image)
        self._count_gap(counter, chunks)
        return len(images)

    def _forgive(self, image: int) -> None:
        """A gap counted as a loss was the id of this image, which waited."""
        if image > self._first and self.n:
            self.n -= 1

    def _count_gap(self, counter: int, chunks: Sequence[Chunk]) -> None:
        chunk = chunks[0] if len(chunks) == 1 else None
        if self._highest is None:
            self._highest = self._first = counter
        elif counter > self._highest:
            gap = range(self._highest + 1, counter)
            n_ids = self._n_ids_in(gap) if self.ids_are_counters else 0
            self._lose(len(gap) - n_ids, chunk)
            self._highest = counter
        elif counter > self._first and self.n:
            self.n -= 1  # late, not lost
        self._previous = chunk
        if chunk is not None and chunk.is_last:
            self._n_chunks = chunk.index + 1

    def _n_ids_in(self, gap: range) -> int:
        """Counters of a gap that are known to be images' ids."""
        if len(gap) < len(self._ids):
            return sum(counter in self._ids for counter in gap)
        return sum(image in gap for image in self._ids)

    def _lose(self, n_unheard: int, behind: Chunk | None) -> None:
        """Counters that nobody heard, from the previous packet to the one that holds `behind`."""
        before = self._previous
        self.n += n_unheard
        if not n_unheard or behind is None:
            return
        if before is not None and before.image == behind.image:
            between = range(before.index + 1, behind.index)
            self.by_chunk.update(between if len(between) == n_unheard else ())
            return
        leading = list(range(behind.index))[-n_unheard:]
        self.by_chunk.update(leading)
        if before is not None and self._n_chunks:
            self._lose_images(n_unheard - len(leading), before, self._n_chunks)

    def _lose_images(self, n_unheard: int, before: Chunk, n_chunks: int) -> None:
        """Lost behind `before`: its image's rest, if any was sent, then whole images as long as the
        last one known.
        """
        period = n_chunks + self.ids_are_counters
        for n_rest in (0,) if before.is_last else (max(0, n_chunks - 1 - before.index), 0):
            n_images, remainder = divmod(n_unheard - n_rest, period)
            if n_images >= 0 and not remainder:
                self.by_chunk.update(before.index + 1 + i for i in range(n_rest))
                for index in range(n_chunks):
                    self.by_chunk[index] += n_images
                self.n -= n_images * self.ids_are_counters
                return
