"""What a machine lacks is said with its remedy, and nothing where it lacks nothing."""

import shutil
from types import SimpleNamespace

import pytest

from link.checkup.finding import Finding
from link.checkup.machine import account, check_disk, check_libraries, check_private, check_python


def test_a_python_that_is_too_old_is_named():
    assert list(check_python()) == []
    [finding] = check_python((3, 10, 2))
    assert finding == Finding("this is Python 3.10; install 3.11 or later, and take that")


def test_libraries_are_named_with_what_brings_them():
    assert list(check_libraries(("json", "os"))) == []
    [one] = check_libraries(("json", "nowhere_to_be"), "host")
    assert one.sentence.startswith("nowhere_to_be is not installed: pip install ")
    assert "[host]" in one.sentence
    [both] = check_libraries(("nowhere_a", "nowhere_b"))
    assert both.sentence.startswith("nowhere_a, nowhere_b are not installed")


@pytest.mark.parametrize(
    ("free_bytes", "is_hint"), [(1e9, None), (100e6, True), (5e6, False), (0, False)]
)
def test_little_room_is_worth_a_word_and_none_is_in_the_way(
    tmp_path, monkeypatch, free_bytes, is_hint
):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free_bytes))
    found = list(check_disk(tmp_path))
    assert [finding.is_hint for finding in found] == ([] if is_hint is None else [is_hint])


def test_what_others_may_look_into_is_named_with_the_command(tmp_path):
    secret = tmp_path / "node.key"
    assert list(check_private(secret)) == [], "what is not there is nobody's"
    secret.touch(0o600)
    assert list(check_private(secret)) == []
    secret.chmod(0o640)
    tmp_path.chmod(0o755)
    [file], [folder] = check_private(secret), check_private(tmp_path)
    assert file.sentence.endswith(f"may use {secret}: chmod 600 {secret}")
    assert folder.sentence.endswith(f"may use {tmp_path}: chmod 700 {tmp_path}")
    assert file.is_hint


def test_what_is_another_account_s_is_named_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 4711)
    tmp_path.chmod(0o700)
    [finding] = check_private(tmp_path)
    assert finding.sentence == f"{tmp_path} belongs to {tmp_path.owner()}; run this as that account"


def test_an_account_without_a_name_is_called_by_its_number():
    assert account(0) == "root"
    assert account(4_000_000_001) == "4000000001"
