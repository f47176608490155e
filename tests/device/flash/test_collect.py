"""Pictures that a node kept are fetched from a folder, and over a real sshd."""

import getpass
import os
import stat
import subprocess
from pathlib import Path

import pytest

from device.collect.ring import Ring
from device.flash import collect as module
from device.flash.collect import Fetched, InFolder, OverSsh, fetch, place_of, remove_fetched
from device.flash.deploy import Node
from device.flash.tools import FlashError
from tests.device.flash.test_deploy import sshd  # noqa: F401
from tests.link.album.test_kept import kept
from tests.programs import needs


def keep(state_dir: Path, *images: int) -> Path:
    ring = Ring(state_dir / "collected", 1_000_000, 0)
    for image in images:
        ring.put(kept(image=image))
    return state_dir / "collected"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Shell(Node):
    """A node whose shell is the one here: what it is told, without the way to it."""

    def output(self, command: str, input: bytes = b"") -> bytes:
        done = subprocess.run(command, shell=True, input=input, capture_output=True)
        if done.returncode:
            raise FlashError(done.stderr.decode())
        return done.stdout


@pytest.fixture(
    params=["folder", "shell", pytest.param("ssh", marks=needs("sshd", "ssh", "ssh-keygen"))]
)
def place(request, tmp_path):
    """A node's pictures, and how they are reached."""
    state_dir = tmp_path / "root/var/lib/latentlink"
    keep(state_dir, 1, 2, 3)
    if request.param == "folder":
        return InFolder.below(tmp_path / "root")
    if request.param == "shell":
        return OverSsh(Shell("here", root=str(tmp_path / "root")))
    options = request.getfixturevalue("sshd")
    return OverSsh(Node(f"{getpass.getuser()}@127.0.0.1", options, str(tmp_path / "root")))


def test_what_was_fetched_is_not_fetched_again(place, tmp_path):
    card, into = tmp_path / "root/var/lib/latentlink/collected", tmp_path / "here/.collected"
    assert fetch(place, into) == Fetched(tuple(sorted(content(card))), 0, 0)
    assert content(into) == content(card)
    assert stat.S_IMODE(into.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in into.iterdir()} == {0o600}
    assert fetch(place, into) == Fetched((), 3, 0)
    keep(card.parent, 4)
    fetched = fetch(place, into)
    assert (len(fetched.names), fetched.n_known) == (1, 3)
    assert len(content(card)) == 4, "nothing is deleted on the node"


def test_what_breaks_off_goes_on(place, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH_BYTES", 1)
    into, shown = tmp_path / "here", []

    def break_off(share: float) -> None:
        shown.append(share)
        raise FlashError("the line is dead")

    with pytest.raises(FlashError, match="the line is dead"):
        fetch(place, into, break_off)
    assert len(content(into)) == 1
    assert fetch(place, into, shown.append).n_known == 1
    assert shown[-1] == 1.0
    assert len(content(into)) == 3


def test_a_torn_file_is_counted_and_stays_on_the_node(place, tmp_path):
    card, into = tmp_path / "root/var/lib/latentlink/collected", tmp_path / "here"
    first, *others = sorted(content(card))
    (card / first).write_bytes(bytes(300))
    (card / "note.txt").write_text("a person's")
    assert fetch(place, into).n_torn == 1
    assert remove_fetched(place, into) == 2
    assert sorted(content(card)) == [first, "note.txt"]
    assert set(others) < content(into).keys()


def test_only_what_is_here_goes_from_the_node(place, tmp_path):
    card, into = tmp_path / "root/var/lib/latentlink/collected", tmp_path / "here"
    fetch(place, into)
    keep(card.parent, 9)
    assert remove_fetched(place, into) == 3
    assert len(content(card)) == 1


def test_what_the_account_may_not_read_is_read_by_sudo(tmp_path, monkeypatch):
    """A folder that shows only to sudo: here it is put there by it."""
    card = keep(tmp_path / "the node's", 1, 2)
    card.rename(tmp_path / "hidden")
    for name, body in {
        "id": "echo 1000",
        "sudo": f'[ "$1" = -n ] && shift && mv \'{tmp_path}/hidden\' "{card}" && "$@"',
    }.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    place = OverSsh(Shell("here"), str(tmp_path / "the node's"))
    assert len(fetch(place, tmp_path / "here").names) == 2


@needs("sshd", "ssh", "ssh-keygen")
def test_what_the_ring_overwrote_meanwhile_is_no_fault(sshd, tmp_path):  # noqa: F811
    card = keep(tmp_path / "state", 1, 2)
    place = OverSsh(Node(f"{getpass.getuser()}@127.0.0.1", sshd), str(tmp_path / "state"))
    names = sorted(place.sizes())
    (card / names[0]).unlink()
    assert [name for name, _ in place.read(names)] == names[1:]


@needs("sshd", "ssh", "ssh-keygen")
def test_a_node_that_keeps_none_says_what_to_do(sshd, tmp_path):  # noqa: F811
    place = place_of(f"{getpass.getuser()}@127.0.0.1:{tmp_path}/nowhere", sshd)
    with pytest.raises(FlashError, match=r"this node keeps no pictures; add \[collect\]"):
        fetch(place, tmp_path / "here")


def test_a_place_is_a_folder_or_an_address(tmp_path):
    keep(tmp_path / "state", 1)
    for text in (tmp_path / "state", tmp_path / "state/collected"):
        assert place_of(str(text)) == InFolder(tmp_path / "state/collected")
    assert place_of("pi@node.local") == OverSsh(Node("pi@node.local"))
    assert place_of("pi@node:/home/pi/state") == OverSsh(Node("pi@node"), "/home/pi/state")
    with pytest.raises(FlashError, match="no node kept pictures in"):
        place_of(str(tmp_path))
    for text in ("./nowhere", "", "-oProxyCommand=x"):
        with pytest.raises(FlashError, match="there is no folder"):
            place_of(text)


class Liar:
    """A node that sends what nobody asked for."""

    def sizes(self):
        return {"../../etc/passwd": 5, "00000001-00000000.jpg": 5, "00000002-00000000.jpg": 1 << 40}

    def read(self, names):
        assert names == ["00000001-00000000.jpg"]
        yield "../escaped", b"x"
        yield "00000001-00000000.jpg", b"y"

    def remove(self, names):
        raise AssertionError


def test_a_node_puts_nothing_anywhere_else(tmp_path):
    fetched = fetch(Liar(), tmp_path / "a/b")
    assert (fetched.names, fetched.n_torn) == (("00000001-00000000.jpg",), 1)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == list(fetched.names)
