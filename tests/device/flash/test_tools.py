"""Programs that flashing calls: each is found, ended in time, and its failure told in its own
words.
"""

import sys
import time

import pytest

from device.flash import tools
from device.flash.tools import FlashError, find, last_words, require, run, run_within


@pytest.fixture
def only(tmp_path, monkeypatch):
    """No program but those that are put into this folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "SYSTEM_PATH", str(tmp_path / "sbin"))
    (tmp_path / "sbin").mkdir()
    return tmp_path


def make(path):
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_a_program_is_found_also_where_a_users_path_does_not_lead(only):
    make(only / "sbin/mke2fs")
    assert find("mke2fs") == str(only / "sbin/mke2fs")


def test_a_missing_program_is_named_with_the_package_that_has_it(only):
    with pytest.raises(FlashError, match="depmod is missing; install it: apt install kmod"):
        find("depmod")


def test_all_that_is_missing_stands_in_one_sentence_each_package_once(only):
    make(only / "mcopy")
    require(["mcopy"])
    with pytest.raises(FlashError, match=r"install them: apt install dosfstools mtools$"):
        require(["mdir", "mcopy", "mkfs.vfat", "mmd"])


def test_a_program_that_succeeds_gives_what_it_printed():
    script = "import sys; print(sys.stdin.read().upper(), end='')"
    assert run(sys.executable, "-c", script, input=b"words") == b"WORDS"


def test_a_program_that_fails_is_told_in_its_last_words():
    script = "import sys; print('\\n'.join('abcdef'), file=sys.stderr); sys.exit(1)"
    with pytest.raises(FlashError, match=r"… failed: c \| d \| e \| f"):
        run(sys.executable, "-c", script)


def test_a_program_that_says_nothing_is_told_to_have_said_nothing():
    assert last_words(b" \n\n") == "it said nothing"


def test_a_program_that_hangs_is_stopped_with_what_it_started():
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    begun_s = time.monotonic()
    with pytest.raises(FlashError, match="has not ended in 0 s and was stopped"):
        run_within(0.3, [sys.executable, "-c", script])
    assert time.monotonic() - begun_s < 20


def test_a_helper_that_outlives_its_program_does_not_hold_us_up():
    """Where it keeps our pipes open, as a master connection of ssh does."""
    script = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print('done')"
    )
    begun_s = time.monotonic()
    assert run_within(30, [sys.executable, "-c", script]).stdout == b"done\n"
    assert time.monotonic() - begun_s < 20


def test_what_cannot_be_started_is_named(tmp_path):
    with pytest.raises(FlashError, match=r"nothing cannot be started \(No such file"):
        run_within(1, [str(tmp_path / "nothing")])
