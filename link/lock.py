"""Lock: a folder that one process at a time may use. It is let go when the process ends, however that ends."""

import fcntl
import os
from pathlib import Path


class HeldError(OSError):
    """Another process has the folder."""


class FolderLock:
    """Held from its making to `close`; the folder itself is locked, so nothing is left behind in it."""

    def __init__(self, folder: Path | str) -> None:
        """Raises HeldError when another process has it, OSError when there is no such folder or it cannot be locked."""
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
