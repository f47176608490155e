"""Counts: what was not used, and who else heard what was, until a transaction takes it along."""

from collections.abc import Mapping
from typing import Any

from host_decoder.store.receipt import HeardAgain, RejectedCount, Totals
from host_decoder.store.shelf import Reception
from link.base import Recent
from link.host import NotUsed, Rejected

REMEMBERED = 1024
"Packets and gateways of which it is remembered that they are counted: a recording is one."


class Counts:
    """Since the last transaction."""

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._rejected: dict[str, RejectedCount] = {}
        self._heard_again: dict[tuple[int, int, str], HeardAgain] = {}
        self._known: Recent[tuple[int, int, str], None] = Recent(REMEMBERED)

    def __bool__(self) -> bool:
        return bool(self._rejected or self._heard_again)

    def add(
        self, rejected: Rejected, unix_s: float, packet: bytes | None = None, n: int = 1
    ) -> None:
        before = self._rejected.get(rejected.reason)
        self._rejected[rejected.reason] = RejectedCount(
            n + (before.n if before else 0), rejected, unix_s, packet
        )

    def heard_again(self, rejected: NotUsed, reception: Reception, gateway: str) -> None:
        """A packet that is here already, by a further gateway; each once."""
        if rejected.node is None or rejected.claimed < 0 or not rejected.was_genuine:
            return
        key = rejected.node, rejected.claimed, gateway
        if key not in self._known and len(self._heard_again) < REMEMBERED:
            self._known[key] = None
            self._heard_again[key] = HeardAgain(
                rejected.node,
                rejected.claimed,
                gateway,
                reception.unix_s,
                len(reception.packet),
                reception.quality,
            )

    def totals(self, figures: Mapping[int, Mapping[str, Any]]) -> Totals:
        """With the figures of some nodes."""
        return Totals(
            self._started_s,
            tuple(self._rejected.values()),
            figures,
            tuple(self._heard_again.values()),
        )

    def clear(self) -> None:
        """They are stored."""
        self._rejected, self._heard_again = {}, {}

    def restore(self, copy: "Counts") -> None:
        """They are not stored: as they were before."""
        self._rejected, self._heard_again = copy._rejected, copy._heard_again

    def copy(self) -> "Counts":
        """To go back to when they are not."""
        other = Counts(self._started_s)
        other._rejected, other._heard_again = dict(self._rejected), dict(self._heard_again)
        other._known = self._known
        return other
