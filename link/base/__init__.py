"""This machine: its files, its memory, its time."""

from link.base.clock import boot_id, boot_s
from link.base.durable import (
    StagedFile,
    make_folder,
    read_small,
    read_state,
    set_aside,
    sudo_caller,
    write_durably,
    write_state,
)
from link.base.lock import FolderLock, HeldError
from link.base.memory import free_bytes
from link.base.pause import Pause
from link.base.recent import Recent

__all__ = [
    "FolderLock",
    "HeldError",
    "Pause",
    "Recent",
    "StagedFile",
    "boot_id",
    "boot_s",
    "free_bytes",
    "make_folder",
    "read_small",
    "read_state",
    "set_aside",
    "sudo_caller",
    "write_durably",
    "write_state",
]
