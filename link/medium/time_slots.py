"""Slots: several nodes on one channel. Until a node has a slot it waits at random; then it speaks
in its own time.

The host cuts a period into slots and grants each to one node, counted from the end of the frame
that says so, so neither end needs the time of day. Two clocks drift apart; a slot is good only for
as long as they can be trusted.
"""

import math
from collections.abc import Collection
from random import Random

from link.wire.control import Slot

DRIFT = 100e-6
"Two clocks gain or lose this much against each other, at most."
GUARD = 0.25
"""Share of a node's place in the period that stays free, half of it at each end, for clocks that
have drifted.
"""
RENEWED_AT = 0.5
"Share of the time for which a slot is good at which the host grants it anew."
EARLY = 0.25
"Share of a slot in which a frame may begin that is too long for it."
BACK_OFF_FRAMES = 8
"A node without a slot begins at random within the time of so many frames."


class SlotClock:
    """A node's side: when it may begin."""

    def __init__(self, wants_slot: bool, random: Random) -> None:
        self._is_random = wants_slot
        self._random = random
        self._slot: Slot | None = None
        self._first_s = self._void_s = 0.0
        self._back_off_until_s: float | None = None

    def grant(self, slot: Slot, now_s: float) -> None:
        """The frame with the grant has just ended."""
        if slot.period_s <= 0 or not 0 < slot.width_s <= slot.period_s:
            return
        self._slot = slot
        self._first_s = now_s + slot.start_in_s
        self._void_s = now_s + _good_for_s(slot.width_s)

    def has_slot(self, now_s: float) -> bool:
        return self._slot is not None and now_s < self._void_s

    def start_s(self, duration_s: float, now_s: float) -> float:
        """The earliest time from now_s on at which a frame, with its answer so long, may start."""
        if self._slot is not None and self.has_slot(now_s):
            return self._in_slot(self._slot, duration_s, now_s)
        return now_s if self._back_off_until_s is None else max(now_s, self._back_off_until_s)

    def draw_back_off(self, duration_s: float, now_s: float) -> None:
        """A frame could start now: without a slot it waits at random, unless its wait is drawn
        already.
        """
        if self._is_random and not self.has_slot(now_s) and self._back_off_until_s is None:
            self._back_off_until_s = now_s + self._random.uniform(0, BACK_OFF_FRAMES * duration_s)

    def spoke(self) -> None:
        """The next frame has a back-off of its own."""
        self._back_off_until_s = None

    def _in_slot(self, slot: Slot, duration_s: float, now_s: float) -> float:
        """What is too long for the slot begins early in it."""
        latest_s = max(EARLY * slot.width_s, slot.width_s - duration_s)
        n_past = max(0, math.floor((now_s - self._first_s) / slot.period_s))
        begin_s = self._first_s + n_past * slot.period_s
        if now_s > begin_s + latest_s:
            begin_s += slot.period_s
        return max(now_s, begin_s)


class SlotPlan:
    """The host's side: one period, cut into as many slots as there are nodes."""

    def __init__(self, nodes: Collection[int], period_s: float, begin_s: float) -> None:
        self._places = {node: place for place, node in enumerate(sorted(nodes))}
        self._period_s = period_s
        self._begin_s = begin_s
        self._granted_s: dict[int, float] = {}

    @property
    def width_s(self) -> float:
        """Seconds of a slot, without its guard."""
        return (1 - GUARD) * self._place_s

    @property
    def _place_s(self) -> float:
        return self._period_s / len(self._places)

    def is_due(self, node: int, now_s: float, wants_slot: bool) -> bool:
        """Whether this node is to be told its slot, because it asks or before its clock has drifted
        away.
        """
        if node not in self._places:
            return False
        granted_s = self._granted_s.get(node)
        return (
            wants_slot
            or granted_s is None
            or now_s - granted_s > RENEWED_AT * _good_for_s(self.width_s)
        )

    def grant(self, node: int, end_s: float) -> Slot:
        """For a frame that ends at end_s."""
        self._granted_s[node] = end_s
        start_s = self._begin_s + (self._places[node] + GUARD / 2) * self._place_s
        return Slot((start_s - end_s) % self._period_s, self._period_s, self.width_s)


def _good_for_s(width_s: float) -> float:
    """How long it takes clocks to drift through the guard on one side of a slot of this width."""
    return width_s / (1 - GUARD) * GUARD / 2 / DRIFT
