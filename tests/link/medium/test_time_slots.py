"""Several nodes on one channel: granted slots never overlap, and without one a node begins at
random.
"""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.medium.time_slots import BACK_OFF_FRAMES, DRIFT, GUARD, SlotClock, SlotPlan
from link.wire.control import Slot


@given(
    st.integers(1, 20),
    st.floats(1, 600),
    st.floats(0, 1e6),
    st.lists(st.floats(0, 1e4), min_size=1, max_size=20),
)
def test_granted_slots_never_overlap(n_nodes, period_s, begin_s, granted_s):
    plan = SlotPlan(range(1, n_nodes + 1), period_s, begin_s)
    for node in range(1, n_nodes + 1):
        end_s = begin_s + granted_s[node % len(granted_s)]
        slot = plan.grant(node, end_s)
        place_s = period_s / n_nodes
        assert slot.width_s == pytest.approx((1 - GUARD) * place_s)
        begins_at = (end_s + slot.start_in_s - begin_s) / place_s % n_nodes
        assert begins_at == pytest.approx(node - 1 + GUARD / 2, abs=1e-3), (
            "with room for drift before and behind it"
        )


def test_a_node_speaks_only_in_its_slot():
    clock = SlotClock(wants_slot=True, random=Random(1))
    clock.grant(Slot(start_in_s=2.0, period_s=10.0, width_s=1.0), now_s=100.0)
    assert clock.start_s(0.3, 100.5) == 102.0
    assert clock.start_s(0.3, 102.4) == 102.4
    assert clock.start_s(0.3, 102.8) == 112.0, "it would not be over in time"
    assert clock.start_s(0.3, 155.0) == 162.0


def test_what_is_longer_than_a_slot_still_gets_its_turn():
    clock = SlotClock(wants_slot=True, random=Random(1))
    clock.grant(Slot(2.0, 10.0, 1.0), now_s=0.0)
    assert clock.start_s(5.0, 2.1) == 2.1


def test_a_slot_is_void_when_the_clocks_may_have_drifted_apart():
    clock = SlotClock(wants_slot=True, random=Random(1))
    clock.grant(Slot(2.0, 10.0, 1.0), now_s=0.0)
    void_s = GUARD / 2 / (1 - GUARD) / DRIFT
    assert clock.has_slot(void_s - 1)
    assert not clock.has_slot(void_s + 1)


def test_without_a_slot_each_packet_has_a_back_off_of_its_own():
    clock = SlotClock(wants_slot=True, random=Random(1))
    clock.draw_back_off(0.5, 10.0)
    first = clock.start_s(0.5, 10.0)
    assert 10.0 < first <= 10.0 + BACK_OFF_FRAMES * 0.5
    clock.draw_back_off(0.5, 10.0)
    assert clock.start_s(0.5, 10.0) == first, "what is drawn stands"
    clock.spoke()
    assert clock.start_s(0.5, 10.0) == 10.0
    clock.draw_back_off(0.5, 10.0)
    assert clock.start_s(0.5, 10.0) not in (10.0, first)


def test_a_node_that_wants_no_slot_does_not_wait():
    clock = SlotClock(wants_slot=False, random=Random(1))
    clock.draw_back_off(0.5, 10.0)
    assert clock.start_s(0.5, 10.0) == 10.0


def test_a_slot_is_told_when_asked_for_and_again_in_time():
    plan = SlotPlan([1, 2], period_s=10.0, begin_s=0.0)
    assert plan.is_due(1, 0.0, wants_slot=False)
    plan.grant(1, 0.5)
    assert not plan.is_due(1, 1.0, wants_slot=False)
    assert plan.is_due(1, 1.0, wants_slot=True)
    assert plan.is_due(1, 0.5 + GUARD / 2 * 5.0 / DRIFT, wants_slot=False)
    assert not plan.is_due(3, 1.0, wants_slot=True)


def test_a_slot_that_cannot_be_is_ignored():
    clock = SlotClock(wants_slot=False, random=Random(1))
    for slot in (Slot(0, 0, 0), Slot(0, 1, 2), Slot(0, 1, 0)):
        clock.grant(slot, 0.0)
    assert not clock.has_slot(0.0)
