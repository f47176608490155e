"""The disk gets what was written, together what came while it was at work."""

import os
import threading
from contextlib import closing

from device.outbox.disk import Disk


def test_what_is_written_meanwhile_goes_together_with_the_next(tmp_path, monkeypatch):
    begun, may_end, calls = threading.Semaphore(0), threading.Semaphore(0), []

    def slow(descriptor):
        calls.append(descriptor)
        begun.release()
        may_end.acquire(timeout=10)

    monkeypatch.setattr(os, "fdatasync", slow)
    with closing(Disk(os.open(tmp_path / "log", os.O_CREAT | os.O_RDWR))) as disk:
        assert disk.wrote() == 1
        assert begun.acquire(timeout=10)
        assert [disk.wrote(), disk.wrote()] == [2, 3]
        assert disk.n_safe == 0
        may_end.release()
        disk.wait(1)
        assert begun.acquire(timeout=10)
        assert disk.n_safe == 1
        may_end.release()
        disk.wait(3)
        assert (disk.n_safe, len(calls)) == (3, 2)
