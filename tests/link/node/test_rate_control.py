"""The budget decides how many chunks of an image are sent."""

from itertools import pairwise

import pytest

from link.medium.governor import AirtimeLimit, Governor
from link.node.rate_control import RateControl
from link.wire.packet import MAX_CHUNKS


def governor(used_s=0.0):
    governor = Governor([AirtimeLimit(3600.0, 36.0)])
    if used_s:
        governor.occupy(used_s, 0.0)
    return governor


def rate_of(governor, interval_s, airtime_s=0.1):
    rate = RateControl(governor)
    for image in range(30):
        rate.sent_base(image, 100.0 + image * interval_s, airtime_s)
    return rate, 100.0 + 29 * interval_s


def test_without_limits_everything_is_sent():
    rate, now_s = rate_of(Governor(), interval_s=1.0)
    assert rate.n_affordable(0.1, now_s) == MAX_CHUNKS


def test_while_much_of_the_budget_is_left_nothing_is_held_back():
    rate, now_s = rate_of(governor(), interval_s=1.0)
    assert rate.n_affordable(0.1, now_s) == MAX_CHUNKS


@pytest.mark.parametrize(("interval_s", "n_chunks"), [(5.0, 1), (19.9, 1), (20.1, 2), (60.5, 6)])
def test_a_used_budget_affords_what_the_duty_cycle_earns_between_two_images(interval_s, n_chunks):
    """1 % of the interval, in chunks of 0.1 s."""
    rate, now_s = rate_of(governor(used_s=18.001), interval_s)
    assert rate.n_affordable(0.1, now_s) == n_chunks


def test_in_a_quiet_time_more_and_more_of_the_old_images_goes():
    rate, now_s = rate_of(governor(used_s=18.001), interval_s=5.0)
    assert rate.n_affordable(0.1, now_s) == 1
    assert rate.n_affordable(0.1, now_s + 100.5) == 10


def test_an_image_sent_again_is_no_new_interval():
    rate, _ = rate_of(governor(), interval_s=5.0)
    rate.sent_base(3, 115.0, 0.1)
    assert rate.interval_s == pytest.approx(5.0)


def test_the_less_is_left_the_less_is_spent():
    """Below a quarter of 36 s the share of the duty cycle, 1 %; at an eighth half as much."""
    for used_s, spacing_s in ((26.9, 0.0), (27.001, 10.0), (31.5, 20.0), (36.0, 250.0)):
        rate = RateControl(governor(used_s))
        rate.sent(0.1, now_s=100.0)
        assert rate.start_s(0.0, 100.0) - 100.0 == pytest.approx(spacing_s, rel=0.01)


def test_a_node_at_the_limit_is_never_silent_for_long():
    """It sends as often as it may for three hours."""
    limit = governor()
    rate, now_s, starts = RateControl(limit), 0.0, []
    while now_s < 3 * 3600:
        now_s = rate.start_s(0.1, now_s)
        limit.occupy(0.1, now_s)
        rate.sent(0.1, now_s)
        starts.append(now_s)
    assert max(later - earlier for earlier, later in pairwise(starts)) < 300
    assert len(starts) > 0.7 * 3 * 36 / 0.1
