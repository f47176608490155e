"""State folder: outboxes, airtime and a bundle's trial, for one node at a time."""

import os
from contextlib import suppress
from pathlib import Path

from device.config import NodeConfig
from link.base import FolderLock, HeldError


class StateError(ValueError):
    """state_dir cannot be used; the message says why and what to do."""


class StateHeldError(StateError):
    """Another node uses it."""


class StateDir:
    """A node's state folder, made if need be; a context that keeps other nodes out."""

    def __init__(self, config: NodeConfig) -> None:
        """The node's key_dir is locked already (link.security.keys), and may be the same folder."""
        self._lock: FolderLock | None = None
        folder = config.state_dir
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(None, "this user may not write there")
            if not folder.samefile(config.key_dir):
                self._lock = FolderLock(folder)
        except HeldError:
            raise StateHeldError(
                f"another node uses the state_dir {folder}; end it, or give each node a state_dir "
                "of its own"
            ) from None
        except FileExistsError:
            raise StateError(f"state_dir {folder} is a file; give the path of a folder") from None
        except OSError as error:
            raise StateError(
                f"state_dir {folder} cannot be used ({error.strerror}); give a folder that the "
                "node may write into"
            ) from None

    def __enter__(self) -> "StateDir":
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()


def is_usable(folder: Path) -> bool:
    """Whether there is such a folder that this user may write into."""
    with suppress(OSError):
        return folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    return False
