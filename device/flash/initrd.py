"""initrd: busybox, the modules that lead to the root partition, and a script that mounts it.

One initrd serves the Pi 3, 4 and Zero 2 W and QEMU's `virt` and `raspi3b`. Debian's own would have
to be made by arm64 code. The format is cpio's `newc`: 110 hexadecimal characters of header, a name,
a content, each padded to four bytes.
"""

import gzip
import lzma
from collections.abc import Iterable
from pathlib import Path

from device.flash.release import EPOCH_S

MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_mmio",
    "ext4",
    "crc32c_generic",
    "fixed",
    "gpio-regulator",
    "bcm2835",
    "sdhci-iproc",
    "i2c-bcm2835",
    "reset-raspberrypi",
    "raspberrypi-cpufreq",
    "gpio-raspberrypi-exp",
    "dwc2",
)
INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules/order); do $b insmod /modules/$module; done
for word in $($b cat /proc/cmdline); do case $word in root=*) root=${word#root=} ;; esac; done
tries=0
until disk=$($b findfs $root 2>/dev/null) || [ $tries -ge 120 ]; do
  tries=$((tries + 1)); $b sleep 0.25
done
$b mount -t ext4 -o ro,noatime "$disk" /mnt || {
  echo "initrd: $root cannot be mounted" >/dev/console; exec $b sh
}
$b umount /sys
$b umount /proc
$b mount --move /dev /mnt/dev
exec $b switch_root /mnt /sbin/init
"""
FOLDER, PROGRAM, FILE = 0o040755, 0o100755, 0o100644


def make_initrd(root: Path, version: str) -> bytes:
    """For the kernel `version` in the tree `root`; the same bytes each time."""
    modules = [
        (path.name.removesuffix(".xz"), _unpacked(path))
        for path in _with_dependencies(root, version, MODULES)
    ]
    order = "".join(f"{name}\n" for name, _ in modules).encode()
    entries = [(folder, FOLDER, b"") for folder in ("bin", "dev", "mnt", "modules", "proc", "sys")]
    entries += [
        ("bin/busybox", PROGRAM, (root / "usr/bin/busybox").read_bytes()),
        ("init", PROGRAM, INIT.encode()),
    ]
    entries += [
        (f"modules/{name}", FILE, content) for name, content in [("order", order), *modules]
    ]
    return gzip.compress(
        b"".join(map(_cpio, range(1, len(entries) + 1), *zip(*entries, strict=True))) + _cpio_end(),
        mtime=0,
    )


def _with_dependencies(root: Path, version: str, names: Iterable[str]) -> list[Path]:
    """Files of the modules in the order of loading; what the kernel has built in has none."""
    folder = root / "usr/lib/modules" / version
    lines = (folder / "modules.dep").read_text().splitlines()
    needs = {path: others.split() for path, others in (line.split(":") for line in lines)}
    path_of = {_module_name(path): path for path in needs}
    order: dict[str, None] = {}
    for name in names:
        if path := path_of.get(_module_name(name)):
            order |= dict.fromkeys([*reversed(needs[path]), path])
    return [folder / path for path in order]


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    """busybox cannot load what xz has packed."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _cpio(inode: int, name: str, mode: int, content: bytes) -> bytes:
    n_links, zero = 1, 0
    fields = (
        inode,
        mode,
        zero,
        zero,
        n_links,
        EPOCH_S,
        len(content),
        zero,
        zero,
        zero,
        zero,
        len(name) + 1,
        zero,
    )
    header = (
        b"070701" + "".join(f"{field:08x}" for field in fields).encode() + name.encode() + b"\0"
    )
    return _padded(header) + _padded(content)


def _cpio_end() -> bytes:
    return _cpio(0, "TRAILER!!!", 0, b"")


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
