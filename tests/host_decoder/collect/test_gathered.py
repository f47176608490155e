"""Fetched pictures, dated by whatever is known of the starts of their nodes."""

import time

import pytest

from host_decoder.collect.gathered import Gathered, dated, gather, own_name
from link.album.kept import file_name, to_bytes
from link.base import boot_id, boot_s
from tests.link.album.test_kept import kept


def gathered(tmp_path, *pictures) -> list[Gathered]:
    for sequence, one in enumerate(pictures, 1):
        content = to_bytes(one)
        (tmp_path / file_name(sequence, content, one.ending)).write_bytes(content)
    return gather(tmp_path)[0]


def test_they_come_in_the_order_in_which_they_were_taken(tmp_path):
    found = gathered(tmp_path, *(kept(image=image) for image in range(12)))
    assert [one.image for one in found] == list(range(12))
    assert found[0].symbols.tolist() == [-128, 0, 127]


def test_what_is_torn_is_left_out_and_named(tmp_path):
    gathered(tmp_path, kept(image=1), kept(image=2))
    torn = sorted(tmp_path.iterdir())[0]
    torn.write_bytes(torn.read_bytes()[:-1])
    (tmp_path / "sorted.json").write_text("{}")
    found, names = gather(tmp_path)
    assert [one.image for one in found] == [2]
    assert names == [torn.name]


def test_a_folder_that_is_not_there_holds_none(tmp_path):
    assert gather(tmp_path / "nowhere") == ([], [])


def test_one_told_time_dates_all_of_its_start_and_no_other(tmp_path):
    found = gathered(
        tmp_path,
        kept(boot="a", captured_s=10.0, unix_s=None),
        kept(boot="a", captured_s=30.0, unix_s=1_800_000_030.0),
        kept(boot="a", captured_s=50.0, unix_s=None),
        kept(boot="b", captured_s=5.0, unix_s=None),
    )
    assert [one.unix_s for one in found] == [1_800_000_010, 1_800_000_030, 1_800_000_050, None]


def test_the_time_that_was_told_last_counts(tmp_path):
    """The host's own clock was nine hours old until NTP set it."""
    found = gathered(
        tmp_path,
        kept(boot="a", captured_s=10.0, unix_s=1_800_000_010.0 - 9 * 3600),
        kept(boot="a", captured_s=99.0, unix_s=1_800_000_099.0),
    )
    assert [one.unix_s for one in found] == [1_800_000_010, 1_800_000_099]


def test_a_start_that_goes_on_here_is_dated_by_this_clock(tmp_path):
    [one] = gathered(tmp_path, kept(boot=boot_id(), captured_s=boot_s() - 60, unix_s=1.0))
    assert one.unix_s == pytest.approx(time.time() - 60, abs=2)


def test_names_say_when_and_by_whom_and_stay_apart(tmp_path):
    one, other, undated = gathered(
        tmp_path,
        kept(boot="a", unix_s=1_800_000_000.0),
        kept(boot="a", unix_s=1_800_000_000.0, image=2),
        kept(boot="c3d4e5", captured_s=1234.5, unix_s=None),
    )
    assert one.stem.startswith("20270115-080000-node3-00000001-")
    assert own_name(one.stem) == one.path.stem != other.path.stem
    assert undated.stem.startswith("undated-c3d4-00001234-node3-00000003-")
    assert list(dated([])) == []
