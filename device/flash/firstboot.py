"""First boot: how the system on a card is told to run our installer, by what it listens to.

    image        our own: its installer looks at the boot partition at each boot
    cloud-init   Raspberry Pi OS since Trixie (October 2025): user-data, meta-data, network-config
    firstrun     Raspberry Pi OS Bookworm: systemd.run= in cmdline.txt

Whatever else is on the card is refused by name. What the Imager has put there (account, Wi-Fi) is
kept.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from device.flash.personal import Personal
from device.flash.ports import NODE_UART, console_on
from device.flash.target import BootPartition
from device.flash.tools import FlashError
from device.flash.user_data import merged, says_something

SEED = "latentlink"
"Folder of everything of ours on the boot partition."
BOOKWORM_DATE, TRIXIE_DATE = "2023-10-10", "2025-10-01"
"Dates of the first Raspberry Pi OS of each."
FIRMWARE = "/boot/firmware"
BEGIN = f"""#!/bin/sh
# Hand over to latentlink-install.service, which does its work again at the next boot when the
# power fails meanwhile.
set -eu
install -D -m 755 {FIRMWARE}/{SEED}/install.sh /opt/latentlink/install.sh
install -m 644 {FIRMWARE}/{SEED}/latentlink-install.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable latentlink-install.service
"""
BEGIN_CLOUD_INIT = BEGIN + "systemctl start --no-block latentlink-install.service\n"
BEGIN_FIRSTRUN = BEGIN + f"sed -i 's| systemd\\.run.*||' {FIRMWARE}/cmdline.txt\nsync\n"
FIRSTRUN = (
    f"systemd.run={FIRMWARE}/{SEED}/begin.sh",
    "systemd.run_success_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
NETWORK = (
    "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      optional: true\n"
)
UART_MARK = "# latentlink: the UART on GPIO 14 and 15 is the link's"
UART_CONFIG = f"""
{UART_MARK}
[pi02]
dtoverlay=disable-bt
[pi3]
dtoverlay=disable-bt
[pi4]
dtoverlay=disable-bt
[pi5]
dtparam=uart0=on
[all]
enable_uart=1
"""


@dataclass(frozen=True)
class System:
    """What a card holds: its way of being told at first boot, its Python, its name."""

    first_boot: str
    python: str
    name: str
    release: str | None = None
    "The release inside our own image; None: it is another's."


def detect(boot: BootPartition) -> System:
    """What is on the card, or FlashError with the name of what cannot be used."""
    names = set(boot.names())
    if SEED in names and "image.json" in boot.names(SEED):
        try:
            about = json.loads(boot.read(f"{SEED}/image.json"))
            return System(
                "image", about["python"], f"our image (Debian {about['suite']})", about["release"]
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FlashError(
                f"{SEED}/image.json on the card is damaged ({error}); write our image again"
            ) from None
    issue = boot.read("issue.txt").decode(errors="replace") if "issue.txt" in names else ""
    found = re.search(r"Raspberry Pi reference (\d{4}-\d\d-\d\d)", issue)
    if not found:
        raise FlashError(
            f"the card holds {_guess(boot, names)}; write Raspberry Pi OS (64-bit) or our image to "
            "it first"
        )
    date = found[1]
    if date < BOOKWORM_DATE:
        raise FlashError(
            f"the card holds Raspberry Pi OS of {date}, older than Bookworm; write a newer one to "
            "it first"
        )
    if "kernel8.img" not in names:
        raise FlashError(
            f"the card holds a 32-bit Raspberry Pi OS of {date}; LiteRT needs the 64-bit one"
        )
    if date >= TRIXIE_DATE:
        if "user-data" not in names:
            raise FlashError(
                f"the card's Raspberry Pi OS of {date} has no user-data, so no cloud-init: "
                "write it anew"
            )
        return System("cloud-init", "3.13", f"Raspberry Pi OS Trixie of {date}")
    return System("firstrun", "3.11", f"Raspberry Pi OS Bookworm of {date}")


def _guess(boot: BootPartition, names: Iterable[str]) -> str:
    marks = {
        "rpi-preseed.toml": "a system of rpi-preseed",
        "volumioconfig.txt": "Volumio",
        "LICENCE.oe": "LibreELEC",
        "dietpi.txt": "DietPi",
        "user-data": "a system with cloud-init that is not Raspberry Pi OS (Ubuntu?)",
    }
    return next(
        (system for name, system in marks.items() if name in names), "no system that is known here"
    )


def first_boot_files(
    boot: BootPartition, system: System, personal: Personal, ports: Iterable[str]
) -> dict[str, bytes]:
    """What is to be written besides the seed, by its path on the boot partition. `ports`: those
    that are the node's.
    """
    files: dict[str, str] = {}
    if system.first_boot != "image":
        files["cmdline.txt"] = read_text(boot, "cmdline.txt")
        for port in ports:
            cmdline, config = files["cmdline.txt"], read_text(boot, "config.txt")
            files |= (
                uart_files(cmdline, config)
                if port == NODE_UART
                else {"cmdline.txt": without_console(cmdline, port)}
            )
    if system.first_boot == "cloud-init":
        files |= cloud_init_files(boot, personal, files["cmdline.txt"])
    elif system.first_boot == "firstrun":
        files |= {
            f"{SEED}/begin.sh": BEGIN_FIRSTRUN,
            "cmdline.txt": with_firstrun(files["cmdline.txt"]),
        }
    return {name: content.encode() for name, content in files.items()}


def read_text(boot: BootPartition, name: str) -> str:
    """A text file of the boot partition."""
    try:
        return boot.read(name).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FlashError(
            f"{name} on {boot} is no UTF-8 text; write the card's system anew"
        ) from None


def cloud_init_files(boot: BootPartition, personal: Personal, cmdline: str) -> dict[str, str]:
    names = boot.names()
    old_meta_data = read_text(boot, "meta-data") if "meta-data" in names else ""
    files = {
        "user-data": merged(read_text(boot, "user-data"), user_data(personal)),
        "meta-data": meta_data(old_meta_data, personal.instance),
        "cmdline.txt": with_instance(cmdline, personal.instance),
        f"{SEED}/begin.sh": BEGIN_CLOUD_INIT,
    }
    if "network-config" not in names or not says_something(read_text(boot, "network-config")):
        files["network-config"] = NETWORK
    return files


def with_instance(cmdline: str, instance: str) -> str:
    """cloud-init's source, before any systemd.run=: an old Imager's firstrun cuts off all that
    stands behind that.
    """
    words = [word for word in cmdline.split() if not word.startswith("ds=nocloud")]
    return _joined(words, [f"ds=nocloud;i={instance}"])


def user_data(personal: Personal) -> str:
    """Ours alone, as cloud-config; texts are quoted as JSON, which YAML contains."""
    lines = [
        "#cloud-config",
        f"hostname: {json.dumps(personal.hostname)}",
        "manage_etc_hosts: true",
    ]
    commands = [f"[sh, {FIRMWARE}/{SEED}/begin.sh]"]
    if personal.user:
        lines += ["user:", f"  name: {json.dumps(personal.user)}", "  lock_passwd: true"]
        lines += ["  shell: /bin/bash", "  sudo: ALL=(ALL) NOPASSWD:ALL"]
        lines += ["  ssh_authorized_keys:", f"    - {json.dumps(personal.authorized_key)}"]
        commands.append("[systemctl, enable, --now, ssh]")
    return "\n".join([*lines, "runcmd:", *(f"  - {command}" for command in commands)]) + "\n"


def meta_data(old: str, instance: str) -> str:
    kept = [line for line in old.splitlines() if not re.match(r"\s*instance[-_]id\s*:", line)]
    return "\n".join([*kept, f"instance-id: {instance}"]) + "\n"


def with_firstrun(cmdline: str) -> str:
    """Ours comes first: another firstrun may cut its own off the line, and ours with it."""
    words = [word for word in cmdline.split() if word not in FIRSTRUN]
    return _joined([*words, *FIRSTRUN[1:]], FIRSTRUN[:1])


def _joined(words: list[str], first: Iterable[str]) -> str:
    """A command line, these before the first that a firstrun would cut off."""
    place = next(
        (index for index, word in enumerate(words) if word.startswith("systemd.run")), len(words)
    )
    return " ".join([*words[:place], *first, *words[place:]]) + "\n"


def without_console(cmdline: str, port: str) -> str:
    """No login and no boot messages on the link's port."""
    taken = console_on(port, cmdline)
    return (
        " ".join(word for word in cmdline.split() if word not in taken) + "\n" if taken else cmdline
    )


def uart_files(cmdline: str, config: str) -> dict[str, str]:
    """The good UART on the pins of every model, and no console on it."""
    return {
        "cmdline.txt": without_console(cmdline, NODE_UART),
        "config.txt": config if UART_MARK in config else config.rstrip("\n") + "\n" + UART_CONFIG,
    }
