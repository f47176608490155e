"""Image: a boot and a root partition in one file, with no loop device, mount or foreign code; the
same bytes each time.

    0      partition table
    4 MiB  FAT32  Pi firmware, device trees, kernel8.img, initramfs8, config.txt, cmdline.txt,
           latentlink/image.json
           ext4   Debian and the release

Debian's kernel lacks the RP1 of the Pi 5: this image is for the Pi 3, 4 and Zero 2 W. It knows no
camera on the ribbon cable (those need Raspberry Pi OS) and holds no key: `card` gives each copy of
it its own.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from device.flash.initrd import make_initrd
from device.flash.partitions import FAT32, LINUX, MIB, Partition, make_table
from device.flash.release import EPOCH_S, Release
from device.flash.rootfs import (
    BOOT_LABEL,
    PACKAGE_LIST,
    ROOT_LABEL,
    Debian,
    fetch,
    kernel_version,
    make_root,
)
from device.flash.tools import FlashError, find, require, run
from link.base import durable

TOOLS = ("mmdebstrap", "depmod", "mkfs.vfat", "mke2fs", "debugfs", "mcopy", "fdtput")
START_BYTES, BOOT_BYTES, ROOT_BYTES = 4 * MIB, 252 * MIB, 768 * MIB
"1 GiB in all: QEMU's emulated card has to be a power of two."
DISK_ID, FAT_ID = 0x4C4C0001, "4C4C0002"
ROOT_UUID = "4c4c0003-0000-4000-8000-000000000000"
IMAGE_ABOUT = "latentlink/image.json"
CONFIG = """arm_64bit=1
enable_uart=1
kernel=kernel8.img
initramfs initramfs8 followkernel
upstream_kernel=1
"""
CMDLINE = f"console=tty1 root=LABEL={ROOT_LABEL} ro rootwait fsck.repair=yes quiet\n"
BLUETOOTH = "/soc/serial@7e201000/bluetooth"
"""Owns the good UART of the Pi 3, 4 and Zero 2 W in the mainline device trees; Debian has no
overlay that frees it.
"""
TIMES = ("atime", "ctime", "mtime", "crtime")


def make_image(debian: Debian, release: Release, work: Path, image: Path) -> None:
    """Write the image; FlashError says what is missing."""
    require(TOOLS if os.geteuid() == 0 else (*TOOLS, "fakeroot"))
    if release.python != debian.python:
        raise FlashError(
            f"Debian {debian.suite} has Python {debian.python}, the release is for {release.python}"
        )
    folder = work / "image.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root, boot = folder / "root", folder / "boot"
    make_root(fetch(debian, work), release, root)
    _fill_boot(boot, root, debian, release)
    with durable.whole(image) as unfinished:
        with unfinished.open("wb") as file:
            file.truncate(START_BYTES + BOOT_BYTES + ROOT_BYTES)
            parts = [
                Partition(FAT32, START_BYTES, BOOT_BYTES),
                Partition(LINUX, START_BYTES + BOOT_BYTES, ROOT_BYTES),
            ]
            file.write(make_table(parts, DISK_ID))
        _copy_sparsely(_make_fat(boot, folder / "boot.fat"), unfinished, parts[0].start_bytes)
        _copy_sparsely(_make_ext4(root, folder / "root.ext4"), unfinished, parts[1].start_bytes)
    shutil.rmtree(folder)


def as_root(arguments: Sequence[str]) -> int | None:
    """Run this command again under fakeroot, which files' owners need; None: it is not needed."""
    if os.geteuid() == 0:
        return None
    return subprocess.run(
        [find("fakeroot"), "--", sys.executable, "-m", "device.flash", *arguments]
    ).returncode


def _fill_boot(boot: Path, root: Path, debian: Debian, release: Release) -> None:
    boot.mkdir()
    version = kernel_version(root)
    firmware = root / "usr/lib/raspi-firmware"
    [kernel] = (root / "boot").glob("vmlinuz-*")
    sources = [
        firmware / "bootcode.bin",
        *firmware.glob("start*.elf"),
        *firmware.glob("fixup*.dat"),
    ]
    sources += (root / f"usr/lib/linux-image-{version}/broadcom").glob("bcm2*-rpi-*.dtb")
    for source in sources:
        shutil.copyfile(source, boot / source.name)
    for tree in boot.glob("*.dtb"):
        if _has_node(tree, BLUETOOTH):
            run("fdtput", "-r", tree, BLUETOOTH)
    shutil.copyfile(kernel, boot / "kernel8.img")
    (boot / "initramfs8").write_bytes(make_initrd(root, version))
    (boot / "config.txt").write_text(CONFIG)
    (boot / "cmdline.txt").write_text(CMDLINE)
    (boot / IMAGE_ABOUT).parent.mkdir()
    about = {
        "suite": debian.suite,
        "python": debian.python,
        "release": release.id,
        "made_by_python": platform.python_version(),
        "packages": json.loads((root / PACKAGE_LIST).read_text()),
    }
    (boot / IMAGE_ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def _has_node(tree: Path, node: str) -> bool:
    return subprocess.run([find("fdtget"), "-l", tree, node], capture_output=True).returncode == 0


def _make_fat(folder: Path, image: Path) -> Path:
    _truncate(image, BOOT_BYTES)
    run("mkfs.vfat", "--invariant", "-F", "32", "-n", BOOT_LABEL, "-i", FAT_ID, image)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (EPOCH_S, EPOCH_S))
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": str(EPOCH_S),
        "TZ": "UTC",
        "MTOOLSRC": os.devnull,
    }
    run("mcopy", "-s", "-m", "-i", image, *sorted(folder.iterdir()), "::", environment=environment)
    return image


def _make_ext4(root: Path, image: Path) -> Path:
    """mke2fs takes over when each file was changed on the host; debugfs sets every such time to the
    epoch.
    """
    environment = os.environ | {"E2FSPROGS_FAKE_TIME": str(EPOCH_S)}
    _truncate(image, ROOT_BYTES)
    identity = [
        "-L",
        ROOT_LABEL,
        "-U",
        ROOT_UUID,
        "-E",
        f"hash_seed={ROOT_UUID},lazy_itable_init=0",
    ]
    run(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-m",
        "1",
        *identity,
        "-d",
        root,
        image,
        environment=environment,
    )
    state = run("debugfs", "-R", "stats -h", image).decode()
    counts = dict(
        line.split(":", 1)
        for line in state.splitlines()
        if line.startswith(("Inode count", "Free inodes"))
    )
    n_used = int(counts["Inode count"]) - int(counts["Free inodes"])
    script = "".join(
        f"sif <{inode}> {time} @{EPOCH_S}\n" for inode in range(1, n_used + 1) for time in TIMES
    )
    run("debugfs", "-w", "-f", "-", image, input=script.encode(), environment=environment)
    return image


def _truncate(path: Path, n_bytes: int) -> None:
    with path.open("wb") as file:
        file.truncate(n_bytes)


def _copy_sparsely(source: Path, target: Path, offset: int) -> None:
    with source.open("rb") as taken, target.open("r+b") as given:
        while block := taken.read(MIB):
            if block.strip(b"\0"):
                given.seek(offset + taken.tell() - len(block))
                given.write(block)
