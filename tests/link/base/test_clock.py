"""The clock that nobody sets."""

import time
from pathlib import Path

from link.base import clock


def test_it_counts_seconds_since_the_machine_was_started():
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(clock.boot_s() - uptime_s) < 5
    before_s, first_s, between_s = time.monotonic(), clock.boot_s(), time.monotonic()
    time.sleep(0.02)
    later_s, second_s, after_s = time.monotonic(), clock.boot_s(), time.monotonic()
    assert later_s - between_s - 0.001 < second_s - first_s < after_s - before_s + 0.001


def test_without_such_a_clock_it_is_the_monotonic_one(monkeypatch):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert abs(clock.boot_s() - time.monotonic()) < 1


def test_a_boot_has_one_name(tmp_path, monkeypatch):
    clock.boot_id.cache_clear()
    assert clock.boot_id() == clock.BOOT_ID_FILE.read_text().strip()
    clock.boot_id.cache_clear()
    monkeypatch.setattr(clock, "BOOT_ID_FILE", tmp_path / "missing")
    made_up = clock.boot_id()
    assert clock.boot_id() == made_up
    clock.boot_id.cache_clear()
    assert clock.boot_id() != made_up
    clock.boot_id.cache_clear()
