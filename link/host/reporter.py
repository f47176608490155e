"""Reporter: what a host owes one node, and when: at once after a LISTEN, unasked when the node has
fallen silent.

A packet is reported as received only once the store has it. An answer waits for that, but no longer
than the node.
"""

from collections.abc import Iterable, Sequence

from link.base.recent import Recent
from link.medium.timing import GAPS_OF_SILENCE, LinkTiming
from link.security.seal import REPLAY_WINDOW
from link.wire.control import REPORT_SPAN, Quality, Report

MAX_VERDICTS = 256
SMOOTHING = 0.25


class Reporter:
    """Reports to one node."""

    def __init__(self, timing: LinkTiming, highest: int = -1, received: int = 0) -> None:
        """`received`: bit i says that packet highest - i was stored before this start."""
        self._timing = timing
        self._highest = highest
        self._stored = {
            highest - i for i in range(REPLAY_WINDOW) if received >> i & 1 and highest >= i
        }
        self._unconfirmed: set[int] = set()
        self._images: Recent[int, tuple[int, ...]] = Recent(REPLAY_WINDOW)
        "The images of a packet's chunks, by its counter: of late, since this start of the host."
        self._enough: Recent[int, None] = Recent(MAX_VERDICTS)
        self._asked_s: float | None = None
        self._silent_s: float | None = None
        self._heard_s: float | None = None
        self._gap_s = 0.0

    @property
    def is_asked(self) -> bool:
        """Whether the node listens now."""
        return self._asked_s is not None

    def heard(
        self,
        counter: int,
        images: Sequence[int] | None,
        now_s: float,
        airtime_s: float,
        listens: bool,
    ) -> None:
        """A new packet came, with a chunk of each of these images; None: it makes no sense."""
        self._highest = max(self._highest, counter)
        self._unconfirmed.add(counter)
        if images is not None:
            self._images[counter] = tuple(images)
        self._stored = {one for one in self._stored if one > self._highest - REPORT_SPAN}
        if self._heard_s is not None:
            self._gap_s += SMOOTHING * (now_s - self._heard_s - self._gap_s)
        self._heard_s = now_s
        if listens:
            self.ask(now_s)
        elif not self.is_asked:
            self._silent_s = now_s + max(
                self._timing.silence_s(airtime_s), GAPS_OF_SILENCE * self._gap_s
            )

    def ask(self, now_s: float) -> None:
        """The node listens."""
        self._asked_s = now_s
        self._silent_s = None

    def began_anew(self) -> None:
        """The node's session is another one; counters of the old mean nothing to it."""
        self._highest = -1
        self._unconfirmed = set()
        self._stored = set()
        self._images.clear()

    def confirm(self, counter: int, enough: Iterable[int]) -> None:
        """The store has this packet; these images need no more."""
        self._unconfirmed.discard(counter)
        if counter > self._highest - REPORT_SPAN:
            self._stored.add(counter)
        for image in enough:
            self._enough.setdefault(image)

    def reject(self, counter: int) -> None:
        """The store will never have this packet: nothing waits for it."""
        self._unconfirmed.discard(counter)

    def due_s(self) -> float | None:
        """When a report is due; None: nothing was heard that was not reported."""
        if self._asked_s is None:
            return self._silent_s
        return self._asked_s if not self._unconfirmed else self._asked_s + self._timing.turnaround_s

    def report(self, quality: Quality, n_chunks: int | None, budget_s: float | None) -> Report:
        """What there is to say; nothing is due afterwards."""
        self._asked_s = self._silent_s = None
        self._unconfirmed.clear()
        counters = [self._highest - i for i in range(REPORT_SPAN)]
        received = sum(1 << i for i, counter in enumerate(counters) if counter in self._stored)
        return Report(
            max(0, self._highest),
            received,
            self._enough_bits(counters),
            quality,
            n_chunks,
            budget_s,
        )

    def _enough_bits(self, counters: Iterable[int]) -> int:
        """Which of the newest chunks stored had enough, as far back as this host knows what the
        packets held.
        """
        images: list[int] = []
        for counter in counters:
            if counter in self._stored:
                if counter not in self._images:
                    break
                images += reversed(self._images[counter])
        return sum(
            1 << place for place, image in enumerate(images[:REPORT_SPAN]) if image in self._enough
        )
