"""Cards as Raspberry Pi OS leaves them, made here: a partition table and a FAT partition with the
files that matter.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from device.config import load_config
from device.flash import card as card_module
from device.flash.partitions import FAT32, LINUX, MIB, FatPartition, Partition, make_table
from device.flash.release import Release, program_files, write_archive
from device.flash.tools import find
from device.link_config import LinkConfig
from tests.programs import program
from tests.worlds.team_bundle import make_team_bundle, random_images

ROOT = Path(__file__).parents[3]
BUNDLE = ROOT / "models/cifar10"

FIRMWARE = {"config.txt": "arm_64bit=1\n[all]\n", "kernel8.img": "kernel"}
CMDLINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 "
    "fsck.repair=yes rootwait quiet"
)
STOCK_USER_DATA = "#cloud-config\n# Everything here is an example.\n#hostname: raspberrypi\n"


def issue(date: str) -> str:
    return (
        f"Raspberry Pi reference {date}\nGenerated using pi-gen, "
        "https://github.com/RPi-Distro/pi-gen, 0d0b01d\n"
    )


TRIXIE = FIRMWARE | {
    "issue.txt": issue("2025-12-04"),
    "cmdline.txt": CMDLINE + " resize\n",
    "user-data": STOCK_USER_DATA,
    "meta-data": "instance_id: rpios-image\n",
    "network-config": "# network:\n#   version: 2\n",
}
BOOKWORM = FIRMWARE | {
    "issue.txt": issue("2025-05-13"),
    "cmdline.txt": CMDLINE + " init=/usr/lib/raspberrypi-sys-mods/firstboot\n",
}
OUR_IMAGE = FIRMWARE | {
    "cmdline.txt": "root=LABEL=latentlink ro\n",
    "latentlink/image.json": '{"suite": "bookworm", "python": "3.11", "release": "0123456789ab"}',
}
RN2483 = 'profile = "rn2483-sf9"\nregion = "eu868"\nfrequency_hz = 869525000\n'


def link(tmp_path: Path, lines: str, port: str = "/dev/ttyUSB0") -> LinkConfig:
    path = tmp_path / "node.toml"
    path.write_text(
        'node = 1\nbundle = "b"\nkey_dir = "k"\n[source]\nkind = "v4l2"\n[link]\nport = '
        f'"{port}"\n{lines}'
    )
    return load_config(path).link


@pytest.fixture
def make_card(tmp_path):
    """Makes an image file with a boot partition that holds these files."""
    for name in ("mcopy", "mdir", "mdel", "mmd", "mkfs.vfat"):
        program(name)

    def make(files: dict[str, str], name: str = "card.img", boot_bytes: int = 40 * MIB) -> Path:
        disk, fat = tmp_path / name, tmp_path / "boot.fat"
        parts = [Partition(FAT32, 4 * MIB, boot_bytes), Partition(LINUX, 4 * MIB + boot_bytes, MIB)]
        with fat.open("wb") as file:
            file.truncate(boot_bytes)
        subprocess.run(
            [find("mkfs.vfat"), "-F", "32", "-s", "1", fat], check=True, capture_output=True
        )
        with disk.open("wb") as file:
            file.truncate(parts[-1].start_bytes + parts[-1].size_bytes)
            file.write(make_table(parts, disk_id=1))
            file.seek(parts[0].start_bytes)
            file.write(fat.read_bytes())
        boot = FatPartition(disk)
        for path, content in files.items():
            boot.write(path, content.encode())
        return disk

    return make


@pytest.fixture
def boot_folder(tmp_path):
    """Makes a folder like a mounted boot partition."""

    def make(files: dict[str, str]) -> Path:
        for path, content in files.items():
            (tmp_path / "bootfs" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "bootfs" / path).write_text(content)
        return tmp_path / "bootfs"

    return make


@pytest.fixture
def node_toml(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(
        f'node = 1\nbundle = "{BUNDLE}"\nkey_dir = "keys"  # made by '
        'flashing\n[source]\nkind = "v4l2"\n'
        'interval_s = 10\n[link]\nport = "/dev/ttyAMA0"\nprofile = "serial-9600"\n'
    )
    return path


@pytest.fixture(scope="session")
def team_bundle(tmp_path_factory):
    """A bundle whose encoder is cut into three groups."""
    return make_team_bundle(tmp_path_factory.mktemp("team") / "bundle")


@pytest.fixture
def team_toml(tmp_path, team_bundle):
    """node.toml of a team, as a person writes it for all members."""
    np.savez(tmp_path / "replay.npz", images=random_images(12))
    path = tmp_path / "team.toml"
    path.write_text(
        f'node = 40\nbundle = "{team_bundle.path}"\nkey_dir = "keys"\n[source]\nkind = "replay"\n'
        'path = "replay.npz"\nloop = true\n[link]\nport = "/dev/ttyAMA0"\n'
        'profile = "serial-9600"\n'
    )
    return path


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A release with little in it; nothing is downloaded."""
    archive = tmp_path / "release.tar.gz"
    programs = {
        name: content
        for name, content in program_files(ROOT).items()
        if name.startswith("device/unit/")
    }
    write_archive(
        archive, programs | {"RELEASE": b"{}\n", "lib/somewheel.py": b"", "link/__init__.py": b""}
    )

    def make(python: str, *_: object) -> Release:
        return Release("fedcba987654", python, {"somewheel-1.0-py3-none-any.whl": "00"}, archive)

    monkeypatch.setattr(card_module, "make_release", make)
    return make("3.11")
