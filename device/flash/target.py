"""Target: what `card` writes to, and what it refuses to touch.

An image file and a device are reached by mtools at their FAT partition, a mounted boot partition as
a folder. A device is taken only when it is a whole removable disk, USB or card, of which nothing is
mounted or otherwise in use, an image file only when no loop device leads to it. While it is written
it is claimed: nobody else, an automounter say, may mount it or write to it.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from device.flash.partitions import MIB, FatPartition, sync_file
from device.flash.tools import FlashError

PACKED = (".xz", ".gz", ".zst", ".zip", ".bz2")
LARGEST_CARD_BYTES = 512 << 30
OWN_BOOT = (Path("/boot"), Path("/boot/firmware"))


class BootPartition(Protocol):
    """Files of a boot partition, by their path in it."""

    def names(self, folder: str = "") -> list[str]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, content: bytes) -> None: ...
    def sync(self) -> None: ...
    def free_bytes(self) -> int: ...


class BootFolder:
    """A boot partition that is mounted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, folder: str = "") -> list[str]:
        return sorted(path.name for path in (self._path / folder).iterdir())

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def sync(self) -> None:
        for path in self._path.rglob("*"):
            if path.is_file():
                sync_file(path)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._path).free

    def __str__(self) -> str:
        return f"the boot folder {self._path}"


@dataclass(frozen=True)
class Disk:
    """A device as the kernel describes it."""

    name: str
    model: str
    size_bytes: int
    is_removable: bool
    in_use: tuple[str, ...]
    "Where it is mounted, or what else holds it."

    def __str__(self) -> str:
        return f"/dev/{self.name}: {self.model}, {self.size_bytes / 1e9:.1f} GB"


@dataclass(frozen=True)
class System:
    """Where the kernel describes disks; a test has its own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")


def describe(path: Path) -> str:
    """What the person confirms."""
    if path.is_dir():
        return f"{path}: a mounted boot partition"
    if _is_device(path):
        return str(read_disk(path.resolve().name))
    return f"{path}: an image file, {path.stat().st_size / 1e6:.0f} MB"


def open_target(path: Path, system: System = System()) -> BootPartition:
    """The boot partition of a target; FlashError when it must not or cannot be written."""
    if path.is_dir():
        if path.resolve() in OWN_BOOT:
            raise FlashError(
                f"{path} is the boot partition of this computer; name the folder of the card's"
            )
        if not {"config.txt", "cmdline.txt"} <= set(BootFolder(path).names()):
            raise FlashError(
                f"{path} is no Raspberry Pi boot partition: config.txt and cmdline.txt are not "
                "there"
            )
        return BootFolder(path)
    check_file(path, system)
    return FatPartition(path)


def check_file(path: Path, system: System = System()) -> None:
    """Raise FlashError unless `path` is an image file or a device that may be written."""
    if not path.exists():
        raise FlashError(
            f"{path} does not exist; name a device such as /dev/sdX, an image file or a boot folder"
        )
    if path.suffix in PACKED:
        raise FlashError(f"{path} is packed; unpack it first, then name the .img file")
    if _is_device(path):
        check_disk(read_disk(path.resolve().name, system))
    elif not path.is_file():
        raise FlashError(f"{path} is no disk and no image file")
    elif loops := _loops(path, system):
        raise FlashError(
            f"{path} is in use by {', '.join(loops)}, so what is on it may be mounted; unmount it "
            f"and let it go: losetup -d {loops[0]}"
        )


@contextmanager
def claimed(path: Path, system: System = System()) -> Iterator[None]:
    """Check the target and keep it to ourselves: no mount, RAID or other flashing."""
    is_device = _is_device(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (os.O_EXCL if is_device else 0))
    except PermissionError:
        raise FlashError(
            f"{path} may be written by root only: sudo make flash …, or join its group"
        ) from None
    except OSError as error:
        raise FlashError(
            f"{path} cannot be had alone ({error.strerror}); unmount it, or end what uses it"
        ) from None
    try:
        if not is_device:
            _lock(descriptor, path)
        if not path.is_dir():
            check_file(path, system)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FlashError(
            f"another flashing writes to {path} just now; wait until it has ended"
        ) from None


def _loops(path: Path, system: System) -> list[str]:
    """The loop devices that lead to an image file, by whatever name they know it."""
    found = []
    for backing in sorted((system.sys / "block").glob("loop*/loop/backing_file")):
        with suppress(OSError):
            if os.path.samefile(backing.read_text().removesuffix("\n"), path):
                found.append(f"/dev/{backing.parts[-3]}")
    return found


def read_disk(name: str, system: System = System()) -> Disk:
    """A disk from sysfs; a partition is refused by name."""
    folder = system.sys / "class/block" / name
    if not folder.exists():
        raise FlashError(f"/dev/{name} is no disk")
    if (folder / "partition").exists():
        raise FlashError(
            f"/dev/{name} is a partition; name the whole disk, /dev/{folder.resolve().parent.name}"
        )
    parts = [name, *sorted(path.parent.name for path in folder.glob("*/partition"))]
    return Disk(
        name=name,
        model=_text(folder / "device/model") or _text(folder / "device/name") or "no model named",
        size_bytes=512 * int(_text(folder / "size") or 0),
        is_removable=_text(folder / "removable") == "1"
        or name.startswith("mmcblk")
        or "/usb" in str(folder.resolve()),
        in_use=tuple(use for part in parts for use in _uses(part, system)),
    )


def check_disk(disk: Disk) -> None:
    if disk.in_use:
        raise FlashError(
            f"{disk} is in use ({', '.join(disk.in_use)}); unmount it, if it is your card at all"
        )
    if not disk.is_removable:
        raise FlashError(
            f"{disk} is neither removable nor USB nor a card, so it may be part of this computer"
        )
    if not 0 < disk.size_bytes <= LARGEST_CARD_BYTES:
        raise FlashError(
            f"{disk} has not the size of a card (up to {LARGEST_CARD_BYTES / 1e9:.0f} GB)"
        )


def _uses(part: str, system: System) -> list[str]:
    number = _text(system.sys / "class/block" / part / "dev")
    mounts = [line.split() for line in _text(system.proc / "self/mountinfo").splitlines()]
    swaps = [line.split()[0] for line in _text(system.proc / "swaps").splitlines()[1:]]
    holders = system.sys / "class/block" / part / "holders"
    held = [f"part of {path.name}" for path in holders.iterdir()] if holders.is_dir() else []
    named = [mount[4] for mount in mounts if mount[2] == number or f"/dev/{part}" in mount]
    return [*named, *(["swap"] if f"/dev/{part}" in swaps else []), *held]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _is_device(path: Path) -> bool:
    return path.exists() and stat.S_ISBLK(path.stat().st_mode)


def copy_image(image: Path, target: Path, show: Callable[[float], None]) -> None:
    """Write an image to a device or file and compare it; `show` is told the share done."""
    n_bytes = image.stat().st_size
    if _is_device(target) and read_disk(target.resolve().name).size_bytes < n_bytes:
        raise FlashError(f"{target} is smaller than {image} ({n_bytes / 1e6:.0f} MB)")
    with image.open("rb") as source, open(target, "r+b" if target.exists() else "wb") as given:
        while block := source.read(4 * MIB):
            given.write(block)
            show(0.5 * source.tell() / n_bytes)
        given.flush()
        os.fsync(given.fileno())
    sync_file(target)
    with image.open("rb") as source, target.open("rb") as written:
        while block := source.read(4 * MIB):
            if written.read(len(block)) != block:
                raise FlashError(
                    f"{target} gives back other bytes than were written near {source.tell()}: a "
                    "bad card"
                )
            show(0.5 + 0.5 * source.tell() / n_bytes)
