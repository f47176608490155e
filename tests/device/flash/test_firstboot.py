import re

import pytest

from device.flash.firstboot import (
    FIRSTRUN,
    SEED,
    UART_CONFIG,
    Personal,
    detect,
    first_boot_files,
    meta_data,
    uart_files,
    user_data,
    with_firstrun,
)
from device.flash.target import BootFolder
from device.flash.tools import FlashError
from tests.device.flash.conftest import (
    BOOKWORM,
    CMDLINE,
    FIRMWARE,
    OUR_IMAGE,
    TRIXIE,
    issue,
)

NODE = Personal("latentlink-1", "latentlink-1-0a0b0c0d")


@pytest.mark.parametrize(
    ("files", "first_boot", "python"),
    [(TRIXIE, "cloud-init", "3.13"), (BOOKWORM, "firstrun", "3.11"), (OUR_IMAGE, "image", "3.11")],
)
def test_each_system_is_recognised_by_its_boot_partition(boot_folder, files, first_boot, python):
    system = detect(BootFolder(boot_folder(files)))
    assert (system.first_boot, system.python) == (first_boot, python)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (
            FIRMWARE | {"issue.txt": issue("2023-05-03")},
            "Raspberry Pi OS of 2023-05-03, older than Bookworm",
        ),
        (
            {"config.txt": "", "issue.txt": issue("2025-12-04")},
            "a 32-bit Raspberry Pi OS of 2025-12-04",
        ),
        (FIRMWARE | {"issue.txt": issue("2025-12-04")}, "has no user-data"),
        (FIRMWARE | {"user-data": ""}, "not Raspberry Pi OS (Ubuntu?)"),
        (FIRMWARE | {"rpi-preseed.toml": ""}, "a system of rpi-preseed"),
        (FIRMWARE, "no system that is known here"),
    ],
)
def test_any_other_system_is_refused_by_name(boot_folder, files, name):
    with pytest.raises(FlashError, match=re.escape(name)):
        detect(BootFolder(boot_folder(files)))


@pytest.mark.parametrize(
    "content", ["", "{", '{"python": "3.13"}', "[1]", '{"python": 3, "suite": []']
)
def test_an_image_of_ours_that_was_damaged_is_refused_by_name(tmp_path, content):
    (tmp_path / SEED).mkdir()
    (tmp_path / SEED / "image.json").write_text(content)
    with pytest.raises(
        FlashError, match=r"image\.json on the card is damaged .*write our image again"
    ):
        detect(BootFolder(tmp_path))


def files_for(folder, port="/dev/ttyUSB0", personal=NODE):
    boot = BootFolder(folder)
    files = first_boot_files(boot, detect(boot), personal, [port])
    return {name: content.decode() for name, content in files.items()}


def test_trixie_gets_the_three_files_of_cloud_init(boot_folder):
    files = files_for(boot_folder(TRIXIE))
    assert files["user-data"].startswith("#cloud-config\n")
    assert "  - [sh, /boot/firmware/latentlink/begin.sh]\n" in files["user-data"]
    assert files["meta-data"] == "instance-id: latentlink-1-0a0b0c0d\n"
    assert "dhcp4: true" in files["network-config"]
    assert files["cmdline.txt"] == CMDLINE + " resize ds=nocloud;i=latentlink-1-0a0b0c0d\n"


def test_cmdline_stays_one_line_and_is_the_same_when_flashed_again(boot_folder):
    folder = boot_folder(BOOKWORM)
    once = files_for(folder)["cmdline.txt"]
    (folder / "cmdline.txt").write_text(once)
    assert files_for(folder)["cmdline.txt"] == once
    assert once.count("\n") == 1
    assert once.split()[-3:] == list(FIRSTRUN)


def test_our_image_needs_nothing_but_the_seed(boot_folder):
    assert files_for(boot_folder(OUR_IMAGE)) == {}


def test_a_network_that_the_imager_set_up_is_kept(boot_folder):
    folder = boot_folder(TRIXIE | {"network-config": "network:\n  wifis: {}\n"})
    assert "network-config" not in files_for(folder)


def test_a_file_that_is_no_text_is_named(boot_folder):
    folder = boot_folder(TRIXIE)
    (folder / "cmdline.txt").write_bytes("root=x".encode("utf-16"))
    with pytest.raises(FlashError, match=r"cmdline\.txt on the boot folder .* is no UTF-8 text"):
        files_for(folder)


def test_meta_data_has_one_instance_id_with_a_hyphen():
    old = "instance_id: a\nlocal-hostname: here\ninstance-id: b\n"
    assert meta_data(old, "new") == "local-hostname: here\ninstance-id: new\n"


def test_texts_cannot_break_out_of_user_data():
    wicked = Personal(
        'x"\nruncmd: [reboot]', "i", user="a: b", authorized_key='ssh-ed25519 AAAA "quoted" #me'
    )
    lines = user_data(wicked).splitlines()
    assert 'hostname: "x\\"\\nruncmd: [reboot]"' in lines
    assert '    - "ssh-ed25519 AAAA \\"quoted\\" #me"' in lines
    assert sum(line.startswith("runcmd:") for line in lines) == 1


def test_ours_runs_before_a_firstrun_that_cuts_the_line():
    theirs = "a b systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot"
    assert with_firstrun(theirs).split()[2:4] == [FIRSTRUN[0], "systemd.run=/boot/firstrun.sh"]


def test_on_trixie_too_ours_is_not_what_an_old_imagers_firstrun_cuts_off(boot_folder):
    theirs = (
        " systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot "
        "systemd.unit=kernel-command-line"
    )
    line = files_for(boot_folder(TRIXIE | {"cmdline.txt": CMDLINE + theirs + ".target\n"}))[
        "cmdline.txt"
    ]
    assert re.sub(r" systemd\.run.*", "", line).split()[-1] == "ds=nocloud;i=latentlink-1-0a0b0c0d"
    assert line.split()[-1] == "systemd.unit=kernel-command-line.target"


def test_the_uart_on_the_pins_is_freed_on_every_model_and_only_once():
    files = uart_files(CMDLINE, "arm_64bit=1\n")
    assert "serial0" not in files["cmdline.txt"]
    assert "console=tty1" in files["cmdline.txt"]
    assert files["config.txt"] == "arm_64bit=1\n" + UART_CONFIG
    assert uart_files(files["cmdline.txt"], files["config.txt"]) == files


def test_a_usb_adapter_leaves_the_uart_alone(boot_folder):
    assert "config.txt" not in files_for(boot_folder(TRIXIE), port="/dev/ttyUSB0")
    assert "config.txt" in files_for(boot_folder(TRIXIE), port="/dev/ttyAMA0")
