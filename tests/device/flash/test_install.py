"""install.sh on a node's root that is a folder: what first boot does, done again after power
cuts.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from device.flash.card import CardOptions, flash_card
from link.bundle.bundle import Bundle
from link.security.signature import check
from tests.device.flash.conftest import ROOT, TRIXIE
from tests.programs import program
from tests.scale import size

INSTALL = ROOT / "device/unit/install.sh"


@pytest.fixture
def node(boot_folder, node_toml, release, tmp_path):
    """The root of a node whose boot partition was just flashed."""
    root = tmp_path / "root"
    (root / "boot").mkdir(parents=True)
    options = CardOptions(
        boot_folder(TRIXIE), node_toml, tmp_path / "host.toml", tmp_path, is_confirmed=True
    )
    flash_card(options, lambda text: None, lambda share: None)
    shutil.copytree(options.target, root / "boot/firmware")
    (root / "etc").mkdir()
    return root


def install(root: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LATENTLINK_ROOT": str(root)}
    return subprocess.run([program("sh"), INSTALL], env=environment, capture_output=True, text=True)


def state(root: Path) -> dict[str, bytes]:
    """Every file of the node, its links followed."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in (
            "opt/latentlink/current",
            "opt/latentlink/bundle",
            "var/lib/latentlink",
            "etc/latentlink",
        )
        for path in (root / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_a_seed_becomes_a_node(node):
    key = (node / "boot/firmware/latentlink/node.key").read_bytes()
    done = install(node)
    assert done.returncode == 0, done.stderr
    assert (node / "var/lib/latentlink/keys/node.key").read_bytes() == key
    assert (node / "var/lib/latentlink/keys/node.key").stat().st_mode & 0o777 == 0o600
    assert (node / "opt/latentlink/bundle/encoder.tflite").exists()
    assert (node / "opt/latentlink/current/device/unit/selftest.py").exists()
    assert os.readlink(node / "opt/latentlink/current") == "releases/fedcba987654"
    assert 'bundle = "/opt/latentlink/bundle"' in (node / "etc/latentlink/node.toml").read_text()


def test_the_key_leaves_the_boot_partition(node):
    install(node)
    assert not (node / "boot/firmware/latentlink/node.key").exists()


def test_both_keys_of_a_lorawan_node_leave_the_boot_partition(node):
    seed, keys = node / "boot/firmware/latentlink", node / "var/lib/latentlink/keys"
    (seed / "app.key").write_text("ab" * 16 + "\n")
    assert install(node).returncode == 0
    assert (keys / "app.key").read_text() == "ab" * 16 + "\n"
    assert (keys / "app.key").stat().st_mode & 0o777 == 0o600
    assert not list(seed.glob("*.key"))


def test_a_carrier_over_ip_gets_what_the_service_forbids_to_others(node):
    drop_in = node / "etc/systemd/system/latentlink.service.d/network.conf"
    (node / "boot/firmware/latentlink/network.conf").write_text("[Service]\n")
    install(node)
    assert drop_in.read_text() == "[Service]\n"
    (node / "boot/firmware/latentlink/network.conf").unlink()
    # flashed again, with another carrier
    (node / "boot/firmware/latentlink/node.key").write_text("ff" * 16 + "\n")
    install(node)
    assert not drop_in.exists()


def test_a_members_placement_lies_beside_its_settings(node):
    (node / "boot/firmware/latentlink/placement.json").write_text("[[[0], [1]]]")
    assert install(node).returncode == 0
    assert (node / "etc/latentlink/placement.json").read_text() == "[[[0], [1]]]"


def test_the_second_boot_changes_nothing(node):
    install(node)
    (node / "var/lib/latentlink/keys/counter.json").write_text(
        '{"format": 1, "node": 1, "next_counter": 640}'
    )
    before = state(node)
    assert install(node).stdout == ""
    assert state(node) == before


def test_a_card_flashed_again_brings_a_new_key_with_its_counter(node):
    install(node)
    (node / "var/lib/latentlink/keys/counter.json").write_text(
        '{"format": 1, "node": 1, "next_counter": 640}'
    )
    (node / "boot/firmware/latentlink/node.key").write_text("ff" * 16 + "\n")
    install(node)
    assert (node / "var/lib/latentlink/keys/node.key").read_text() == "ff" * 16 + "\n"
    brought = (node / "boot/firmware/latentlink/counter.json").read_text()
    assert (node / "var/lib/latentlink/keys/counter.json").read_text() == brought


def test_a_key_that_was_overwritten_but_not_yet_removed_is_not_taken_for_one(node):
    install(node)
    before = state(node)
    (node / "boot/firmware/latentlink/node.key").write_bytes(bytes(64))
    install(node)
    assert state(node) == before
    assert not (node / "boot/firmware/latentlink/node.key").exists()


def test_a_damaged_boot_partition_is_refused_and_the_node_stays_as_it_was(node):
    install(node)
    before = state(node)
    (node / "boot/firmware/latentlink/bundle/encoder.tflite").write_bytes(b"half")
    with (node / "boot/firmware/latentlink/SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  bundle.id\n")
    done = install(node)
    assert done.returncode == 1
    assert "the boot partition is damaged; flash the card again" in done.stderr
    assert state(node) == before


def test_the_signers_key_comes_along_and_the_bundle_is_signed_with_it(node):
    install(node)
    bundle = Bundle.load(node / "opt/latentlink/bundle", side="node")
    check(bundle, node / "etc/latentlink/bundle-signing.pub")


def test_another_bundle_on_the_card_leaves_the_one_before_it_to_go_back_to(node):
    install(node)
    seed, opt = node / "boot/firmware/latentlink", node / "opt/latentlink"
    before = os.readlink(opt / "bundle")
    (node / "var/lib/latentlink/bundle.json").write_text("of an earlier one")
    (seed / "bundle.id").write_text("0123456789abcdef")
    names = sorted(str(path.relative_to(seed)) for path in seed.rglob("*") if path.is_file())
    sums = [
        f"{hashlib.sha256((seed / name).read_bytes()).hexdigest()}  {name}"
        for name in names
        if name != "SHA256SUMS"
    ]
    (seed / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    assert install(node).returncode == 0
    assert os.readlink(opt / "bundle") == "bundles/0123456789abcdef"
    assert os.readlink(opt / "bundle.previous") == before
    assert not (node / "var/lib/latentlink/bundle.json").exists()


def test_a_release_that_was_being_proved_when_the_power_failed_is_taken_back(node):
    install(node)
    opt = node / "opt/latentlink"
    before = os.readlink(opt / "current")
    shutil.copytree(opt / before, opt / "releases/unproved")
    (opt / "current").unlink()
    (opt / "current").symlink_to("releases/unproved")
    (opt / "current.undo").write_text(before + "\n")
    for said in (f"release releases/unproved was not proved, so {before} goes on", ""):
        done = install(node)
        assert done.returncode == 0
        assert said in done.stdout
        assert os.readlink(opt / "current") == before
        assert not (opt / "current.undo").exists()


def test_an_empty_boot_partition_is_no_error(node):
    shutil.rmtree(node / "boot/firmware/latentlink")
    done = install(node)
    assert done.returncode == 0
    assert "nothing to install" in done.stdout


def test_whenever_the_power_is_cut_the_next_boot_makes_the_same_node(node, tmp_path):
    """Each command of install.sh is where the power is cut once (in short runs every
    thirteenth).
    """
    key = (node / "boot/firmware/latentlink/node.key").read_bytes()
    whole = tmp_path / "whole"
    shutil.copytree(node, whole, symlinks=True)
    install(whole)
    expected = state(whole)
    cut = 0
    while True:
        cut_root = tmp_path / "cut"
        shutil.rmtree(cut_root, ignore_errors=True)
        shutil.copytree(node, cut_root, symlinks=True)
        if not _install_until(cut_root, cut):
            break
        install(cut_root)
        assert state(cut_root) == expected, f"cut before command {cut}"
        assert (cut_root / "var/lib/latentlink/keys/node.key").read_bytes() == key
        cut += size(13, 1)
    assert cut > 30


def _install_until(root: Path, n_commands: int) -> bool:
    """Run install.sh and end it before its next command; whether there was one."""
    count, stub = root.parent / "count", root.parent / "stub"
    shutil.rmtree(stub, ignore_errors=True)
    stub.mkdir()
    for tool in (
        "mkdir",
        "rm",
        "mv",
        "cp",
        "ln",
        "tar",
        "sync",
        "dd",
        "chmod",
        "cut",
        "cmp",
        "sha256sum",
        "readlink",
    ):
        (stub / tool).write_text(
            f'#!/bin/sh\nread -r n <{count}\n[ "$n" -gt 0 ] || kill -9 $PPID\necho $((n - '
            f"1)) >{count}\n"
            f'exec {shutil.which(tool)} "$@"\n'
        )
        (stub / tool).chmod(0o755)
    count.write_text(f"{n_commands}\n")
    environment = os.environ | {
        "LATENTLINK_ROOT": str(root),
        "PATH": f"{stub}:{os.environ['PATH']}",
    }
    done = subprocess.run([program("sh"), INSTALL], env=environment, capture_output=True)
    return done.returncode != 0


def test_what_was_installed_is_taken_away_again(node):
    (node / "boot/firmware/latentlink/network.conf").write_text("[Service]\n")
    before = {path for path in node.rglob("*") if "latentlink" not in str(path.relative_to(node))}
    assert install(node).returncode == 0
    system = node / "etc/systemd/system"
    (system / "multi-user.target.wants").mkdir()
    (system / "latentlink.service").touch()
    (system / "multi-user.target.wants/latentlink.service").symlink_to("../latentlink.service")
    (system / "another.service").touch()
    [key] = (node / "var/lib/latentlink/keys").glob("*.key")
    (node / "var/lib/latentlink/collected").mkdir(mode=0o700)
    (node / "var/lib/latentlink/collected/00000001-00000000.jpg").write_bytes(b"a picture")
    os.link(key, node / "copy")
    done = subprocess.run(
        [program("sh"), ROOT / "device/unit/uninstall.sh"],
        env=os.environ | {"LATENTLINK_ROOT": str(node)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path for path in node.rglob("*") if "latentlink" in path.name] == []
    assert before <= set(node.rglob("*")), "what is not ours stays"
    assert (system / "another.service").exists()
    assert not (node / "copy").read_bytes().strip(b"\0"), "the key was overwritten first"
