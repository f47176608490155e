"""Governor: when a sender may speak so that no window anywhere holds more of its airtime than the
rules allow.

    start_s    the earliest moment for a frame
    occupy     charge the frame, durably, just before it is sent
    left       it left later than that: it counts from then on
    budget_s   what is left now

A frame counts in a window from its beginning until the window has passed since its end and a little
more: as long as a carrier may take to begin it, so that a slow modem cannot bring two windows'
worth together even where nobody says when a frame really left.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from link.medium.ledger import SAME_AIRTIME_S, SAME_MOMENT_S, Ledger

LATENESS = 1 / 360
"""Share of its window for which a frame counts longer, since it may have left later than it was
charged: 10 s of 1 h.
"""
SHORTEST_LATENESS_S = 2.5
"""A carrier that has not begun a frame within link.carriers.command_line.START_S gives it up; the
rest is for computers.
"""


class AirtimeError(ValueError):
    """A frame may not be sent now; the message says why."""


@dataclass(frozen=True)
class AirtimeLimit:
    """In any window_s a sender is on the air for at most airtime_s."""

    window_s: float
    airtime_s: float

    @property
    def counts_for_s(self) -> float:
        """How long after its end a frame counts."""
        return self.window_s + max(SHORTEST_LATENESS_S, self.window_s * LATENESS)


class Governor:
    """When one sender may send, by its rules and what it has used, on the ledger's clock."""

    def __init__(
        self,
        limits: Iterable[AirtimeLimit] = (),
        ledger: Ledger | None = None,
        dwell_s: float | None = None,
        silent_because: str | None = None,
        is_paced: bool = True,
    ) -> None:
        """`dwell_s` is the longest frame; a governor with `silent_because`, a sentence, never lets
        anything pass. `is_paced`: one frame begins when the one before has ended; False, where
        frames wait in a line of their own.
        """
        self.limits = tuple(sorted(limits, key=lambda limit: limit.window_s))
        self.ledger = ledger or Ledger(
            max((limit.counts_for_s for limit in self.limits), default=0.0)
        )
        self.dwell_s = dwell_s
        self.silent_because = silent_because
        self._is_paced = is_paced
        self.is_held = False
        "Nothing may start: what it would leave by is away or still sends."
        self._free_s = -math.inf

    @property
    def is_limited(self) -> bool:
        """Whether airtime is a budget here; if not, only latency and the line's speed count."""
        return bool(self.limits)

    @property
    def share(self) -> float | None:
        """The share of the time that the longest window allows; None without one."""
        return self.limits[-1].airtime_s / self.limits[-1].window_s if self.limits else None

    def reason(self, airtime_s: float) -> str | None:
        """Why a frame of this airtime can never be sent; None when it can."""
        if self.silent_because is not None:
            return self.silent_because
        if self.dwell_s is not None and airtime_s > self.dwell_s + SAME_AIRTIME_S:
            return (
                f"a frame of {airtime_s:.3f} s is longer than the {self.dwell_s:g} s that one "
                "transmission may last here: use shorter packets or a lower spreading factor"
            )
        for limit in self.limits:
            if airtime_s > limit.airtime_s + SAME_AIRTIME_S:
                return (
                    f"a frame of {airtime_s:.3f} s is more than the {limit.airtime_s:g} s allowed "
                    f"in {limit.window_s:g} s: use shorter packets or a lower spreading factor"
                )
        return None

    def start_s(self, airtime_s: float, now_s: float) -> float:
        """The earliest time, from now_s on, at which a frame of this airtime may start.

        inf: never, see `reason`, or not while is_held.
        """
        if self.is_held or self.reason(airtime_s) is not None:
            return math.inf
        start_s = max(now_s, self._free_s)
        for limit in self.limits:
            kept_s = max(0.0, limit.airtime_s - airtime_s)
            until_s = self.ledger.end_of_use_s(kept_s) + limit.counts_for_s
            start_s = max(start_s, until_s - airtime_s)
        return start_s

    def occupy(self, airtime_s: float, start_s: float) -> float:
        """Charge a frame that starts at start_s, durably; returns when it ends.

        Raises AirtimeError when it may not start then, LedgerError when it cannot be charged: do
        not send it.
        """
        allowed_s = self.start_s(airtime_s, start_s)
        if allowed_s > start_s + SAME_MOMENT_S:
            why = (
                self.reason(airtime_s)
                or f"it may start in {allowed_s - start_s:.3f} s: wait until start_s"
            )
            raise AirtimeError(f"a frame of {airtime_s:.3f} s may not be sent now: {why}")
        end_s = start_s + airtime_s
        if self.is_limited:
            self.ledger.charge(airtime_s, end_s)
        if self._is_paced:
            self._free_s = end_s
        return end_s

    def take_back(self, airtime_s: float) -> None:
        """The frame charged last did not leave after all."""
        if self.is_limited:
            self.ledger.take_back(airtime_s)
        self._free_s = -math.inf

    def left(self, end_s: float) -> None:
        """The frame charged last ended at end_s at the latest; it counts from the later time."""
        if self.is_limited:
            self.ledger.postpone(end_s)
        self.pause(end_s)

    def pause(self, until_s: float) -> None:
        """Let nothing start before, because another sender has the channel."""
        self._free_s = max(self._free_s, until_s)

    def budget_s(self, now_s: float) -> float | None:
        """Airtime that may be used now; None: it is not limited."""
        if self.silent_because is not None:
            return 0.0
        left = [
            limit.airtime_s - self.ledger.used_s(now_s - limit.counts_for_s)
            for limit in self.limits
        ]
        return max(0.0, min(left)) if left else None

    def duty_s(self, now_s: float) -> tuple[float, float] | None:
        """Airtime used, and allowed, in the longest window; None: it is not limited, or silent."""
        if self.silent_because is not None or not self.limits:
            return None
        limit = self.limits[-1]
        return self.ledger.used_s(now_s - limit.counts_for_s), limit.airtime_s

    def keep_time(self, now_s: float) -> None:
        """Call it every few minutes: the ledger's file learns that time has passed."""
        self.ledger.keep_time(now_s)
