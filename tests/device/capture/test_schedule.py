import calendar

import pytest

from device.capture.schedule import Hours
from device.config import ConfigError, load_config


def unix_s(hour: int, minute: int = 0) -> float:
    return calendar.timegm((2026, 11, 25, hour, minute, 0))


@pytest.mark.parametrize(
    ("span", "hour", "minute", "wait_h"),
    [
        ("06:00-20:30", 5, 0, 1),
        ("06:00-20:30", 6, 0, 0),
        ("06:00-20:30", 20, 29, 0),
        ("06:00-20:30", 20, 30, 9.5),
        ("22:00-04:00", 23, 0, 0),
        ("22:00-04:00", 3, 59, 0),
        ("22:00-04:00", 4, 0, 18),
        ("07:00-07:00", 3, 0, 0),
    ],
)
def test_how_long_until_the_hours_begin(span, hour, minute, wait_h):
    assert Hours.parse(span).wait_s(unix_s(hour, minute)) == 3600 * wait_h


@pytest.mark.parametrize("text", ["6-20", "06:00", "24:00-25:00", "06:60-07:00", "06:00-20:00 "])
def test_what_is_no_span_of_the_day_is_refused(home, text):
    with pytest.raises(
        ConfigError, match=r"\[source\] hours: .* write for example \"06:00-20:30\", in UTC"
    ):
        load_config(home.config(source=f'hours = "{text}"', link="wants_time = true"))


def test_hours_need_a_clock(home):
    with pytest.raises(ConfigError, match=r"hours needs \[link\] wants_time = true"):
        load_config(home.config(source='hours = "06:00-20:00"'))
