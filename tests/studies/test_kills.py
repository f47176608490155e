"""Kills and power cuts: a few of them here, all of them in `python -m tests.studies kills`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from link.output.results import check_result
from tests.scale import size
from tests.worlds import tracing
from tests.worlds.killed_node import NodeError, World, new_world
from tests.worlds.power_cut import Disk, torn
from tests.worlds.tracing import Call, trace

ROOT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")
"""Where there is a disk in memory, synchronising costs nothing; what is lost by a power cut is
reckoned, not lost.
"""


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    if os.access(MEMORY, os.W_OK):
        monkeypatch.setenv("TMPDIR", str(MEMORY))
    return tmp_path


def test_a_killed_node_has_lost_nothing_and_repeats_nothing(scratch):
    sizes = {"--random": size(8, 300), "--step": size(67, 1), "--damaged": size(6, 300)}
    arguments = [str(word) for option in sizes.items() for word in option]
    command = [
        sys.executable,
        "-m",
        "tests.studies",
        "kills",
        *arguments,
        "--results",
        str(scratch),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((scratch / "link-kills.json").read_text())
    check_result(result)
    figures = result["figures"]
    assert figures["kills_at_random_moments"] == size(8, 300)
    if tracing.is_possible():
        assert min(figures["kills_at_system_calls"], figures["power_cuts_at_system_calls"]) >= size(
            5, 300
        )


def traced(folder, write):
    """What is left of a folder when the power is cut after `write` is done there by another
    process.
    """
    if not tracing.is_possible():
        pytest.skip(
            "this system lets no process trace another: allow ptrace (a container needs "
            "CAP_SYS_PTRACE)"
        )
    pid, pipe = tracing.start(lambda _: write(), is_traced=True)
    disk = Disk(folder, pid)

    def see(call: Call) -> bool:
        disk.saw(call)
        return True

    assert trace(pid, see)
    os.close(pipe)
    return disk


def survivors(disk, tmp_path, n_draws=40):
    """The contents that a file "state" may have, None when it is not there."""
    found = set()
    for seed in range(n_draws):
        folder = tmp_path / f"after {seed}"
        folder.mkdir()
        disk.after_power_cut(folder, Random(seed))
        path = folder / "state"
        found.add(path.read_bytes() if path.exists() else None)
    disk.close()
    return found


def synchronise(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "state").write_bytes(b"old")
    return tmp_path / "disk"


def test_a_power_cut_may_take_what_was_not_synchronised(folder, tmp_path):
    disk = traced(folder, lambda: (folder / "state").write_bytes(b"new"))
    assert survivors(disk, tmp_path) == {b"old", b"new"}


def test_a_power_cut_leaves_what_was_synchronised(folder, tmp_path):
    def write():
        (folder / "state").write_bytes(b"new")
        synchronise(folder / "state")

    assert survivors(traced(folder, write), tmp_path) == {b"new"}


def test_what_is_written_while_a_file_is_synchronised_may_not_be_on_the_disk(folder, tmp_path):
    disk = Disk(folder, os.getpid())
    with (folder / "state").open("rb+", buffering=0) as file:
        file.write(b"new")
        disk.saw(Call("fsync", file.fileno(), is_over=False))
        file.seek(0)
        file.write(b"two")
        disk.saw(Call("fsync", file.fileno(), is_over=True))
    assert survivors(disk, tmp_path) == {b"new", b"two"}


def test_a_new_name_is_sure_only_when_its_folder_was_synchronised(folder, tmp_path):
    def rename(with_folder):
        (folder / "part").write_bytes(b"new")
        synchronise(folder / "part")
        os.replace(folder / "part", folder / "state")
        if with_folder:
            synchronise(folder)

    assert survivors(traced(folder, lambda: rename(False)), tmp_path) == {b"old", b"new"}
    (folder / "state").write_bytes(b"old")
    again = tmp_path / "again"
    again.mkdir()
    assert survivors(traced(folder, lambda: rename(True)), again) == {b"new"}


def test_a_write_may_be_torn_between_sectors():
    old, new = b"a" * 1500, b"b" * 2000
    found = [torn(old, new, Random(seed)) for seed in range(200)]
    assert {old, new} <= {*found, old, new}
    assert {len(content) for content in found} == {1500, 2000}
    assert any(content[:512] == b"a" * 512 and content[512:1024] == b"b" * 512 for content in found)
    assert all(len(set(content[:512])) == 1 for content in found)


def hear_and_check(world: World, lines: list[str]) -> None:
    for line in lines:
        world.note(*line.split(maxsplit=1))
    world.check()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["sent 3 1.0 0.1", "sent 3 2.0 0.1"], r"counters \[3\] were used twice"),
        (["image 3", "delivered 3:0"], r"chunks \[.*\(3, 1\).*\] were lost"),
        (["sent 281474976710655 1.0 0.4"], "a counter would be used twice"),
        (["failed KeyError()"], r"the node says: failed KeyError\(\)"),
    ],
)
def test_the_study_finds_what_it_looks_for(scratch, lines, sentence):
    with new_world() as world:
        world.check()
        with pytest.raises(NodeError, match=sentence):
            hear_and_check(world, lines)
