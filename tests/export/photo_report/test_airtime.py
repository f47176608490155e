"""Answers an hour: by each region's rules, from the airtime of the packets that carry them."""

import pytest

from export.photo_report.airtime import packet_bytes, rows
from link.medium.profiles import get_profile


def test_an_hour_holds_as_many_answers_as_the_duty_cycle_has_airtime_for():
    found = {(row.place[:6], row.spreading_factor): row for row in rows([4])}
    one, ten, us = (
        [row for row in rows([4]) if row.place.startswith(place)]
        for place in ("Europe, 868.0", "Europe, 869.4", "US")
    )
    assert len(found) == 10
    assert [row.spreading_factor for row in one] == list(range(7, 13))
    for row, tenfold in zip(one, ten, strict=True):
        airtime_s = get_profile(f"lora-sf{row.spreading_factor}").airtime_s(packet_bytes(4))
        assert row.airtime_s == pytest.approx(airtime_s)
        assert row.answers_per_hour == pytest.approx(36 / airtime_s)
        assert tenfold.answers_per_hour == pytest.approx(10 * row.answers_per_hour)
    for row in us:
        assert row.answers_per_hour == pytest.approx(3600 / 20 * 0.4 / row.airtime_s)


def test_a_packet_that_the_rules_never_allow_has_no_row():
    assert {row.spreading_factor for row in rows([4]) if row.place.startswith("US")} == {
        7,
        8,
        9,
        10,
    }
    long = [row.spreading_factor for row in rows([60]) if row.place.startswith("Europe, 868.0")]
    assert long == [7, 8, 9]
