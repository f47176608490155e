"""A node that asked waits for its report, then asks again, ever more rarely and at random."""

from math import inf
from random import Random

import pytest

from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.interface import Outgoing
from link.node.report_timer import (
    FORGETS_AFTER,
    MAX_BACK_OFF,
    NAMES_AFTER,
    NAMES_EVERY,
    PROBE_JITTER,
    SILENT_AFTER,
    ReportTimer,
)
from link.wire.control import Report
from link.wire.packet import PacketType

AIR = LinkTiming(get_profile("lora-sf7"), 0.02)
CABLE = LinkTiming(get_profile("serial-9600"), 0.02)


def timer(timing=AIR, seed=0):
    return ReportTimer(timing, share=0.01, random=Random(seed))


def ask(asked, end_s, counter=0, listens=True, interval_s=60.0):
    """A packet leaves that wants an answer, or none."""
    packet = Outgoing(b"packet", PacketType.DATA, 0.05, (), listens, counter)
    asked.sent(packet, end_s, interval_s)


def missed(n, **options):
    made = timer(**options)
    for _ in range(n):
        ask(made, 0.0)
        made.miss(made.due_s, airtime_s=0.05, pause_s=0.0)
    return made


def test_a_report_is_awaited_for_as_long_as_the_medium_takes():
    asked = timer()
    ask(asked, 10.0)
    assert asked.due_s == 10.0 + AIR.report_wait_s
    ask(asked, 11.0)
    assert asked.due_s == 10.0 + AIR.report_wait_s


def test_a_radio_that_waits_must_not_speak_and_a_cable_may():
    radio, cable = timer(AIR), timer(CABLE)
    ask(radio, 10.0)
    ask(cable, 10.0)
    assert (radio.listens_until_s, cable.listens_until_s) == (radio.due_s, -inf)


def test_a_report_ends_the_waiting():
    asked = missed(3)
    ask(asked, 10.0)
    asked.answered(Report(5, 1))
    assert (asked.due_s, asked.n_missed, asked.listens_until_s) == (None, 0, -inf)


def test_what_comes_before_the_report_gives_it_more_time():
    asked = missed(3)
    ask(asked, 10.0)
    asked.heard(10.5)
    assert (asked.due_s, asked.n_missed) == (10.5 + AIR.report_wait_s, 0)
    idle = timer()
    idle.heard(10.5)
    assert idle.due_s is None


def test_reports_that_do_not_come_make_a_host_forgetful_then_silent():
    for n in range(SILENT_AFTER + 2):
        late = missed(n)
        assert (late.has_forgotten, late.is_silent) == (n >= FORGETS_AFTER, n >= SILENT_AFTER)


def test_some_probes_say_which_bundle_the_images_are_made_with():
    named = [n for n in range(2 * NAMES_EVERY) if missed(n).is_naming]
    assert named == [NAMES_AFTER, NAMES_AFTER + NAMES_EVERY]


def test_a_silent_host_is_asked_ever_more_rarely():
    waits_s = []
    for n in (SILENT_AFTER, SILENT_AFTER + 4, SILENT_AFTER + 8):
        late = missed(n, timing=CABLE)
        waits_s.append(late.probe_s - CABLE.report_wait_s)
    assert waits_s == sorted(waits_s)
    assert waits_s[-1] > 4 * waits_s[0]


@pytest.mark.parametrize("seed", range(20))
def test_the_first_pause_is_waited_for_and_little_more(seed):
    late = timer(seed=seed)
    ask(late, 0.0)
    late.miss(now_s=2.0, airtime_s=0.05, pause_s=100.0)
    assert 102.0 <= late.probe_s <= 102.0 + 100.0 * PROBE_JITTER


def test_two_nodes_that_met_wait_differently_up_to_so_many_exchanges():
    times_s = {missed(3, seed=seed).probe_s for seed in range(20)}
    assert len(times_s) == 20
    spread_s = max(times_s) - min(times_s)
    assert 0 < spread_s <= MAX_BACK_OFF * (0.05 + AIR.report_wait_s)


def test_while_packets_follow_each_other_nothing_but_them_asks():
    asked = timer()
    ask(asked, 10.0, listens=False)
    first_s = asked.probe_s
    assert first_s > 10.0 + 60.0
    ask(asked, 11.0, counter=1)
    ask(asked, 12.0, counter=2)
    assert first_s < asked.probe_s < first_s + 1.5


def test_a_report_that_came_before_the_packet_was_out_is_not_awaited_again():
    asked = timer()
    asked.answered(Report(5, 1))
    ask(asked, 10.0, counter=5)
    assert asked.due_s is None
    ask(asked, 11.0, counter=6)
    due_s = 11.0 + AIR.report_wait_s
    assert (asked.is_overdue(due_s - 0.01), asked.is_overdue(due_s)) == (False, True)


def test_packets_are_counted_from_the_one_that_wanted_an_answer():
    asked = timer()
    ask(asked, 0.0, counter=7)
    ask(asked, 1.0, counter=8, listens=False)
    assert asked.n_since_asked(10) == 3


def test_another_end_of_the_node_goes_on_waiting_where_this_one_was():
    late, other = missed(SILENT_AFTER), timer()
    other.take_over(late)
    assert (other.is_silent, other.probe_s, other.due_s) == (True, late.probe_s, None)
