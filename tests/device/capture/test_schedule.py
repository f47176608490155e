"""Images are due at intervals and within the hours that node.toml says."""

import calendar

import pytest

from device.capture.schedule import Hours, Timetable
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


def test_images_are_due_at_intervals_and_a_late_one_is_not_made_up_for():
    timetable = Timetable(60.0, None, now_s=100.0)
    assert timetable.due_s(100.0, None) == 100.0
    timetable.taken(101.0, None)
    assert timetable.due_s(101.0, None) == 160.0
    timetable.taken(500.0, None)
    assert timetable.due_s(500.0, None) == 500.0
    timetable.taken(501.0, None)
    assert timetable.due_s(501.0, None) == 560.0


def test_all_hours_are_good_until_the_time_is_known():
    timetable = Timetable(60.0, Hours.parse("06:00-20:30"), now_s=0.0)
    assert timetable.due_s(0.0, None) == 0.0
    assert timetable.due_s(0.0, unix_s(5)) == 3600.0
    assert timetable.due_s(0.0, unix_s(7)) == 0.0, "the host had told the time wrong"


def test_in_the_morning_images_begin_with_the_hours_and_go_on_at_intervals():
    timetable, midnight = Timetable(600.0, Hours.parse("06:00-20:30"), 0.0), unix_s(0)
    evening_s, morning_s = 20.4 * 3600, 30.0 * 3600
    timetable.taken(evening_s, midnight)
    assert timetable.due_s(21 * 3600, midnight) == morning_s
    timetable.taken(morning_s + 1, midnight)
    assert timetable.due_s(morning_s + 1, midnight) == pytest.approx(morning_s + 600)
