import os
import re
import subprocess
from pathlib import Path

import pytest

from device.flash.target import (
    Disk,
    System,
    check_disk,
    check_file,
    claimed,
    copy_image,
    open_target,
    read_disk,
)
from device.flash.tools import FlashError
from tests.device.flash.conftest import TRIXIE
from tests.programs import program


@pytest.fixture
def system(tmp_path):
    """A kernel's view of two disks: sda, removable, and nvme0n1 with a mounted partition."""
    blocks = tmp_path / "sys/class/block"
    for name, number, files in [
        ("sda", "8:0", {"size": "62333952", "removable": "1", "device/model": "Card Reader"}),
        ("sda/sda1", "8:1", {"partition": "1"}),
        ("nvme0n1", "259:0", {"size": "1000215216", "removable": "0", "device/model": "Inside"}),
        ("nvme0n1/nvme0n1p2", "259:2", {"partition": "2"}),
    ]:
        for file, content in {"dev": number, **files}.items():
            (blocks / name / file).parent.mkdir(parents=True, exist_ok=True)
            (blocks / name / file).write_text(content + "\n")
    for partition in ("sda/sda1", "nvme0n1/nvme0n1p2"):
        (blocks / partition.split("/")[1]).symlink_to(partition)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("22 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n")
    (tmp_path / "proc/swaps").write_text("Filename Type Size Used Priority\n")
    return System(tmp_path / "sys", tmp_path / "proc")


def test_a_removable_disk_is_named_with_model_and_size(system):
    disk = read_disk("sda", system)
    check_disk(disk)
    assert str(disk) == "/dev/sda: Card Reader, 31.9 GB"


def test_the_disk_of_the_system_is_refused(system):
    with pytest.raises(FlashError, match=re.escape("/dev/nvme0n1: Inside, 512.1 GB is in use (/)")):
        check_disk(read_disk("nvme0n1", system))


def test_a_mounted_card_is_refused(system):
    mounts = system.proc / "self/mountinfo"
    mounts.write_text(mounts.read_text() + "30 22 8:1 / /media/bootfs rw - vfat /dev/sda1 rw\n")
    with pytest.raises(FlashError, match=re.escape("in use (/media/bootfs); unmount it")):
        check_disk(read_disk("sda", system))


def test_swap_and_raid_are_uses_too(system):
    (system.proc / "swaps").write_text(
        "Filename Type Size Used Priority\n/dev/sda1 partition 1 0 -2\n"
    )
    (system.sys / "class/block/sda1/holders/md0").mkdir(parents=True)
    assert read_disk("sda", system).in_use == ("swap", "part of md0")


def test_a_partition_is_refused_and_the_disk_named(system):
    with pytest.raises(FlashError, match="name the whole disk, /dev/sda"):
        read_disk("sda1", system)


@pytest.mark.parametrize(
    ("disk", "reason"),
    [
        (Disk("sdb", "Backup", 10**12, is_removable=True, in_use=()), "not the size of a card"),
        (Disk("sdb", "Empty", 0, is_removable=True, in_use=()), "not the size of a card"),
        (
            Disk("sdb", "Inside", 10**10, is_removable=False, in_use=()),
            "may be part of this computer",
        ),
    ],
)
def test_what_may_be_no_card_is_refused(disk, reason):
    with pytest.raises(FlashError, match=reason):
        check_disk(disk)


def test_other_targets_are_refused_by_name(tmp_path):
    (tmp_path / "raspios.img.xz").touch()
    for name, reason in {
        "raspios.img.xz": "packed",
        "nothing": "does not exist",
        ".": "no Raspberry Pi boot",
    }.items():
        with pytest.raises(FlashError, match=reason):
            open_target(tmp_path / name)


def test_the_boot_partition_of_this_computer_is_refused():
    if not Path("/boot").is_dir():
        pytest.skip("this machine has no /boot")
    with pytest.raises(FlashError, match="/boot is the boot partition of this computer"):
        open_target(Path("/boot"))


def test_an_image_that_a_loop_device_leads_to_is_refused_under_each_of_its_names(system, tmp_path):
    image = tmp_path / "card.img"
    image.touch()
    (tmp_path / "link.img").symlink_to(image)
    (tmp_path / "other.img").hardlink_to(image)
    backing = system.sys / "block/loop7/loop/backing_file"
    backing.parent.mkdir(parents=True)
    backing.write_text(f"{image}\n")
    for name in ("card.img", "link.img", "other.img"):
        with pytest.raises(
            FlashError, match=r"is in use by /dev/loop7, so .* mounted; .*: losetup -d /dev/loop7"
        ):
            check_file(tmp_path / name, system)
    backing.write_text("/another.img\n")
    check_file(image, system)


@pytest.fixture
def loop_device(tmp_path):
    """A loop device on an image with a file system; only root can have one."""
    losetup, image = program("losetup"), tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run([program("mke2fs"), "-q", "-F", image], check=True)
    made = subprocess.run([losetup, "--find", "--show", image], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"this account can have no loop device: {made.stderr.strip()}")
    device = Path(made.stdout.strip())
    yield device, image
    subprocess.run([losetup, "--detach", device], check=True)


def test_a_real_loop_device_holds_its_image(loop_device):
    device, image = loop_device
    with pytest.raises(FlashError, match=f"in use by {device}"):
        check_file(image)


def test_a_device_is_had_alone_or_not_at_all(loop_device):
    """What a mount, a RAID or an automounter holds cannot be claimed; what is claimed they cannot
    take.
    """
    device, _ = loop_device
    descriptor = os.open(device, os.O_RDONLY | os.O_EXCL)  # as a mount claims it
    try:
        with (
            pytest.raises(FlashError, match=r"cannot be had alone \(Device or resource busy\)"),
            claimed(device),
        ):
            pass
    finally:
        os.close(descriptor)
    with pytest.raises(FlashError, match="may be part of this computer"), claimed(device):
        pass  # a loop device is no card


def test_an_image_is_copied_and_compared(make_card, tmp_path):
    source = make_card(TRIXIE)
    shares: list[float] = []
    copy_image(source, tmp_path / "target.img", shares.append)
    assert (tmp_path / "target.img").read_bytes() == source.read_bytes()
    assert shares[-1] == 1.0
