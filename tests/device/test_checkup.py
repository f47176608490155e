"""What keeps a node from working is found before it is started, each with what to do."""

import os
from pathlib import Path

import pytest

from device import checkup
from device.checkup import check_node
from device.encoder.interpreter import RuntimeMissingError
from link.base.lock import FolderLock


@pytest.fixture
def settings(home, port) -> Path:
    """A node.toml at which nothing is missing but what a test takes away."""
    (home.folder / "keys").chmod(0o700)
    path: Path = home.config(port=port[0])
    return path


def change(path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def found(path) -> tuple[list[str], list[str]]:
    """What is wrong, and what is worth knowing."""
    findings = list(check_node(path))
    return (
        [one.sentence for one in findings if not one.is_hint],
        [one.sentence for one in findings if one.is_hint],
    )


def test_where_nothing_is_missing_nothing_is_found(settings):
    assert found(settings) == ([], [])


def test_settings_are_said_as_the_node_says_them(settings):
    change(settings, "profile = ", "profil = ")
    [sentence], [] = found(settings)
    assert sentence.startswith(f"{settings}: ")
    assert "profil" in sentence


def test_a_bundle_that_is_away_is_named(settings):
    change(settings, 'bundle = "bundle"', 'bundle = "nowhere"')
    [sentence], [] = found(settings)
    assert "there is no bundle at" in sentence


def test_a_key_that_is_away_or_another_node_s_is_named(settings):
    change(settings, "node = 3", "node = 4")
    [sentence], [] = found(settings)
    assert "was made for node 3, and node.toml says 4" in sentence
    (settings.parent / "keys" / "node.key").unlink()
    [sentence], [] = found(settings)
    assert "node.key is missing, so this node does not speak" in sentence


def test_a_counter_that_is_away_is_begun_anew(settings):
    (settings.parent / "keys" / "counter.json").unlink()
    [], [sentence] = found(settings)
    assert "counter.json is missing" in sentence


def test_others_may_not_read_its_key(settings):
    (settings.parent / "keys" / "node.key").chmod(0o644)
    [], [sentence] = found(settings)
    assert sentence.endswith("keys/node.key")


def test_a_port_that_is_away_is_named_unless_the_node_runs(settings):
    change(settings, 'port = "/dev/pts/', 'port = "/dev/pts/9999')
    [sentence], [] = found(settings)
    assert sentence.startswith("there is no port /dev/pts/9999")
    with FolderLock(settings.parent / "keys"):
        assert found(settings) == ([], ["a node runs with these settings"])


def test_a_radio_without_a_region_stays_silent(settings):
    change(settings, '"serial-115200"', '"rn2483-sf9"')
    [sentence], [] = found(settings)
    assert sentence.startswith("the node stays silent: no region is set")


def test_a_folder_into_which_it_may_not_write_is_named(settings, monkeypatch):
    monkeypatch.setattr(checkup.os, "access", lambda path, mode: not mode & os.W_OK)
    sentences = found(settings)[0]
    assert any(one.startswith("this account may not write into") for one in sentences)


def test_a_camera_that_is_away_or_another_account_s_is_named(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(checkup, "CAMERAS", tmp_path)
    change(settings, 'kind = "replay"\npath = "replay.npz"', 'kind = "v4l2"\ndevice = 2')
    sentences = found(settings)[0]
    assert f"there is no camera {tmp_path / 'video2'}; there are: none" in sentences
    (tmp_path / "video2").touch()
    assert not any("camera" in one for one in found(settings)[0])
    monkeypatch.setattr(checkup.os, "access", lambda path, mode: "video" not in str(path))
    assert any("add it to the group" in one for one in found(settings)[0])


def test_images_that_are_away_are_named(settings):
    (settings.parent / "replay.npz").unlink()
    [sentence], [] = found(settings)
    assert sentence.startswith("[source] path: there is no ")


@pytest.mark.parametrize(
    ("library", "source", "remedy"),
    [
        ("cryptography", "", "pip install "),
        ("PIL", 'kind = "folder"\npath = "."', "[pictures]"),
        ("cv2", 'kind = "v4l2"\ndevice = "."', "[v4l2]"),
        ("picamera2", 'kind = "picamera2"', "apt install python3-picamera2"),
    ],
)
def test_a_library_that_is_away_is_named_with_what_brings_it(
    settings, monkeypatch, library, source, remedy
):
    if source:
        change(settings, 'kind = "replay"\npath = "replay.npz"', source)
    there = "link.checkup.machine.find_spec"
    monkeypatch.setattr(there, lambda name: None if name == library else 1)
    [sentence] = [one for one in found(settings)[0] if library in one]
    assert sentence.startswith(f"{library} is not installed: ")
    assert remedy in sentence


def test_without_a_runtime_it_says_what_each_did(settings, monkeypatch):
    def fails() -> None:
        raise RuntimeMissingError("no TFLite runtime works here")

    monkeypatch.setattr("device.encoder.interpreter.working_runtime", fails)
    assert found(settings) == (["no TFLite runtime works here"], [])


def test_that_pictures_are_kept_is_said_and_what_was_kept_before(settings):
    settings.write_text(settings.read_text() + "[collect]\nmax_mb = 20\n")
    [], [sentence] = found(settings)
    folder = settings.parent / "keys" / "collected"
    assert sentence == (
        f"pictures of what the node sees are kept in {folder}, 20 MB at most; without [collect] "
        "none are"
    )
    change(settings, "[collect]\nmax_mb = 20\n", "")
    assert found(settings) == ([], [])
    folder.mkdir()
    [], [sentence] = found(settings)
    assert sentence.startswith(f"pictures that were kept earlier lie in {folder}; fetch them")
