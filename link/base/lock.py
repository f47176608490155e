"""Lock: a folder or a file that one process at a time may use. It is let go when the process ends,
however it ends.
"""

import fcntl
import os
from pathlib import Path
from weakref import WeakValueDictionary


class HeldError(OSError):
    """Another process has the folder."""


class FolderLock:
    """Held from its making to `close`; the folder itself is locked: nothing is left in it."""

    def __init__(self, folder: Path | str) -> None:
        """Raises HeldError when another process has it, OSError when there is no such folder or it
        cannot be locked.
        """
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise HeldError(f"another process has {folder}") from None
        except OSError:
            self.close()
            raise

    @property
    def is_held(self) -> bool:
        return self._descriptor >= 0

    def close(self) -> None:
        if self.is_held:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileLock:
    """On a file that is replaced when it is written, so a file beside it is locked. Held while
    anybody holds this.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(
            path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600
        )
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldError(f"another process has {path}") from None

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


_held: WeakValueDictionary[Path, FileLock] = WeakValueDictionary()


def hold_file(path: Path | str) -> FileLock:
    """This process alone uses the file while it keeps what this gives; it may ask again.

    Raises HeldError when another process has it, OSError when there is no such folder or it cannot
    be locked.
    """
    path = Path(path).resolve()
    lock = _held.get(path) or FileLock(path)
    _held[path] = lock
    return lock
