"""Parity queue: the parity packets of a node that nobody answers, and when they are due."""

from collections import deque

from link.wire.control import MAX_PARITY_LAG, Parity
from link.wire.erasure import ParityEncoder, ParityPlan
from link.wire.packet import PacketType


class ParityQueue:
    """Empty for good without a plan."""

    def __init__(self, plan: ParityPlan | None) -> None:
        self._encoder = ParityEncoder(plan) if plan else None
        self._due: deque[Parity] = deque()
        self.flush_s: float | None = None
        "When the groups that are not full get theirs, because nothing more has come."

    def sent(self, counter: int, body: bytes, packet_type: PacketType) -> None:
        """A DATA or BATCH packet leaves."""
        if self._encoder:
            self._due += self._encoder.push(counter, body, packet_type)

    def wait(self, until_s: float) -> None:
        """Nothing waits to be sent; if that is still so then, it is over."""
        if self._encoder:
            self.flush_s = until_s

    def flush(self) -> None:
        """Nothing more comes."""
        self.flush_s = None
        if self._encoder:
            self._due += self._encoder.flush()

    def next(self, planned_counter: int) -> Parity | None:
        """The next that is due; what waited for so long that it cannot name its group any more is
        dropped.
        """
        while self._due and planned_counter - self._due[0].members[-1] > MAX_PARITY_LAG:
            self._due.popleft()
        return self._due[0] if self._due else None

    def pop(self) -> None:
        """The next one is sent, or fits no packet."""
        self._due.popleft()
