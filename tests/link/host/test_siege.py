"""When a node is asked for long tags, and for how long."""

import pytest

from link.host.siege import ENOUGH, PERIOD_S, REPEAT_S, Siege
from link.wire.control import LongTags


@pytest.fixture
def siege():
    """As many failures as it takes, in the first minute."""
    begun = Siege()
    for n in range(ENOUGH):
        assert begun.command(float(n)) is None
        begun.failed(float(n))
    return begun


def obeying(siege):
    """The node was told, and has said that it obeys."""
    assert siege.command(ENOUGH) == LongTags(True)
    siege.commanded(ENOUGH)
    siege.told(has_long_tags=True)
    return siege


def test_a_node_is_asked_when_enough_failed_within_an_hour(siege):
    assert siege.command(ENOUGH) == LongTags(True)
    assert siege.takes_short_tags(ENOUGH), "what was under way still comes"


def test_failures_that_come_one_in_a_minute_are_borne():
    siege = Siege()
    for minute in range(24 * 60):
        siege.failed(60.0 * minute)
        assert siege.command(60.0 * minute) is None


def test_it_is_asked_ever_more_rarely_until_it_says_that_it_obeys(siege):
    told_s = []
    for now_s in range(ENOUGH, ENOUGH + 1000):
        if siege.command(now_s):
            siege.commanded(now_s)
            told_s.append(now_s - ENOUGH)
    assert told_s == [0, REPEAT_S, 3 * REPEAT_S, 7 * REPEAT_S, 15 * REPEAT_S]
    siege.told(has_long_tags=True)
    assert siege.command(ENOUGH + 1000) is None
    assert not siege.takes_short_tags(ENOUGH + 1000)


def test_an_hour_without_a_failure_ends_it_and_the_next_one_does_not_bring_it_back(siege):
    obeying(siege).failed(2000.0)
    assert not siege.takes_short_tags(2000.0 + PERIOD_S)
    end_s = 2001.0 + PERIOD_S
    assert siege.takes_short_tags(end_s)
    assert siege.command(end_s) == LongTags(False)
    siege.heard_short_tag()
    siege.failed(end_s)
    assert siege.command(end_s + 1) is None
    assert siege.takes_short_tags(end_s + 1)


def test_a_node_that_takes_it_back_is_not_asked_again_before_it_starts_anew(siege):
    obeying(siege).told(has_long_tags=False)
    assert siege.takes_short_tags(100.0)
    assert siege.command(5000.0) is None
    siege.session_began()
    assert siege.command(200.0) == LongTags(True)


def test_while_it_lasts_the_node_is_asked_again_every_hour_whatever_is_believed_of_it(siege):
    obeying(siege)
    asked_s = []
    for now_s in range(ENOUGH, ENOUGH + 3 * int(PERIOD_S), 10):
        siege.failed(now_s)
        if siege.command(now_s):
            siege.commanded(now_s)
            asked_s.append(now_s)
    assert len(asked_s) == 2
