"""Everything that an end waits for derives from airtime."""

import pytest

from link.medium.profiles import get_profile
from link.medium.timing import (
    LONGEST_PROBE_FRAMES,
    LONGEST_REPORT_BYTES,
    PROBE_SHARE,
    TRIES_PER_DOUBLING,
    LinkTiming,
)


@pytest.fixture
def timing():
    return LinkTiming(get_profile("lora-sf7"), turnaround_s=0.1)


def test_airtimes_are_the_profile_s(timing):
    profile = timing.profile
    for n_bytes in (0, 20, 255):
        assert timing.airtime_s(n_bytes) == profile.airtime_s(n_bytes)
        assert timing.wire_bytes(n_bytes) == profile.wire_bytes(n_bytes)


def test_a_node_waits_for_both_ends_and_the_longest_answer(timing):
    assert timing.report_wait_s == pytest.approx(0.2 + timing.airtime_s(LONGEST_REPORT_BYTES))


def test_a_host_waits_longer_behind_a_longer_frame(timing):
    assert timing.silence_s(1.0) == pytest.approx(0.1 + 4 * 1.1)


def test_tries_grow_slowly_and_no_further_than_a_few_frames(timing):
    first_s = timing.report_wait_s + 0.5
    waits_s = [timing.probe_s(0.5, n_tries) for n_tries in range(100)]
    assert waits_s[0] == pytest.approx(first_s)
    assert waits_s[TRIES_PER_DOUBLING] == pytest.approx(2 * first_s)
    assert waits_s == sorted(waits_s)
    assert waits_s[-1] == pytest.approx(LONGEST_PROBE_FRAMES * first_s)


def test_under_a_duty_cycle_a_host_that_is_away_for_good_costs_a_part_of_it(timing):
    longest_s = timing.probe_s(0.5, n_tries=10_000, share=0.01)
    assert 0.5 / longest_s == pytest.approx(PROBE_SHARE * 0.01)


def test_a_radio_that_speaks_hears_nothing_and_a_cable_does(timing):
    assert timing.is_half_duplex
    assert not LinkTiming(get_profile("serial-115200")).is_half_duplex
