"""What a host owes a node, and when."""

import pytest

from link.host.reporter import Reporter
from link.medium.timing import GAPS_OF_SILENCE
from link.wire.control import NO_QUALITY
from tests.worlds.ends import SF7


def heard(reporter, counter, now_s=0.0, listens=False, images=()):
    reporter.heard(counter, images, now_s, airtime_s=0.05, listens=listens)


def report_of(reporter):
    return reporter.report(NO_QUALITY, None, None)


def test_nothing_heard_nothing_due():
    assert Reporter(SF7).due_s() is None


def test_an_answer_waits_for_the_store_but_no_longer_than_the_node():
    reporter = Reporter(SF7)
    heard(reporter, 5, now_s=1.0, listens=True)
    assert reporter.due_s() == 1.0 + SF7.turnaround_s
    reporter.confirm(5, [])
    assert reporter.due_s() == 1.0


def test_a_node_that_sends_at_intervals_is_not_silent_too_soon():
    reporter = Reporter(SF7)
    for n in range(40):
        heard(reporter, n, now_s=10.0 * n)
    assert reporter.due_s() == pytest.approx(390.0 + GAPS_OF_SILENCE * 10.0, rel=0.01)
    assert Reporter(SF7).due_s() is None


def test_a_report_names_16_packets_and_clears_what_was_due():
    reporter = Reporter(SF7)
    for counter in range(0, 40, 2):
        heard(reporter, counter)
        reporter.confirm(counter, [])
    report = report_of(reporter)
    assert (report.highest, report.received) == (38, 0b0101_0101_0101_0101)
    assert reporter.due_s() is None


def test_a_verdict_is_told_of_every_chunk_of_its_image_in_the_packets_stored():
    reporter = Reporter(SF7)
    heard(reporter, 1, images=[7])
    heard(reporter, 2, images=[8, 7, 9])
    heard(reporter, 3)
    heard(reporter, 4, images=[8])
    reporter.confirm(1, enough=[7])
    assert report_of(reporter).enough == 0b1
    for counter in (3, 4):
        reporter.confirm(counter, enough=[8])
    assert report_of(reporter).enough == 0b11
    reporter.confirm(2, [])
    assert report_of(reporter).enough == 0b11101, "of 8, 9, 7, 8, 7: the newest first"


def test_a_verdict_reaches_no_further_back_than_what_is_known_of_the_packets():
    reporter = Reporter(SF7, highest=4, received=0b1)
    heard(reporter, 5, images=[7])
    heard(reporter, 6, images=None)
    heard(reporter, 7, images=[7])
    for counter in (5, 6, 7):
        reporter.confirm(counter, enough=[7])
    assert report_of(reporter).enough == 0b1


def test_a_new_session_knows_nothing_of_the_old_one_s_counters():
    reporter = Reporter(SF7, highest=100, received=0b11)
    heard(reporter, 101)
    assert report_of(reporter).received == 0b110
    reporter.began_anew()
    heard(reporter, 102)
    reporter.confirm(102, [])
    assert report_of(reporter).received == 1
