"""Presence: when each node was heard last, how often it speaks, and whether it has fallen silent.

Each is measured by its own pace. Where that is not known nothing is said: a node called silent by
mistake is worse than one of which nobody knows.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

PERIODS = 3.0
"Own periods without a word, after which a node is silent."
MIN_PAUSES, MAX_PAUSES = 8, 32
LONGEST_PERIOD_S = 366 * 86_400.0


class Presence:
    """The nodes of a host. Times are Unix seconds."""

    def __init__(self, said_period_s: Mapping[int, float | None], started_s: float) -> None:
        """`said_period_s`: of every node, as its owner says; None: it is to be seen."""
        self._said_period_s: dict[int, float | None] = {}
        self._started_s = started_s
        self._heard_s: dict[int, float] = {}
        self._pauses_s: dict[int, deque[float]] = {}
        self._met: set[int] = set()
        for node, period_s in said_period_s.items():
            self.add(node, period_s)

    def add(self, node: int, said_period_s: float | None) -> None:
        """One more node."""
        self._said_period_s[node] = said_period_s
        self._pauses_s[node] = deque(maxlen=MAX_PAUSES)

    def heard(self, node: int, unix_s: float) -> None:
        """A packet of its own came. The time when nobody listened is no pause of the node's."""
        before_s = self._heard_s.get(node)
        if node in self._met and before_s is not None and unix_s > before_s:
            self._pauses_s[node].append(unix_s - before_s)
        self._met.add(node)
        self._heard_s[node] = unix_s

    def clock_moved(self, by_s: float, now_s: float) -> None:
        """Somebody set the clock: the ages of what this host has seen stay as they are."""
        self._started_s += by_s
        for node in self._met:
            self._heard_s[node] = min(now_s, self._heard_s[node] + by_s)

    def heard_s(self, node: int) -> float | None:
        return self._heard_s.get(node)

    def period_s(self, node: int) -> float | None:
        """As it was said, else the second longest of its last pauses: one fault makes none longer.
        Packets of one image follow each other at once, so a mean would say too little.
        """
        if (said_s := self._said_period_s.get(node)) is not None:
            return said_s
        pauses_s = self._pauses_s[node]
        return sorted(pauses_s)[-2] if len(pauses_s) >= MIN_PAUSES else None

    def is_silent(self, node: int, now_s: float, periods: float = PERIODS) -> bool | None:
        """None: it cannot be told."""
        heard_s, period_s = self._heard_s.get(node), self.period_s(node)
        if period_s is None:
            return None if node not in self._met else False
        if heard_s is None:  # it has as long as any other from the host's start
            return True if now_s > self._started_s + periods * period_s else None
        if now_s < heard_s and node not in self._met:
            return None  # the clock was ahead when that was written down, or is behind now
        if now_s <= heard_s + periods * period_s:
            return False
        return True if now_s > self._started_s + periods * period_s else None

    def to_json(self) -> dict[str, Any]:
        return {
            str(node): [heard_s, list(self._pauses_s[node])]
            for node, heard_s in self._heard_s.items()
        }

    def recall(self, kept: Mapping[str, Any]) -> None:
        """What to_json said before this start. Raises ValueError, TypeError for anything else."""
        for name, (heard_s, pauses_s) in kept.items():
            if (node := int(name)) in self._pauses_s:
                self._heard_s[node] = float(heard_s)
                self._pauses_s[node].extend(
                    min(LONGEST_PERIOD_S, float(pause_s)) for pause_s in pauses_s
                )
