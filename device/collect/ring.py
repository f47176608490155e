"""Ring: a folder of kept pictures that never takes more bytes than it may; the oldest make room.

Nothing waits for the disk: a power cut costs the pictures of some seconds, and those that it tears
are known by their checksums (link.album). Names tell the order, so that nothing else has to be
stored.
"""

import os
from collections import deque
from contextlib import suppress
from pathlib import Path

from link.album import Kept, file_name, is_file_name, sequence_of, to_bytes

MIN_FREE_BYTES = 50_000_000
"What is left on the disk for what waits to be sent."
UNFINISHED = ".part"
SECRET, PRIVATE = 0o600, 0o700


class NoRoomError(OSError):
    """The disk is nearly full; the message says so."""


class Ring:
    """The one writer of a folder; somebody else may take files out of it."""

    def __init__(self, folder: Path, max_bytes: int, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        """Makes the folder, and goes on where an earlier start stopped. OSError."""
        self._folder, self._max_bytes, self._min_free = folder, max_bytes, min_free_bytes
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder.chmod(PRIVATE)
        sizes = {}
        for entry in os.scandir(folder):
            if entry.name.endswith(UNFINISHED):
                os.unlink(entry.path)
            elif is_file_name(entry.name):
                sizes[entry.name] = entry.stat().st_size
        self._files = deque(sorted(sizes.items()))
        self.n_bytes = sum(sizes.values())
        "What all of them take."
        self._next = sequence_of(self._files[-1][0]) + 1 if self._files else 1
        self._drop_to(max_bytes)

    def __len__(self) -> int:
        return len(self._files)

    def put(self, kept: Kept) -> None:
        """Keep one more, and as many of the former as there is room for. OSError, after which the
        ring is as it was but for what made room.
        """
        content = to_bytes(kept)
        if len(content) > self._max_bytes:
            raise NoRoomError(f"one picture takes {len(content)} bytes, more than max_mb")
        self._drop_to(self._max_bytes - len(content))
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < self._min_free + len(content):
            raise NoRoomError(f"less than {self._min_free / 1e6:.0f} MB are free on the disk")
        name = file_name(self._next, content, kept.ending)
        self._write(self._folder / name, content)
        self._next += 1
        self._files.append((name, len(content)))
        self.n_bytes += len(content)

    def _write(self, path: Path, content: bytes) -> None:
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(os.open(unfinished, flags, SECRET), "wb") as file:
                file.write(content)
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def _drop_to(self, n_bytes: int) -> None:
        while self.n_bytes > n_bytes:
            name, size = self._files[0]
            with suppress(FileNotFoundError):  # fetched, and taken away
                (self._folder / name).unlink()
            self._files.popleft()
            self.n_bytes -= size
