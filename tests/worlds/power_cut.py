"""Power cut: what a disk may hold after one, given which files were synchronised when.

A disk keeps what was synchronised. Of everything written since, it may hold any part: here each
sector is there or not by the toss of a coin, and so is each new name, old name and length.
"""

import os
from pathlib import Path
from random import Random

from tests.worlds.tracing import Call

SECTOR_BYTES = 512
NAMING = {"creat", "openat", "rename", "renameat", "renameat2", "unlink", "unlinkat"}
SYNCHRONISING = {"fsync", "fdatasync"}


class Disk:
    """Follows the calls of one process that change the files of one folder."""

    def __init__(self, folder: Path, pid: int) -> None:
        """What is in the folder now counts as synchronised."""
        self._folder = folder
        self._pid = pid
        self._files: dict[int, int] = {}
        "Inode to a descriptor, which keeps the inode's number from being given to another file."
        self._synchronised: dict[int, bytes] = {}
        self._being_synchronised: dict[int, bytes] = {}
        self._names = self._listing()
        self._kept_names = dict(self._names)
        for inode in self._names.values():
            self._synchronised[inode] = self._content(inode)

    def saw(self, call: Call) -> None:
        """A call that begins or is over. What another thread writes while a file is synchronised
        may not be on the disk.
        """
        if call.name in SYNCHRONISING:
            inode = os.stat(f"/proc/{self._pid}/fd/{call.descriptor}").st_ino
            if call.is_over:
                if inode in self._being_synchronised:
                    self._synchronised[inode] = self._being_synchronised.pop(inode)
                elif inode == self._folder.stat().st_ino:
                    self._kept_names = dict(self._names)
            elif inode in self._files:
                self._being_synchronised[inode] = self._content(inode)
        elif call.name in NAMING and call.is_over:
            self._names = self._listing()

    def after_power_cut(self, folder: Path, draw: Random) -> None:
        """Write into an empty folder what the disk may hold if the power is cut now."""
        for name in sorted(self._names.keys() | self._kept_names.keys()):
            inode = draw.choice([self._names.get(name), self._kept_names.get(name)])
            if inode is not None:
                (folder / name).write_bytes(
                    torn(self._synchronised.get(inode, b""), self._content(inode), draw)
                )

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)

    def _listing(self) -> dict[str, int]:
        names = {}
        for path in self._folder.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            names[path.name] = inode = os.fstat(descriptor).st_ino
            if self._files.setdefault(inode, descriptor) != descriptor:
                os.close(descriptor)
        return names

    def _content(self, inode: int) -> bytes:
        descriptor = self._files[inode]
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def torn(old: bytes, new: bytes, draw: Random) -> bytes:
    """Each sector with the old or the new content, of the length too; a sector that was never
    written is zero.
    """
    n_bytes = len(draw.choice([old, new]))
    old, new = (content.ljust(n_bytes, b"\0")[:n_bytes] for content in (old, new))
    starts = range(0, n_bytes, SECTOR_BYTES)
    return b"".join(draw.choice([old, new])[start : start + SECTOR_BYTES] for start in starts)
