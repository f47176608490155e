"""Parity packets of a node that nobody answers: due when a group is full, or nothing more comes."""

from link.node.parity_queue import ParityQueue
from link.wire.control import MAX_PARITY_LAG
from link.wire.erasure import ParityPlan
from link.wire.packet import PacketType

PLAN = ParityPlan(2, 1, 1)


def queue_after(*counters, plan=PLAN):
    queue = ParityQueue(plan)
    for counter in counters:
        queue.cover(counter, b"body", PacketType.DATA)
    return queue


def test_without_a_plan_it_stays_empty():
    queue = queue_after(0, 1, 2, plan=None)
    queue.flush_at(5.0)
    queue.flush()
    assert queue.next(3) is None
    assert not queue.is_flush_due(1e9)


def test_a_full_group_has_its_parity_and_one_that_is_not_has_none_yet():
    assert queue_after(0).next(1) is None
    queue = queue_after(0, 1)
    parity = queue.next(2)
    assert tuple(parity.members) == (0, 1)
    queue.remove(parity)
    assert queue.next(3) is None


def test_what_is_next_stays_next_until_it_is_sent():
    queue = queue_after(0, 1, 2, 3)
    assert queue.next(4) is queue.next(5)


def test_when_nothing_more_comes_a_group_that_is_not_full_gets_its_parity():
    queue = queue_after(0)
    queue.flush_at(60.0)
    assert [queue.is_flush_due(now_s) for now_s in (59.9, 60.0)] == [False, True]
    queue.flush()
    assert tuple(queue.next(1).members) == (0,)
    assert not queue.is_flush_due(1e9)


def test_parity_that_waited_until_it_cannot_name_its_group_goes_with_the_next_that_can():
    queue = queue_after(0, 1, 2, 3)
    assert tuple(queue.next(1 + MAX_PARITY_LAG).members) == (0, 1)
    later = queue.next(2 + MAX_PARITY_LAG)
    assert tuple(later.members) == (2, 3)
    queue.remove(later)
    assert queue.next(4) is None
