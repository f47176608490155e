"""Disk: what was written to a file reaches the disk in a thread of its own, so that the node works
on meanwhile; what is written while the disk is at it goes together with the next.
"""

import os
from threading import Condition, Thread


class Disk:
    """Synchronises one open file. Writings are numbered from 1 in their order."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is closed with this."""
        self._descriptor = descriptor
        self._changed = Condition()
        self._n_written = 0
        self._n_safe = 0
        self._is_closed = False
        self._error: OSError | None = None
        self._thread: Thread | None = None

    def wrote(self) -> int:
        """The file was written to just now: the number of that, and it is on its way."""
        with self._changed:
            self._n_written += 1
            if self._thread is None:
                self._thread = Thread(target=self._run, name="outbox to disk", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return self._n_written

    @property
    def n_safe(self) -> int:
        """All writings up to this one are on the disk. Raises OSError where that failed."""
        if self._error is not None:
            raise self._error
        return self._n_safe

    def wait(self, number: int) -> None:
        """Until that writing is on the disk. Raises OSError where that failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._n_safe >= number or self._error is not None)
        if self._n_safe < number and self._error is not None:
            raise self._error

    def close(self) -> None:
        """What is on its way gets there first."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        os.close(self._descriptor)

    def _run(self) -> None:
        while self._error is None:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._n_safe < self._n_written)
                if self._n_safe == self._n_written:
                    return
                number = self._n_written
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                self._error = error
            with self._changed:
                self._n_safe = self._n_safe if self._error else number
                self._changed.notify_all()
