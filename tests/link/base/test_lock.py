"""A folder that one process at a time may use."""

import subprocess
import sys

import pytest

from link.base.lock import FolderLock, HeldError

HOLDER = """
import sys
from link.base.lock import FolderLock
lock = FolderLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_is_another_processs_until_that_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HeldError, match=f"another process has {tmp_path}"):
            FolderLock(tmp_path)
        holder.kill()
    FolderLock(tmp_path).close()


def test_a_lock_that_was_closed_holds_nothing(tmp_path):
    with FolderLock(tmp_path) as lock:
        assert lock.is_held
    assert not lock.is_held
    FolderLock(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_folder_cannot_be_held(tmp_path):
    with pytest.raises(FileNotFoundError):
        FolderLock(tmp_path / "nowhere")
