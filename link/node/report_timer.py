"""Report timer: how long a node that has asked waits, for this report, then for any."""

from math import inf
from random import Random

from link.medium.timing import GAPS_OF_SILENCE, LinkTiming
from link.node.interface import Outgoing
from link.wire.control import Report

FORGETS_AFTER = 2
"Unanswered packets behind which a host may have lost all that it knew of the node."
SILENT_AFTER = 6
"Unanswered packets behind which a host counts as silent."
NAMES_AFTER, NAMES_EVERY = 3, 8
"""Unanswered packets behind which a probe is a HELLO, and then again: it opens also where the
bundle of the images is missing, and so the host can name that.
"""
PROBE_JITTER = 0.5
"Probes wait up to so much longer, at random."
MAX_BACK_OFF = 8
"""On the air up to so many exchanges, twice as many each time: two nodes that met once must not
meet again and again.
"""


class ReportTimer:
    """What a node awaits of its host, and until when."""

    def __init__(self, timing: LinkTiming, share: float | None, random: Random) -> None:
        """`share` is the duty cycle; None: there is none."""
        self._timing = timing
        self._share = share
        self._random = random
        self.due_s: float | None = None
        "Until then an answer may come; None: none is awaited."
        self._asked_at = -1
        "Counter of the last packet that wanted an answer."
        self._reported = -1
        "The highest counter that a report spoke of."
        self.n_advised: int | None = None
        "Chunks of an image that are worth sending without being asked; None: no advice."
        self.n_missed = 0
        "Answers that did not come, one after the other."
        self.listens_until_s = -inf
        "Until then a radio must not speak, because it would not hear."
        self.probe_s: float | None = None
        "From then on it is time to ask again, without anything new to say; None: nothing was sent."

    @property
    def is_silent(self) -> bool:
        return self.n_missed >= SILENT_AFTER

    @property
    def has_forgotten(self) -> bool:
        return self.n_missed >= FORGETS_AFTER

    @property
    def is_naming(self) -> bool:
        """Whether the next probe should say which bundle the images are made with."""
        return self.n_missed % NAMES_EVERY == NAMES_AFTER

    def is_overdue(self, now_s: float) -> bool:
        return self.due_s is not None and now_s >= self.due_s

    def n_since_asked(self, counter: int) -> int:
        """Packets from the last that wanted an answer to the one with this counter."""
        return counter - self._asked_at

    def sent(self, outgoing: Outgoing, end_s: float, interval_s: float) -> None:
        """A packet has left. Whatever follows within interval_s, the usual time between images,
        asks by itself.
        """
        if self.due_s is None and not self.n_missed:
            report_s = self._timing.silence_s(outgoing.airtime_s) + self._timing.report_wait_s
            self.probe_s = end_s + report_s + (GAPS_OF_SILENCE + 1) * interval_s
        if outgoing.listens:
            self._asked_at = outgoing.counter
        # a quick host may have answered already
        if outgoing.listens and self._reported < outgoing.counter:
            self._await_from(end_s)

    def answered(self, report: Report) -> None:
        """A report came."""
        self._reported = max(self._reported, report.highest)
        self.n_advised = report.n_chunks
        self.due_s = None
        self.n_missed = 0
        self.listens_until_s = -inf

    def heard(self, now_s: float) -> None:
        """Something else came; the report may follow it."""
        self.n_missed = 0
        if self.due_s is not None:
            self.due_s = None
            self._await_from(now_s)

    def miss(self, now_s: float, airtime_s: float, pause_s: float) -> None:
        """The answer did not come; pause_s: what is worth waiting for the first time."""
        self.due_s = None
        self.n_missed += 1
        probe_s = self._timing.probe_s(airtime_s, self.n_missed - SILENT_AFTER, self._share)
        wait_s = max(pause_s, probe_s) if self.n_missed == 1 else probe_s
        self.probe_s = (
            now_s
            + wait_s
            + self._random.uniform(0, max(PROBE_JITTER * wait_s, self._back_off_s(airtime_s)))
        )

    def take_over(self, other: "ReportTimer") -> None:
        """Another end of this node waited until now: how long in vain."""
        self.n_missed = other.n_missed
        self.probe_s = other.probe_s

    def _await_from(self, end_s: float) -> None:
        if self.due_s is None:
            self.due_s = end_s + self._timing.report_wait_s
            self.listens_until_s = self.due_s if self._timing.is_half_duplex else -inf

    def _back_off_s(self, airtime_s: float) -> float:
        """The longest; on a cable nobody else speaks."""
        if not self._timing.is_half_duplex:
            return 0.0
        return min(2 ** (self.n_missed - 1), MAX_BACK_OFF) * (
            airtime_s + self._timing.report_wait_s
        )
