"""Custody: the images that a member with a modem keeps, because whoever is to send them may die.

A receipt ends it. Where the host has a newer image and an older one stays without a receipt, or the
aggregator is another or has started anew, it may never have had it: after a while the member claims
to be the aggregator itself. So it does, after a longer one, where no receipt comes at all: a modem
may speak and not be heard.
"""

from collections.abc import Collection
from math import inf

from link.base.recent import Recent

MAX_KEPT = 4096
SILENT = 10
"Times as long, unless something else is asked for: a slow link takes its time over each image."


class Custody:
    """Images by id, and since when each is passed over."""

    def __init__(self, orphan_s: float, silent_s: float | None = None) -> None:
        self._orphan_s = orphan_s
        self._most_silent_s = SILENT * orphan_s if silent_s is None else silent_s
        self._passed_s: Recent[int, float] = Recent(MAX_KEPT)
        self._silent_s = inf
        "Since when images are kept and no receipt comes."

    def keep(self, image: int, now_s: float, is_passed: bool = False) -> None:
        """`is_passed`: it may never be sent by another."""
        if not self._passed_s:
            self._silent_s = now_s
        self._passed_s[image] = now_s if is_passed else inf

    def settle(self, images: Collection[int], now_s: float) -> None:
        """The host has these."""
        for image in images:
            self._passed_s.pop(image, None)
        self.pass_over(now_s, max(images, default=-1))

    def pass_over(self, now_s: float, up_to: float = inf) -> None:
        """Those up to there may never be sent: a newer one was, or another has to send."""
        self._silent_s = now_s
        for image, since_s in list(self._passed_s.items()):
            if image < up_to and since_s == inf:
                self._passed_s[image] = now_s

    @property
    def due_s(self) -> float:
        """When one will have been passed over, or all without a receipt, for too long; inf: none
        is.
        """
        if not self._passed_s:
            return inf
        passed_s = min(self._passed_s.values()) + self._orphan_s
        return min(passed_s, self._silent_s + self._most_silent_s)
