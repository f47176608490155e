import tarfile
import zipfile

import pytest

from device.flash import release as release_module
from device.flash.release import download_wheels, make_release, program_files, write_archive
from device.flash.tools import FlashError
from tests.device.flash.conftest import ROOT


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """One wheel in place of the lock's."""
    path = tmp_path / "somewheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("somewheel/__init__.py", "")
        archive.writestr("somewheel/tests/test_it.py", "")
    monkeypatch.setattr(release_module, "download_wheels", lambda *_: [path])
    return path


def test_a_node_gets_its_programs_and_not_what_flashes_it():
    files = program_files(ROOT)
    assert {
        "device/__main__.py",
        "device/encoder/selftest.tflite",
        "device/unit/install.sh",
        "link/security/keys.py",
    } <= set(files)
    assert not [name for name in files if "flash" in name or "__pycache__" in name]


def test_a_release_holds_wheels_and_programs_and_names_itself(tmp_path, wheel):
    release = make_release("3.13", tmp_path)
    with tarfile.open(release.archive) as archive:
        names = archive.getnames()
        about = archive.extractfile("RELEASE")
        assert about is not None
        assert release.id.encode() in about.read()
        assert archive.getmember("device/unit/install.sh").mode == 0o755
    assert "lib/somewheel/__init__.py" in names
    assert "lib/somewheel/tests/test_it.py" not in names
    assert make_release("3.11", tmp_path).id != release.id


def test_two_archives_of_the_same_files_are_the_same_bytes(tmp_path):
    files = {"a/b": b"1", "a/c.sh": b"2"}
    for name in ("one.tar.gz", "two.tar.gz"):
        write_archive(tmp_path / name, dict(reversed(files.items())) if name < "p" else files)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_a_wheel_that_unpacking_does_not_install_is_refused(tmp_path, wheel):
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("somewheel-1.0.data/scripts/tool", "")
    with pytest.raises(FlashError, match=r"somewheel-1\.0\.data/scripts/tool"):
        make_release("3.13", tmp_path)


def test_a_wheel_that_arrived_damaged_is_named_with_what_to_do(tmp_path, wheel):
    for content in (wheel.read_bytes()[:60], b"", b"no archive at all"):
        wheel.write_bytes(content)
        with pytest.raises(
            FlashError, match=r"none-any\.whl is damaged .*delete .* downloaded again"
        ):
            make_release("3.13", tmp_path)


def test_a_python_without_wheels_is_named(tmp_path):
    with pytest.raises(FlashError, match=r"no release for Python 3\.9; nodes run 3\.11 or 3\.13"):
        make_release("3.9", tmp_path)


def test_wheels_that_cannot_be_had_leave_nothing_half_done(tmp_path):
    with pytest.raises(FlashError, match="aarch64 wheels cannot be downloaded"):
        download_wheels(
            "3.13", tmp_path, "", ["--no-index", "--find-links", str(tmp_path), "--isolated"]
        )
    assert list(tmp_path.iterdir()) == []
