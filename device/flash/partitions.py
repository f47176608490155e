"""Partitions: the table of an MBR disk, and files on its FAT partition by mtools, without a mount.

A disk is an image file or a device; both are read and written at byte offsets.
"""

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device.flash.tools import FlashError, run

SECTOR_BYTES = 512
MIB = 1 << 20
FAT32, LINUX = 0x0C, 0x83
FAT_TYPES = (0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E)
GPT = 0xEE
ENTRY = struct.Struct("<B3sB3sII")
TABLE_OFFSET, SIGNATURE = 446, b"\x55\xaa"
NO_CHS = b"\xfe\xff\xff"
"Cylinders are not used: the values that say so."


@dataclass(frozen=True)
class Partition:
    """A part of a disk."""

    kind: int
    start_bytes: int
    size_bytes: int


def make_table(partitions: Sequence[Partition], disk_id: int) -> bytes:
    """The first sector of a disk; its first partition starts it."""
    entries = b"".join(
        ENTRY.pack(
            0x80 if index == 0 else 0,
            NO_CHS,
            part.kind,
            NO_CHS,
            part.start_bytes // SECTOR_BYTES,
            part.size_bytes // SECTOR_BYTES,
        )
        for index, part in enumerate(partitions)
    )
    return (bytes(440) + struct.pack("<IH", disk_id, 0) + entries).ljust(
        SECTOR_BYTES - 2, b"\0"
    ) + SIGNATURE


def read_table(disk: Path) -> list[Partition]:
    """The partitions of an MBR disk; FlashError when it has no such table."""
    with disk.open("rb") as file:
        sector = file.read(SECTOR_BYTES)
    if len(sector) < SECTOR_BYTES or sector[-2:] != SIGNATURE:
        raise FlashError(
            f"{disk} has no partition table; write Raspberry Pi OS or our image to it first"
        )
    entries = [ENTRY.unpack_from(sector, TABLE_OFFSET + index * ENTRY.size) for index in range(4)]
    if any(kind == GPT for _, _, kind, *_ in entries):
        raise FlashError(f"{disk} has a GPT partition table; a Raspberry Pi's card has an MBR one")
    return [
        Partition(kind, start * SECTOR_BYTES, size * SECTOR_BYTES)
        for _, _, kind, _, start, size in entries
        if kind
    ]


class FatPartition:
    """Files on the first FAT partition of a disk."""

    def __init__(self, disk: Path) -> None:
        fat = [part for part in read_table(disk) if part.kind in FAT_TYPES]
        if not fat:
            raise FlashError(
                f"{disk} has no FAT partition; write Raspberry Pi OS or our image to it first"
            )
        self.disk = disk
        self._image = f"{disk}@@{fat[0].start_bytes}"

    def names(self, folder: str = "") -> list[str]:
        """Names of the files and folders in a folder of it."""
        listing = run("mdir", "-b", "-i", self._image, f"::/{folder}", environment=_environment())
        return [
            Path(line.rstrip("/")).name
            for line in listing.decode().splitlines()
            if line.startswith("::/")
        ]

    def read(self, name: str) -> bytes:
        return run("mcopy", "-n", "-i", self._image, f"::/{name}", "-", environment=_environment())

    def write(self, name: str, content: bytes) -> None:
        """Replace a file; folders on the way to it are made."""
        for folder in reversed([parent for parent in Path(name).parents if parent.name]):
            if folder.name not in self.names(folder.parent.as_posix().removeprefix(".")):
                run("mmd", "-i", self._image, f"::/{folder}", environment=_environment())
        run(
            "mcopy",
            "-o",
            "-i",
            self._image,
            "-",
            f"::/{name}",
            input=content,
            environment=_environment(),
        )

    def sync(self) -> None:
        """Until all of it is on the medium; what is read back then comes from there."""
        sync_file(self.disk)

    def free_bytes(self) -> int:
        listing = run("mdir", "-i", self._image, "::/", environment=_environment()).decode(
            errors="replace"
        )
        found = re.search(r"([\d ]+) bytes free", listing)
        if not found:
            raise FlashError(
                f"{self} does not say how much of it is free; write the card's system anew"
            )
        return int(found[1].replace(" ", ""))

    def __str__(self) -> str:
        return f"the FAT partition of {self.disk}"


def sync_file(path: Path) -> None:
    """Write out what the kernel keeps of a file or device, and forget it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _environment() -> dict[str, str]:
    return os.environ | {"MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": os.devnull}
