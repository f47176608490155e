"""Small files that a power cut cannot tear."""

import errno
import os
from contextlib import suppress

import pytest

from link.base import durable
from link.base.durable import MAX_SET_ASIDE


def test_a_file_is_replaced_whole_and_keeps_no_rest(tmp_path):
    path = tmp_path / "state"
    durable.write(path, "a longer text")
    durable.write(path, "short", mode=0o600)
    assert path.read_text() == "short"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_a_file_that_is_replaced_keeps_its_rights_and_a_link_stays_one(tmp_path):
    path, link = tmp_path / "kept" / "state", tmp_path / "link"
    path.parent.mkdir()
    durable.write(path, "old", mode=0o640)
    link.symlink_to(path)
    durable.write(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_writes_belongs_to_whom_it_belonged_or_to_whom_the_folder_belongs(tmp_path):
    os.chown(tmp_path, 1234, 2345)
    path = tmp_path / "state"
    durable.write(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)
    os.chown(path, 3456, 4567)
    durable.write(path, "newer")
    assert (path.stat().st_uid, path.stat().st_gid) == (3456, 4567)


def test_what_does_not_read_back_as_it_was_written_does_not_count(tmp_path, monkeypatch):
    path = tmp_path / "state"
    durable.write(path, "old")
    # a card that forgets
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.ftruncate(descriptor, 0))
    with pytest.raises(OSError, match="does not read back as it was written"):
        durable.write(path, "new")
    assert path.read_text() == "old"


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_failure_at_any_step_leaves_the_old_file_and_the_next_try_succeeds(
    tmp_path, monkeypatch, step
):
    path = tmp_path / "state"
    durable.write(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "power cut")))
        with pytest.raises(OSError, match="power cut"):
            durable.write(path, "new")
    assert path.read_text() == "old"
    durable.write(path, "new")
    assert path.read_text() == "new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_is_made_under_sudo_belongs_to_who_called_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SUDO_UID", "1001")
    monkeypatch.setenv("SUDO_GID", "1002")
    durable.make_folder(tmp_path / "a/b", 0o700)
    durable.write(tmp_path / "a/b/new", "new")
    made = [tmp_path / name for name in ("a", "a/b", "a/b/new")]
    assert [(one.stat().st_uid, one.stat().st_gid) for one in made] == [(1001, 1002)] * 3
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700


def test_what_is_staged_takes_its_place_when_it_is_told_to(tmp_path):
    path = tmp_path / "state"
    durable.write(path, "old")
    durable.StagedFile(path, "dropped").drop()
    staged = durable.StagedFile(path, "new")
    assert path.read_text() == "old"
    staged.commit()
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_damaged_files_are_set_aside_with_their_companions_and_only_so_many_are_kept(tmp_path):
    path = tmp_path / "state"
    for n in range(MAX_SET_ASIDE + 3):
        path.write_text(f"damaged {n}")
        (tmp_path / "state-wal").write_text(f"log {n}")
        aside = durable.set_aside(path, companions=("-shm", "-wal"))
        assert aside.name == f"state.damaged-{min(n + 1, MAX_SET_ASIDE)}"
        assert aside.read_text() == f"damaged {n}"
        assert (tmp_path / f"{aside.name}-wal").read_text() == f"log {n}"
        assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 2 * MAX_SET_ASIDE


def test_a_large_file_takes_the_old_ones_place_only_when_its_writing_ended_well(tmp_path):
    path = tmp_path / "made" / "on the way" / "large"
    with durable.whole(path) as unfinished:
        unfinished.write_text("old")
        assert not path.exists()
    with suppress(KeyboardInterrupt), durable.whole(path) as unfinished:
        unfinished.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    with durable.whole(path) as unfinished:
        unfinished.write_text("new")
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["large"]


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {"format": 3, "times": [0.1, -1e-9, 1e300], "name": "é", "nothing": None}
    durable.write_state(tmp_path / "state", state)
    assert durable.read_state(tmp_path / "state", state_format=3) == state
    with pytest.raises(ValueError, match="it has format 3, this program has 4"):
        durable.read_state(tmp_path / "state", state_format=4)
    with pytest.raises(FileNotFoundError):
        durable.read_state(tmp_path / "none", state_format=3)


def test_no_change_of_a_byte_goes_unnoticed(tmp_path):
    path = tmp_path / "state"
    state = {"format": 1, "node": 3, "next_counter": 64}
    durable.write_state(path, state)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(
            content[:place] + bytes([content[place] ^ 1 << place % 5]) + content[place + 1 :]
        )
        with suppress(ValueError):
            assert durable.read_state(path, state_format=1) == state


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b"3", b"null", b'"text"', b"{}", b"[" * 100_000]
)
def test_what_is_no_state_is_a_value_error(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        durable.read_state(tmp_path / "state", state_format=1)
