"""The ring never takes more bytes than it may, survives whatever ends it, and leaves the disk
room.
"""

import os
import stat
from pathlib import Path
from random import Random

import pytest

from device.collect.ring import NoRoomError, Ring
from link.album.kept import TornError, from_bytes, to_bytes
from tests.link.album.test_kept import kept
from tests.worlds.power_cut import torn

ONE = len(to_bytes(kept()))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def taken(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_the_oldest_make_room_to_the_byte(tmp_path):
    ring = Ring(tmp_path / "ring", 3 * ONE)
    for image in range(1000, 1010):
        ring.put(kept(image=image))
        assert ring.n_bytes == taken(tmp_path / "ring") <= 3 * ONE
    images = [from_bytes(path.read_bytes()).image for path in sorted((tmp_path / "ring").iterdir())]
    assert images == sorted(images)
    assert images[-1] == 1009
    assert len(ring) == len(images)


def test_only_their_owner_reads_them(tmp_path):
    Ring(tmp_path / "ring", 10 * ONE).put(kept())
    [path] = (tmp_path / "ring").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ring").stat().st_mode) == 0o700


def test_the_next_start_goes_on_behind_the_last(tmp_path):
    for image in range(3):
        Ring(tmp_path, 10 * ONE).put(kept(image=image))
    assert [name[:8] for name in names(tmp_path)] == ["00000001", "00000002", "00000003"]


def test_a_smaller_ring_drops_at_once_what_is_too_much(tmp_path):
    ring = Ring(tmp_path, 10 * ONE)
    for image in range(5):
        ring.put(kept(image=image))
    assert Ring(tmp_path, 2 * ONE + 40).n_bytes == taken(tmp_path) <= 2 * ONE + 40


def test_what_a_kill_left_half_written_goes_and_nothing_else_does(tmp_path):
    Ring(tmp_path, 10 * ONE).put(kept())
    (tmp_path / "00000002-00000000.jpg.part").write_bytes(b"half")
    (tmp_path / "note.txt").write_text("a person's")
    ring = Ring(tmp_path, 10 * ONE)
    assert len(ring) == 1
    assert names(tmp_path)[1:] == ["note.txt"]


def test_a_torn_file_counts_until_its_turn_to_go(tmp_path):
    """As a power cut leaves it: its name is on the disk, its content is not."""
    ring = Ring(tmp_path, 3 * ONE)
    ring.put(kept())
    [torn] = tmp_path.iterdir()
    torn.write_bytes(bytes(100))
    with pytest.raises(TornError):
        from_bytes(torn.read_bytes())
    ring = Ring(tmp_path, 3 * ONE)
    assert ring.n_bytes == 100
    for image in range(4):
        ring.put(kept(image=image))
    assert not torn.exists()
    assert taken(tmp_path) <= 3 * ONE


def test_whatever_a_power_cut_leaves_is_whole_or_known_as_torn(tmp_path):
    """Nothing of the newest files was on the disk for sure, nor their names."""
    whole = {}
    for seed in range(20):
        folder, draw = tmp_path / str(seed), Random(seed)
        ring = Ring(folder, 8 * ONE)
        for image in range(6):
            ring.put(kept(image=image))
        for path in folder.iterdir():
            whole[path.name] = path.read_bytes()
            path.write_bytes(torn(b"", whole[path.name], draw))
            if draw.random() < 0.3:
                path.rename(path.with_name(path.name + ".part"))
        ring = Ring(folder, 8 * ONE)
        for image in range(6, 9):
            ring.put(kept(image=image))
        assert taken(folder) <= 8 * ONE
        n_whole = 0
        for path in folder.iterdir():
            try:
                from_bytes(path.read_bytes())
                n_whole += 1
            except TornError:
                continue
            assert path.read_bytes() == whole.get(path.name, path.read_bytes())
        assert n_whole >= 3


def test_what_somebody_took_away_is_no_fault(tmp_path):
    ring = Ring(tmp_path, 2 * ONE)
    ring.put(kept())
    for path in tmp_path.iterdir():
        path.unlink()
    for image in range(4):
        ring.put(kept(image=image))
    assert taken(tmp_path) <= ring.n_bytes <= 2 * ONE


def test_what_waits_to_be_sent_finds_room_on_the_disk(tmp_path):
    disk = os.statvfs(tmp_path)
    ring = Ring(tmp_path, 10 * ONE, min_free_bytes=disk.f_bavail * disk.f_frsize + (1 << 30))
    with pytest.raises(NoRoomError, match="MB are free"):
        ring.put(kept())
    assert names(tmp_path) == []


def test_one_that_is_larger_than_the_ring_is_refused(tmp_path):
    with pytest.raises(NoRoomError, match="more than max_mb"):
        Ring(tmp_path, ONE - 1).put(kept())


def test_a_disk_that_breaks_off_leaves_nothing_half_written(tmp_path, monkeypatch):
    ring = Ring(tmp_path, 10 * ONE)
    ring.put(kept())
    before = names(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        ring.put(kept())
    assert names(tmp_path) == before
    monkeypatch.undo()
    ring.put(kept())
    assert len(names(tmp_path)) == 2
