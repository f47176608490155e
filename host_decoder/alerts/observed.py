"""Observed: what is known of each node at this moment, from events alone."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from host_decoder.alerts.drift import Drift
from host_decoder.alerts.presence import Presence
from host_decoder.config import KnownNode
from host_decoder.events import NOT_OPENED, Answer, Heard, Notice
from link.host import Rejected

HOUR_S = 3600.0
MARK_S = 60.0
"Between two readings of a node's counts."
MIN_PACKETS = 20
"Fewer tell nothing about a share."
MAX_BAD_TAGS = 1000


@dataclass
class Observed:
    """One node."""

    node: KnownNode
    answer: Answer | None = None
    "The latest."
    heard: Heard | None = None
    "Its latest packet that was stored."
    told: Heard | None = None
    "The latest in which it said how it is."
    airtime_s: float | None = None
    "How long its latest packet was on the air."
    drift: Drift = field(default_factory=Drift)
    bad_tags_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_BAD_TAGS))
    "When packets came in its name that its key did not open."
    _marks: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=60))
    "Unix time, packets sent, packets lost: of the last hour."

    @property
    def figures(self) -> Any:
        """link.host.statistics, since the host's start; empty before the node was heard."""
        return self.heard.figures if self.heard else {}

    @property
    def status(self) -> Any:
        """link.wire's Status as the node told it last; None: it has not."""
        return self.told.told.status if self.told and self.told.told else None

    def loss_ratio(self) -> float | None:
        """The share of the last hour's packets; None: too few came."""
        if not self._marks:
            return None
        (_, sent, lost), (_, sent_now, lost_now) = self._marks[0], self._marks[-1]
        n = sent_now - sent
        return (lost_now - lost) / n if n >= MIN_PACKETS else None

    def n_bad_tags(self, now_s: float) -> int:
        """Packets within the last hour."""
        return sum(1 for then_s in self.bad_tags_s if then_s > now_s - HOUR_S)

    def clock_moved(self, by_s: float) -> None:
        """Somebody set the clock."""
        self.bad_tags_s = deque((at_s + by_s for at_s in self.bad_tags_s), MAX_BAD_TAGS)
        marks = ((at_s + by_s, sent, lost) for at_s, sent, lost in self._marks)
        self._marks = deque(marks, self._marks.maxlen)

    def hear(self, event: Heard) -> None:
        """A packet in its name."""
        if event.outcome == NOT_OPENED:
            self.bad_tags_s.append(event.received_s)
        if not event.is_stored:
            return
        before = self.figures.get("airtime_s", 0.0)
        self.airtime_s = max(0.0, event.figures.get("airtime_s", 0.0) - before)
        self.heard = event
        self.told = event if event.told else self.told
        self._mark(event.received_s, event.figures.get("sent", 0), event.figures.get("lost", 0))

    def _mark(self, now_s: float, sent: int, lost: int) -> None:
        if len(self._marks) > 1 and now_s < self._marks[-2][0] + MARK_S:
            self._marks.pop()
        if not self._marks:
            self._marks.append((now_s, 0, 0))
        self._marks.append((now_s, sent, lost))
        while len(self._marks) > 2 and self._marks[1][0] < now_s - HOUR_S:
            self._marks.popleft()


class Observation:
    """All nodes of a host."""

    def __init__(self, nodes: Sequence[KnownNode], started_s: float) -> None:
        self.presence = Presence({node.number: node.period_s for node in nodes}, started_s)
        self.nodes = {node.number: Observed(node) for node in nodes}

    def add(self, nodes: Sequence[KnownNode]) -> None:
        """They came while the host ran."""
        for node in nodes:
            self.presence.add(node.number, node.period_s)
            self.nodes[node.number] = Observed(node)

    def clock_moved(self, by_s: float, now_s: float) -> None:
        """Somebody set the clock by so much: how long ago something was stays as it is."""
        self.presence.clock_moved(by_s, now_s)
        for observed in self.nodes.values():
            observed.clock_moved(by_s)

    def hear(self, event: Answer | Rejected | Heard | Notice) -> Observed | None:
        """The node that it is about, its state up to date."""
        if not isinstance(event, Answer | Heard):
            return None
        observed = None if event.node is None else self.nodes.get(event.node)
        if observed is None:
            return None
        if isinstance(event, Answer):
            observed.answer = event
            if event.is_settled:
                observed.drift.add(event.probabilities)
        else:
            if event.is_stored:
                self.presence.heard(observed.node.number, event.received_s)
            observed.hear(event)
        return observed
