"""Boot an image in QEMU: kernel, initrd and device tree come out of the image, so it starts what a
card would.

The guest's second serial port is joined to a terminal of the host: one end of `python -m link
emulate`, say, at whose other end a host decoder listens. `virt` is the quick machine (its port is
/dev/ttyS0); `raspi3b` takes the device tree too and drives the port that the node's pins would
(/dev/ttyAMA0).
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from device.flash.partitions import FatPartition
from device.flash.tools import FlashError, find

PI3_TREE = "bcm2837-rpi-3-b.dtb"
PI3_ABSENT = "vc4,v3d,bcm2835_v4l2,snd_bcm2835,bcm2835_mmal_vchiq,vchiq"
"Modules for parts of a Pi 3 that QEMU does not have."


@dataclass(frozen=True)
class Machine:
    """An emulated machine; `port` is the guest's name of the line."""

    port: str
    console: str
    options: tuple[str, ...]
    card: tuple[str, ...]
    line: tuple[str, ...]
    "The devices that take the image's drive and the line's chardev."


MACHINES = {
    "virt": Machine(
        port="/dev/ttyS0",
        console="console=ttyAMA0",
        options=("-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "384", "-nic", "none"),
        card=("if=none,id=card", "-device", "virtio-blk-pci,drive=card"),
        line=("-serial", "chardev:console", "-device", "pci-serial,chardev=line"),
    ),
    "raspi3b": Machine(
        port="/dev/ttyAMA0",
        console=f"console=ttyS1,115200 modprobe.blacklist={PI3_ABSENT}",
        options=("-M", "raspi3b"),
        card=("if=sd",),
        line=("-serial", "chardev:line", "-serial", "chardev:console"),
    ),
}


def start(
    image: Path,
    folder: Path,
    line: Path | None,
    machine: str = "virt",
    keeps: bool = False,
    network: str = "",
) -> subprocess.Popen[bytes]:
    """Start the image; its console goes to FOLDER/console.log.

    Without `line` QEMU makes a terminal and says its name. `keeps`: what the guest writes stays in
    the image. `network` is a QEMU user network's options, such as hostfwd=tcp:127.0.0.1:2222-:22.
    """
    if machine not in MACHINES:
        raise FlashError(f'there is no machine "{machine}"; there are {", ".join(MACHINES)}')
    folder.mkdir(parents=True, exist_ok=True)
    command = qemu_command(image, folder, line, MACHINES[machine], keeps)
    if network:
        command[command.index("-nic") + 1] = f"user,model=virtio-net-pci,{network}"
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def qemu_command(
    image: Path, folder: Path, line: Path | None, machine: Machine, keeps: bool
) -> list[str]:
    boot = FatPartition(image)
    taken = {"kernel8.img": "-kernel", "initramfs8": "-initrd"} | (
        {PI3_TREE: "-dtb"} if "raspi3b" in machine.options else {}
    )
    words = [
        find("qemu-system-aarch64"),
        *machine.options,
        "-display",
        "none",
        "-monitor",
        "none",
        "-no-reboot",
    ]
    for name, option in taken.items():
        (folder / name).write_bytes(boot.read(name))
        words += [option, str(folder / name)]
    shipped = boot.read("cmdline.txt").decode().split()
    words += [
        "-append",
        " ".join([*shipped, machine.console, "mitigations=off", "systemd.show_status=1"]),
    ]
    drive, *devices = machine.card
    words += [
        "-drive",
        f"file={image},format=raw,{drive},snapshot={'off' if keeps else 'on'}",
        *devices,
    ]
    words += ["-chardev", f"file,id=console,path={folder / 'console.log'}"]
    words += [
        "-chardev",
        f"serial,id=line,path={os.path.realpath(line)}" if line else "pty,id=line",
    ]
    return [*words, *machine.line]
