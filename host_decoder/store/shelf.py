"""The shelf: what came and is not stored yet, in order, while the store is locked, full or away.

    shelf.put(held)                                    a packet
    while batch := shelf.next(now_s, 32): ... shelf.take(len(batch))
                                                       stored: it may be told and acknowledged
    notices = shelf.fail(error, now_s)                 it cannot be: said once, tried again after a
                                                       pause that doubles

While anything waits nothing is opened and nothing is answered: a node then takes the host for away,
and keeps what it has. What waits is kept for those who never send again, so only so much of it.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import islice

from host_decoder.events import Notice
from host_decoder.store.database.file import StoreError
from host_decoder.store.receipt import ReceivedPacket
from link.host import ChunkHeard, NodeState, Outcome, Rejected
from link.wire import Header, Quality

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
MAX_HELD = 4096
"Packets of at most 255 bytes: some hours of a busy radio."


@dataclass(frozen=True)
class Reception:
    """What arrived, and how."""

    packet: bytes
    unix_s: float
    gateway: int
    quality: Quality
    origin: Hashable = None
    "Where at its gateway it came from."


@dataclass
class Held:
    """A packet on its way into the store."""

    reception: Reception
    outcomes: list[Outcome] | None = None
    "None: not opened yet. A packet is opened once, or its second time would count as a replay."
    state: NodeState | None = None
    "Where its node's session stood when it was opened."


class Shelf:
    """In order of arrival; empty but for a moment while the store takes everything."""

    def __init__(self) -> None:
        self._held: deque[Held] = deque()
        self._trouble: str | None = None
        "What was said of the store; None while it is well."
        self._pause_s = FIRST_PAUSE_S
        self._retry_s = 0.0
        self._n_late = self._n_dropped = 0

    @property
    def trouble(self) -> str | None:
        """What was said of the store; None while it is well."""
        return self._trouble

    @property
    def is_in_use(self) -> bool:
        """Whether something waits for the store."""
        return self._trouble is not None

    def __len__(self) -> int:
        return len(self._held)

    def put(self, held: Held) -> None:
        """At the end of the line; when that is too long, nowhere: the node keeps what nobody
        acknowledges.
        """
        if len(self._held) < MAX_HELD:
            self._held.append(held)
        else:
            self._n_dropped += 1

    def is_due(self, now_s: float) -> bool:
        """Whether the store may be tried."""
        return self._trouble is None or now_s >= self._retry_s

    def next(self, now_s: float, most: int) -> list[Held]:
        """What is to be stored now, at most so many; none: nothing, or it is too early to try
        again.
        """
        return list(islice(self._held, most)) if self.is_due(now_s) else []

    def take(self, n: int) -> None:
        """The next ones are stored."""
        for _ in range(n):
            self._held.popleft()
        self._n_late += n * (self._trouble is not None)

    def fail(self, error: StoreError, now_s: float) -> list[Notice]:
        """The store took nothing; what is new about that."""
        self._pause_s = (
            FIRST_PAUSE_S if self._trouble is None else min(2 * self._pause_s, LONGEST_PAUSE_S)
        )
        self._retry_s = now_s + self._pause_s
        if str(error) == self._trouble:
            return []
        self._trouble = str(error)
        kept = (
            "until then nothing is acknowledged, what comes is kept in memory, and it is tried "
            "again"
        )
        return [Notice(f"{error}; {kept}", is_problem=True)]

    def hurry(self) -> None:
        """The next try is made at once."""
        self._retry_s = float("-inf")

    def check_empty(self) -> None:
        """StoreError when something would be lost from here."""
        if self._trouble is not None:
            raise StoreError(
                f"{self._trouble}; {len(self._held) + self._n_dropped} packets that came meanwhile "
                "are not stored, and were not acknowledged"
            )

    def recover(self) -> list[Notice]:
        """Everything is stored: what there is to say when it was not so before."""
        if self._trouble is None:
            return []
        dropped = (
            f"; {self._n_dropped} more did not fit in memory and must come again"
            if self._n_dropped
            else ""
        )
        sentence = (
            f"the store is written again: {self._n_late} packets that came meanwhile are in "
            f"it{dropped}"
        )
        self._trouble = None
        self._n_late = 0
        self._n_dropped = 0
        return [Notice(sentence, is_problem=True)]


def received_packet(
    reception: Reception, gateway: str, counter: int, outcomes: Sequence[Outcome]
) -> ReceivedPacket:
    """The packet with this counter as the store keeps it: the one that arrived, or one that it made
    readable.
    """
    kept = [outcome for outcome in outcomes if isinstance(outcome, ChunkHeard)]
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Rejected)]
    is_this = Header.unpack(reception.packet).counter_low == counter % (1 << 16)
    return ReceivedPacket(
        counter=counter,
        bundle=kept[0].bundle_id.hex() if kept else "",
        chunks=tuple(outcome.chunk for outcome in kept),
        packet=reception.packet if is_this else None,
        gateway=gateway,
        quality=reception.quality,
        reason=reasons[0] if reasons else None,
    )
