"""Moments: how long ago, a date, a date and time, and a sentence for anything else."""

from datetime import datetime

import pytest

from host_decoder.view.moment import parse_moment

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [("90s", 90), ("1.5m", 90), ("2h", 7200), ("3d", 259_200), ("1w", 604_800), (" 0s ", 0)],
)
def test_how_long_ago_is_counted_from_now(text, ago_s):
    assert parse_moment(text, NOW_S) == NOW_S - ago_s


def test_a_date_is_its_first_moment_here():
    assert parse_moment("2026-11-30", NOW_S) == datetime(2026, 11, 30).timestamp()
    assert parse_moment("2026-11-30T14:05", NOW_S) == datetime(2026, 11, 30, 14, 5).timestamp()


def test_a_time_zone_that_is_said_counts():
    assert parse_moment("1970-01-01T01:00+01:00", NOW_S) == 0.0


@pytest.mark.parametrize(
    "text", ["", "2", "h", "-2h", "2 h", "yesterday", "2026-13-01", "9999999999h", "99999-01-01"]
)
def test_what_is_no_moment_is_told_with_what_is(text):
    with pytest.raises(ValueError, match=r"is no moment; write how long ago \(90m, 2h, 3d, 1w\)"):
        parse_moment(text, NOW_S)
