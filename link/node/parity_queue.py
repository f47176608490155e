"""Parity queue: the parity packets of a node that nobody answers, and when they are due."""

from collections import deque

from link.wire.control import MAX_PARITY_LAG, Parity
from link.wire.erasure import ParityEncoder, ParityPlan
from link.wire.packet import PacketType


class ParityQueue:
    """Parity packets that are due, or will be; empty for good without a plan."""

    def __init__(self, plan: ParityPlan | None) -> None:
        self._encoder = ParityEncoder(plan) if plan else None
        self._due: deque[Parity] = deque()
        self.flush_s: float | None = None
        "When the groups that are not full get theirs, because nothing more has come."

    def cover(self, counter: int, body: bytes, packet_type: PacketType) -> None:
        """A DATA or BATCH packet leaves."""
        if self._encoder:
            self._due += self._encoder.push(counter, body, packet_type)

    def flush_at(self, flush_s: float) -> None:
        """Nothing waits to be sent; if that is still so then, it is over."""
        if self._encoder:
            self.flush_s = flush_s

    def is_flush_due(self, now_s: float) -> bool:
        return self.flush_s is not None and now_s >= self.flush_s

    def flush(self) -> None:
        """Nothing more comes: groups that are not full get their parity now."""
        self.flush_s = None
        if self._encoder:
            self._due += self._encoder.flush()

    def next(self, planned_counter: int) -> Parity | None:
        """The next that is due; one that can no longer name its group is passed over."""
        return next((parity for parity in self._due if is_tellable(parity, planned_counter)), None)

    def remove(self, parity: Parity) -> None:
        """It is sent, or fits no packet; what was passed over for it goes too."""
        while self._due.popleft() is not parity:
            pass


def is_tellable(parity: Parity, counter: int) -> bool:
    """Whether it can still name its group when it travels under this counter."""
    return counter - parity.members[-1] <= MAX_PARITY_LAG
