"""The ledger: what was used is known for as long as it counts, and no crash, restart or damage
makes it less.
"""

import errno
import json
import math
import os
import random

import pytest

from link.base import durable
from link.medium.ledger import ENTRY_S, KEEP_TIME_S, KEPT_ENTRIES, Ledger, LedgerError, StoredLedger

HOUR_S = 3600.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "airtime.json"


def stored(path, now_s, boot_id="a", block_s=2.0):
    return StoredLedger(path, HOUR_S, block_s, full_s=36.0, boot_id=boot_id, now_s=now_s)


def test_airtime_counts_from_the_moment_that_is_asked_for():
    ledger = Ledger(HOUR_S)
    assert ledger.used_s(since_s=-math.inf) == 0
    for end_s in (10.0, 20.0, 30.0):
        ledger.charge(1.5, end_s)
    assert [ledger.used_s(since_s) for since_s in (0, 9.9, 10, 20, 29.9, 30)] == [
        4.5,
        4.5,
        3.0,
        1.5,
        1.5,
        0.0,
    ]


def test_it_says_since_when_little_enough_was_used():
    ledger = Ledger(HOUR_S)
    assert ledger.end_of_use_s(0.0) == -math.inf
    for end_s in (10.0, 20.0, 30.0):
        ledger.charge(1.5, end_s)
    assert [ledger.end_of_use_s(kept_s) for kept_s in (0, 1.4, 1.5, 2.9, 3.0, 4.4, 4.5)] == [
        30.0, 30.0, 20.0, 20.0, 10.0, 10.0, -math.inf,
    ]  # fmt: skip


def test_a_frame_that_ends_before_the_last_one_counts_as_long_as_that():
    ledger = Ledger(HOUR_S)
    ledger.charge(1.0, 50.0)
    ledger.charge(1.0, 40.0)
    assert ledger.used_s(since_s=45.0) == 2.0


def test_memory_is_bounded_and_sums_stay_exact():
    ledger = Ledger(window_s=100.0)
    for n in range(5 * KEPT_ENTRIES):
        ledger.charge(0.25, float(n))
        assert len(ledger._ends) <= KEPT_ENTRIES + 102
    last_s = 5 * KEPT_ENTRIES - 1.0
    assert ledger.used_s(last_s - 100) == 25.0
    assert ledger.end_of_use_s(10.0) == last_s - 40
    assert ledger.used_s(-math.inf) == 0.25 * len(ledger._ends)
    assert ledger.end_of_use_s(0.25 * len(ledger._ends)) == -math.inf


def test_what_was_charged_is_there_after_a_crash(path):
    before = stored(path, now_s=100.0)
    for n in range(10):
        before.charge(0.5, 110.0 + 20 * n)
    after = stored(path, now_s=300.0)
    # at most the block is counted though it was not used
    assert 5.0 <= after.used_s(-math.inf) <= 5.0 + 2.0
    assert after.used_s(170.0) >= before.used_s(170.0)


@pytest.mark.parametrize("n_charges", range(1, 12))
def test_the_file_never_says_less_than_was_used(path, n_charges):
    draw = random.Random(n_charges)
    before, now_s = stored(path, now_s=0.0), 0.0
    for _ in range(n_charges):
        now_s += draw.uniform(0, 600)
        before.charge(draw.uniform(0.01, 3.0), now_s)
    for now_later_s in (now_s, now_s + 100):
        after = stored(path, now_s=now_later_s)
        for since_s in (-1.0, now_s / 2, now_s - 1):
            assert after.used_s(since_s) >= before.used_s(since_s) - 1e-9


def test_what_was_reserved_counts_as_used_just_before_the_crash_not_when_it_was_reserved(path):
    before = stored(path, now_s=0.0, block_s=10.0)
    before.charge(1.0, 1.0)  # reserves 10 s
    before.charge(9.0, 3000.0)  # and the file is not written again
    after = stored(path, now_s=3001.0)
    assert after.used_s(since_s=2999.0) >= 9.0


def test_a_frame_on_the_air_while_the_process_is_started_again_counts_from_its_end(path):
    stored(path, now_s=0.0).charge(9.0, 10.0)
    assert stored(path, now_s=4.0).used_s(since_s=9.9) >= 9.0


def test_time_in_which_the_machine_was_off_does_not_pass(path):
    before = stored(path, now_s=50_000.0)
    before.charge(3.0, 50_010.0)
    before.charge(3.0, 51_000.0)
    after = stored(path, now_s=30.0, boot_id="b")
    assert after.used_s(since_s=29.0) >= 3.0
    assert after.used_s(since_s=30.0 - 1000) >= 6.0
    assert after.used_s(since_s=31.0) == 0.0


def test_a_clock_that_lies_far_ahead_of_this_one_is_another(path):
    stored(path, now_s=50_000.0).charge(3.0, 50_010.0)
    after = stored(path, now_s=30.0)
    assert after.used_s(since_s=20.0) >= 3.0
    assert after.used_s(since_s=40.0) == 0.0


def test_many_starts_do_not_add_up_blocks(path):
    stored(path, now_s=0.0).charge(1.0, 1.0)
    for n in range(20):
        assert stored(path, now_s=10.0 + n).used_s(-math.inf) <= 1.0 + 2.0


def test_time_that_passes_without_a_frame_is_known_to_a_later_boot_when_it_was_kept(path):
    def used_after(start_s):
        return stored(path, now_s=5.0, boot_id="b").used_s(since_s=5.0 - start_s)

    ledger = stored(path, now_s=0.0)
    ledger.keep_time(KEEP_TIME_S)
    assert not path.exists()
    ledger.charge(3.0, 1000.0)
    assert used_after(100.0) == 3.0
    ledger.keep_time(1000.0 + KEEP_TIME_S - 1)
    assert used_after(100.0) == 3.0
    ledger.keep_time(1000.0 + KEEP_TIME_S)
    assert used_after(100.0) == 0.0
    assert used_after(KEEP_TIME_S + 1) == 3.0
    path.unlink()
    path.mkdir()  # so that it cannot be written
    ledger.keep_time(5000.0)
    path.rmdir()
    ledger.charge(1.0, 1000.0 + KEEP_TIME_S + 1)
    assert used_after(KEEP_TIME_S + 10) >= 4.0


def test_frames_within_a_block_do_not_touch_the_disk(path, monkeypatch):
    written: list[object] = []
    monkeypatch.setattr(durable, "write_state", lambda path, state: written.append(state))
    ledger = stored(path, now_s=0.0, block_s=2.0)
    for n in range(40):
        ledger.charge(0.1, float(n))
    assert len(written) == 2
    ledger.charge(5.0, 50.0)
    assert len(written) == 3


def test_the_file_stays_small(path):
    ledger = stored(path, now_s=0.0, block_s=20.0)
    for n in range(20_000):
        ledger.charge(0.05, 0.5 * n)
    assert len(json.loads(path.read_text())["used"]) <= HOUR_S / ENTRY_S + 1
    assert 360.0 <= stored(path, now_s=10_000.0).used_s(10_000.0 - 3600) + 1e-6 < 360.0 + 20.0 + 1.0


def test_a_disk_that_cannot_be_written_charges_nothing_and_says_that_nothing_is_sent(
    path, monkeypatch
):
    ledger = stored(path, now_s=0.0)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            LedgerError,
            match=r"airtime\.json cannot be written .*so nothing is sent; free some space",
        ):
            ledger.charge(1.0, 1.0)
    assert ledger.used_s(-math.inf) == 0
    ledger.charge(1.0, 1.0)
    assert stored(path, now_s=2.0).used_s(-math.inf) >= 1.0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"format": 9}',
        b'{"format": 1, "boot_id": "a", "time_s": 10, "used": [], "reserved_s": 1, "checksum": 0}',
    ],
)
def test_a_damaged_ledger_is_set_aside_and_all_airtime_counts_as_used(path, text):
    path.write_bytes(text)
    ledger = stored(path, now_s=20.0)
    assert ledger.used_s(since_s=19.0) == 36.0
    assert "airtime.json is damaged (" in str(ledger.notice)
    assert "it is now airtime.json.damaged-1, and this end counts its airtime as used up" in str(
        ledger.notice
    )
    assert path.with_name("airtime.json.damaged-1").read_bytes() == text


def to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize("make", [os.mkdir, to_itself])
def test_a_ledger_that_cannot_be_read_ends_nothing_and_all_airtime_counts_as_used(path, make):
    make(path)
    ledger = stored(path, now_s=20.0)
    assert ledger.used_s(since_s=19.0) == 36.0
    assert "airtime.json cannot be read (" in str(ledger.notice)
    assert "this end counts its airtime as used up" in str(ledger.notice)


@pytest.mark.parametrize(
    "change",
    [
        {"time_s": None},
        {"time_s": "x"},
        {"time_s": math.nan},
        {"time_s": 10**400},
        {"reserved_s": math.inf},
        {"used": 3},
        {"used": [[1, 2, 3]]},
        {"used": [[1, -2]]},
        {"used": [[11, 2]]},
        {"used": [[5, 1], [4, "x"]]},
    ],
)
def test_a_ledger_that_cannot_be_is_damaged(path, change):
    durable.write_state(
        path, {"format": 1, "boot_id": "a", "time_s": 10, "used": [], "reserved_s": 1, **change}
    )
    ledger = stored(path, now_s=20.0)
    assert ledger.used_s(since_s=19.0) == 36.0
    assert "airtime.json is damaged (" in str(ledger.notice)
