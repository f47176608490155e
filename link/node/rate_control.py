"""Rate control: how many chunks of an image the airtime budget affords, so that one model serves
fast and slow lines.

While more than half of what each window allows is left, as after a quiet hour, nothing is held
back. Below that, refinements get only what base chunks leave of the time between two images; and
below a quarter all packets are spread, the more the less is left: the node never falls silent for
the rest of the hour, and base chunks gather in them.
"""

from collections.abc import Sequence
from math import inf

from link.medium.governor import Governor
from link.node.interface import QueuedChunk
from link.wire.packet import MAX_CHUNKS

SMOOTHING = 0.2
"Weight of the latest interval between two images."
PLENTY = 0.5
"Share of the budget above which nothing is held back."
RESERVE = 0.25
"Share of the budget below which packets are spread."
LEAST = 0.01
"""Share of the budget that counts as left when nothing is: the governor holds back what there is no
airtime for.
"""


class RateControl:
    """How much of its airtime a node spends now, on which chunks."""

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._newest_image = -1
        self._captured_s: float | None = None
        self._interval_s: float | None = None
        self._base_airtime_s = 0.0
        self._earned_s = -inf
        "When there has been time enough for the packet sent last."

    @property
    def interval_s(self) -> float | None:
        """Smoothed time between two images; None before the second."""
        return self._interval_s

    def sent(self, airtime_s: float, now_s: float) -> None:
        """A packet is sent."""
        share = self._share(RESERVE, now_s)
        self._earned_s = -inf if share is None else now_s + airtime_s / share

    def start_s(self, airtime_s: float, now_s: float) -> float:
        """The earliest time, from now_s on, at which a packet of this airtime may and should be
        sent; inf: never.
        """
        return self._governor.start_s(airtime_s, max(now_s, self._earned_s))

    def sent_chunks(self, chunks: Sequence[QueuedChunk], airtime_s: float) -> None:
        """A packet with these chunks is sent."""
        for chunk in chunks:
            if chunk.index == 0:
                self.sent_base(chunk.image, chunk.captured_s, airtime_s / len(chunks))

    def sent_base(self, image: int, captured_s: float | None, airtime_s: float) -> None:
        """The base chunk of an image is sent; airtime_s is its part of the packet."""
        if image <= self._newest_image or captured_s is None:
            return
        self._base_airtime_s = airtime_s
        if self._captured_s is not None:
            self._learn(max(0.0, captured_s - self._captured_s))
        self._newest_image = image
        self._captured_s = captured_s

    def n_affordable(self, airtime_s: float, now_s: float) -> int:
        """Chunks of each image, base included, to send now if a refinement takes airtime_s."""
        share = self._share(PLENTY, now_s)
        if share is None or self._captured_s is None:
            return MAX_CHUNKS
        interval_s = max(self._interval_s or 0.0, now_s - self._captured_s)
        return 1 + max(0, int((share * interval_s - self._base_airtime_s) / airtime_s))

    def _share(self, part: float, now_s: float) -> float | None:
        """The share of the time that may be spent on the air when less than this part of a budget
        is left; None: more is.
        """
        shares = []
        for limit in self._governor.limits:
            left_s = limit.airtime_s - self._governor.ledger.used_s(now_s - limit.counts_for_s)
            if left_s < part * limit.airtime_s:
                shares.append(max(left_s, LEAST * limit.airtime_s) / (part * limit.window_s))
        return min(shares, default=None)

    def _learn(self, interval_s: float) -> None:
        if self._interval_s is None:
            self._interval_s = interval_s
        self._interval_s += SMOOTHING * (interval_s - self._interval_s)
