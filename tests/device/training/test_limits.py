"""When a node may learn, told by the test's clock."""

import pytest

from device.capture.schedule import DAY_S, Hours
from device.training.limits import Allowance, Limits, Reason, celsius

NOON = 20_000 * DAY_S + DAY_S // 2


def test_without_limits_nothing_stops_it():
    allowance = Allowance(Limits())
    allowance.spend(1e9, NOON)
    assert allowance.stop(NOON) is None


def test_a_rounds_time_is_of_learning_and_begins_anew():
    allowance = Allowance(Limits(round_s=10))
    allowance.spend(9, NOON)
    assert allowance.stop(NOON + 1000) is None
    allowance.spend(1, NOON + 1001)
    assert (stop := allowance.stop(NOON + 1001)) is not None
    assert stop.reason is Reason.ROUND
    allowance.begin_round()
    assert allowance.stop(NOON + 1001) is None


def test_it_waits_for_the_hours():
    allowance = Allowance(Limits(hours=Hours.parse("22:00-06:00")))
    assert (stop := allowance.stop(NOON)) is not None
    assert (stop.reason, stop.wait_s) == (Reason.HOURS, 10 * 3600)
    assert allowance.stop(NOON + 10 * 3600) is None


def test_the_days_energy_is_spent_by_the_second_and_there_again_at_midnight():
    limits = Limits(day_wh=1.0, extra_w=0.5)
    allowance = Allowance(limits)
    allowance.spend(7199, NOON)
    assert allowance.stop(NOON) is None
    allowance.spend(1, NOON)
    assert (stop := allowance.stop(NOON)) is not None
    assert (stop.reason, stop.wait_s) == (Reason.ENERGY, DAY_S / 2)
    again = Allowance(limits, allowance.spent)
    assert again.stop(NOON + 1) is not None, "a restart gives nothing back"
    assert again.stop(NOON + stop.wait_s) is None


def test_what_is_too_hot_rests_until_it_is_five_degrees_cooler():
    found = 69.0
    allowance = Allowance(Limits(max_celsius=70), read_celsius=lambda: found)
    assert allowance.stop(NOON) is None
    for found, is_stopped in ((70, True), (66, True), (64.9, False), (69.9, False), (70.1, True)):
        stop = allowance.stop(NOON)
        assert (stop is not None) == is_stopped, found
        assert stop is None or stop.reason is Reason.HEAT


def test_a_machine_without_a_sensor_is_never_too_hot(tmp_path):
    assert Allowance(Limits(max_celsius=1), read_celsius=lambda: None).stop(NOON) is None
    assert celsius(tmp_path) is None


def test_the_hottest_zone_counts_and_one_that_is_off_does_not(tmp_path):
    for name, text in (("thermal_zone0", "48312\n"), ("thermal_zone1", "51000\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "temp").write_text(text)
    (tmp_path / "thermal_zone2" / "temp").mkdir(parents=True)
    assert celsius(tmp_path) == pytest.approx(51.0)
