"""What a node says beside its images, and when: STATUS, news of a fault, questions for the time."""

import pytest

from device.outbox.outbox import Outbox
from link.medium.governor import Governor
from link.node.announcements import (
    ASK_TIME_AGAIN_S,
    ASK_TIME_S,
    STATUS_EVERY,
    HostClock,
    NodeStatus,
)
from link.node.interface import Equipment, SenderStatistics
from tests.worlds.ends import SF7, Counting

UNIX_S = 1_700_000_000.0


@pytest.fixture
def equipment(tmp_path):
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        yield Equipment(Counting(), outbox, Governor(), SF7)


def node_status(equipment, fault_bytes=20, **options):
    return NodeStatus(equipment, SenderStatistics(), fault_bytes, **options)


def test_a_status_is_owed_after_so_many_packets_and_not_before(equipment):
    status = node_status(equipment)
    for _ in range(STATUS_EVERY - 1):
        status.count_packet()
    assert not status.is_status_owed
    status.count_packet()
    assert status.is_status_owed
    status.status_said()
    assert not status.is_status_owed


def test_a_node_told_to_say_none_says_one_only_when_asked(equipment):
    status = node_status(equipment, every=0)
    for _ in range(2 * STATUS_EVERY):
        status.count_packet()
    assert not status.is_status_owed
    status.owe_status()
    assert status.is_status_owed


def test_a_fault_is_news_once_and_so_is_its_end(equipment):
    status = node_status(equipment)
    assert not status.tell_fault(None)
    assert status.tell_fault("no camera")
    assert not status.tell_fault("no camera")
    assert status.status(0.0).fault == "no camera"
    assert status.status(0.0, is_short=True).fault is None
    assert status.tell_fault(None)


def test_as_much_of_a_fault_is_said_as_there_is_room_for(equipment):
    status = node_status(equipment, fault_bytes=5)
    status.tell_fault("no camera")
    assert status.status(0.0).fault == "no ca"
    assert not status.tell_fault("no cake"), "the host would see no difference"


def test_the_host_is_asked_for_the_time_at_once_and_ever_more_rarely_once_it_tells():
    clock, now_s = HostClock(is_asked=True), 0.0
    assert clock.is_wanted(now_s)
    for pause_s in (*ASK_TIME_S, ASK_TIME_S[-1]):
        clock.set(UNIX_S + now_s, now_s)
        assert clock.ask_s == now_s + pause_s
        now_s += pause_s
    assert clock.unix_offset_s == UNIX_S


def test_a_clock_that_was_set_is_news_and_is_asked_about_soon_again():
    clock = HostClock(is_asked=True)
    assert clock.set(UNIX_S, 0.0).is_news
    assert not clock.set(UNIX_S + 100.5, 100.0).is_news
    assert clock.set(UNIX_S + 3600.0, 200.0).is_news
    assert clock.ask_s == 200.0 + ASK_TIME_S[0]


def test_a_host_that_has_no_time_is_not_asked_again_at_once():
    clock = HostClock(is_asked=True)
    clock.asked_in_vain(10.0)
    assert clock.ask_s == 10.0 + ASK_TIME_AGAIN_S[0]
    clock.asked_in_vain(20.0)
    assert clock.ask_s == 10.0 + ASK_TIME_AGAIN_S[0], "it was not asked meanwhile"


def test_another_host_is_asked_soon_whatever_the_last_one_told():
    clock = HostClock(is_asked=True)
    clock.meet_host(b"a host's", 0.0)
    for _ in ASK_TIME_S:
        clock.set(UNIX_S, 0.0)
    assert clock.ask_s == ASK_TIME_S[-1]
    clock.meet_host(b"another's", 100.0)
    assert clock.ask_s == 100.0 + ASK_TIME_S[0]


def test_a_node_that_wants_no_time_never_asks_for_it():
    clock = HostClock(is_asked=False)
    assert clock.ask_s is None
    assert not clock.is_wanted(1e9)
