"""Fitting: how long the next packet may be, while a modem takes less than it promised.

A packet that did not fit is followed by a smaller one: fewer chunks, or a short STATUS. Once one
has left there may be room again as before: in LoRaWAN it took away the answers that stood in front
of the payload. A chunk that did not fit even alone waits, twice as long each time, and lets others
pass; it is not dropped.
"""

from collections.abc import Collection

from link.base.pause import Pause
from link.wire.packet import ChunkId

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 3600.0


class Fitting:
    """Room for the next packet; lengths are those that a node's end counts, packets or bodies."""

    def __init__(self, max_bytes: int, least_bytes: int) -> None:
        """`least_bytes`: length of the shortest that can be sent."""
        self.max_bytes = max_bytes
        self._least_bytes = least_bytes
        self.room_bytes = max_bytes
        self.free_s = -float("inf")
        "Not even the shortest packet fits; from then on it is tried again."
        self._pause = Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._pauses: dict[ChunkId, Pause] = {}
        self._held_s: dict[ChunkId, float] = {}

    @property
    def is_short(self) -> bool:
        """Whether something smaller than usual must go first."""
        return self.room_bytes < self.max_bytes

    def too_long(
        self, n_bytes: int, chunks: Collection[ChunkId], now_s: float, told_bytes: int | None = None
    ) -> None:
        """A packet of that length with these chunks does not fit. `told_bytes`: what does, if the
        modem says it.
        """
        self.room_bytes = min(n_bytes - 1, n_bytes - 1 if told_bytes is None else told_bytes)
        if len(chunks) == 1:
            [chunk] = chunks
            pause = self._pauses.setdefault(chunk, Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S))
            self._held_s = {held: due_s for held, due_s in self._held_s.items() if due_s > now_s}
            self._held_s[chunk] = now_s + pause.failed()
        if self.room_bytes < self._least_bytes:
            self.free_s = now_s + self._pause.failed()
            self.room_bytes = self.max_bytes

    def left(self, chunks: Collection[ChunkId]) -> None:
        """A packet with these chunks has left."""
        self.room_bytes = self.max_bytes
        self._pause.worked()
        for chunk in chunks:
            self._pauses.pop(chunk, None)
            self._held_s.pop(chunk, None)

    def held(self, now_s: float) -> set[ChunkId]:
        """Chunks whose turn is not yet."""
        return {chunk for chunk, due_s in self._held_s.items() if due_s > now_s}

    def due_s(self, now_s: float) -> float | None:
        """When more may fit again than now: one of these chunks, or anything at all."""
        due_s = (self.free_s, *self._held_s.values())
        return min((one for one in due_s if one > now_s), default=None)
