"""Pacing with a clock that the test moves."""

import random

import pytest

from link.pacing import Pacer, TokenBucket


def test_a_full_bucket_lets_a_burst_pass_at_once_and_then_the_rate():
    bucket = TokenBucket(rate=2.0, burst=4.0)
    assert bucket.ready_s(4.0, now_s=10.0) == 10.0
    bucket.take(4.0, now_s=10.0)
    assert bucket.ready_s(1.0, now_s=10.0) == 10.5
    assert bucket.ready_s(4.0, now_s=10.0) == 12.0


def test_a_bucket_never_holds_more_than_its_burst():
    bucket = TokenBucket(rate=1.0, burst=2.0)
    bucket.take(2.0, now_s=0.0)
    bucket.take(2.0, now_s=1000.0)
    assert bucket.ready_s(1.0, now_s=1000.0) == 1001.0


def test_what_was_taken_too_early_is_a_debt():
    bucket = TokenBucket(rate=1.0, burst=1.0)
    bucket.take(1.0, now_s=0.0)
    bucket.take(1.0, now_s=0.0)
    assert bucket.ready_s(1.0, now_s=0.0) == 2.0


def test_more_than_the_burst_can_never_pass_and_says_so():
    with pytest.raises(ValueError, match="3 at once can never pass a bucket that holds 2"):
        TokenBucket(rate=1.0, burst=2.0).ready_s(3.0, now_s=0.0)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_a_bucket_without_rate_or_burst_is_refused(rate, burst):
    with pytest.raises(ValueError, match="positive rate and burst"):
        TokenBucket(rate, burst)


def test_frames_of_one_sender_follow_one_another():
    pacer = Pacer()
    assert pacer.occupy(2.0, start_s=pacer.start_s(2.0, now_s=0.0)) == 2.0
    assert pacer.start_s(1.0, now_s=0.5) == 2.0
    assert pacer.start_s(1.0, now_s=5.0) == 5.0


def test_while_another_sender_has_the_channel_this_one_waits():
    pacer = Pacer()
    pacer.hold(until_s=3.0)
    assert pacer.start_s(1.0, now_s=1.0) == 3.0


@pytest.mark.parametrize("duty_cycle", [0.001, 0.01, 0.1, 0.5])
def test_no_hour_anywhere_holds_more_airtime_than_the_duty_cycle(duty_cycle):
    longest_s = 0.4
    pacer, draw = Pacer(duty_cycle, longest_s), random.Random(5)
    spoken, now_s = [], 0.0
    while now_s < 3 * 3600:
        airtime_s = draw.uniform(0.05, longest_s)
        now_s += draw.choice([0.0, 0.0, 0.0, 300.0])  # a sender that is eager most of the time and then rests
        start_s = pacer.start_s(airtime_s, now_s)
        now_s = pacer.occupy(airtime_s, start_s)
        spoken.append((start_s, now_s))
    for window_start in [start for start, _ in spoken] + [end - 3600 for _, end in spoken]:
        window_end = window_start + 3600
        airtime_s = sum(max(0.0, min(end, window_end) - max(start, window_start)) for start, end in spoken)
        assert airtime_s <= duty_cycle * 3600 * (1 + 1e-9)


def test_an_eager_sender_gets_most_of_its_duty_cycle():
    pacer, now_s, airtime_s = Pacer(0.01, 0.4), 0.0, 0.0
    while now_s < 3600:
        now_s = pacer.occupy(0.4, pacer.start_s(0.4, now_s))
        airtime_s += 0.4
    assert 0.97 * 36 < airtime_s <= 36.4  # the last frame may end beyond the hour


@pytest.mark.parametrize("duty_cycle", [0.0, 1.01, -1.0])
def test_a_duty_cycle_is_a_share(duty_cycle):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Pacer(duty_cycle)


def test_a_frame_that_no_hour_allows_is_refused_at_the_start():
    with pytest.raises(ValueError, match=r"one frame of 9 s is more than a duty cycle of 0.001 allows in an hour"):
        Pacer(0.001, longest_airtime_s=9.0)
