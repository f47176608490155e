import hashlib
import subprocess

import pytest

from device.flash import card as card_module
from device.flash.card import CardOptions, flash_card
from device.flash.partitions import FatPartition
from device.flash.target import BootFolder
from device.flash.tools import FlashError
from host_decoder.config import read_config
from tests.flash.conftest import BOOKWORM, OUR_IMAGE, TRIXIE
from tests.programs import program

pytestmark = pytest.mark.usefixtures("release")


@pytest.fixture
def flash(node_toml, tmp_path):
    """Flashes a target; returns what was said."""

    def run(target, **options):
        said: list[str] = []
        asked = {"is_confirmed": True, "host": tmp_path / "host.toml", "work": tmp_path} | options
        flash_card(CardOptions(target=target, settings=node_toml, **asked), said.append, lambda share: None)
        return "\n".join(said)

    return run


@pytest.mark.parametrize("system", [TRIXIE, BOOKWORM, OUR_IMAGE], ids=["trixie", "bookworm", "our image"])
def test_an_image_file_becomes_a_node_and_the_host_knows_it(make_card, flash, tmp_path, system):
    disk = make_card(system)
    before = disk.read_bytes()
    said = flash(disk)
    boot = FatPartition(disk)
    [node] = read_config(tmp_path / "host.toml").nodes
    assert boot.read("latentlink/node.key").decode().strip() == node.key.hex()
    assert "written and read back; node 1" in said
    assert node.key.hex() not in said
    sums = [line.split("  ") for line in boot.read("latentlink/SHA256SUMS").decode().splitlines()]
    assert all(hashlib.sha256(boot.read(f"latentlink/{name}")).hexdigest() == digest for digest, name in sums)
    assert disk.read_bytes()[-(1 << 20) :] == before[-(1 << 20) :]  # the root partition is not touched


def test_without_confirmation_nothing_is_written(make_card, flash, tmp_path):
    disk = make_card(TRIXIE)
    before = disk.read_bytes()
    said = flash(disk, is_confirmed=False)
    assert disk.read_bytes() == before
    assert not (tmp_path / "host.toml").exists()
    assert "nothing was written; say CONFIRM=yes" in said
    assert "latentlink/node.key, 33 bytes (secret)" in said
    assert "  - [sh, /boot/firmware/latentlink/begin.sh]" in said


def test_a_mounted_boot_folder_becomes_a_node(boot_folder, flash):
    folder = boot_folder(TRIXIE)
    flash(folder)
    assert (folder / "latentlink/release.tar.gz").exists()
    assert "begin.sh" in (folder / "user-data").read_text()


def test_two_cards_have_two_keys_and_two_instances(boot_folder, flash, tmp_path):
    folder = boot_folder(TRIXIE)
    flash(folder)
    first = (folder / "latentlink/node.key").read_text(), (folder / "meta-data").read_text()
    with pytest.raises(FlashError, match="another number"):
        flash(folder)
    flash(folder, node=2)
    assert (folder / "latentlink/node.key").read_text() != first[0]
    assert (folder / "meta-data").read_text() != first[1]
    assert [node.number for node in read_config(tmp_path / "host.toml").nodes] == [1, 2]


def test_our_image_is_written_first_when_asked_for(make_card, flash, tmp_path):
    image = make_card(OUR_IMAGE, "our.img")
    before = image.read_bytes()
    flash(tmp_path / "new.img", image=image)
    assert image.read_bytes() == before
    assert "node.key" in FatPartition(tmp_path / "new.img").names("latentlink")


def test_a_card_that_forgets_is_found_out_and_not_registered(boot_folder, flash, tmp_path, monkeypatch):
    read = BootFolder.read
    monkeypatch.setattr(
        BootFolder, "read", lambda self, name: b"" if name.endswith("encoder.tflite") else read(self, name)
    )
    with pytest.raises(FlashError, match=r"encoder\.tflite on the boot folder .* reads back otherwise"):
        flash(boot_folder(TRIXIE))
    assert not (tmp_path / "host.toml").exists()


def test_a_full_boot_partition_is_said_before_it_is_written(boot_folder, flash, monkeypatch):
    monkeypatch.setattr(card_module, "free_bytes", lambda target: 1000)
    folder = boot_folder(TRIXIE)
    with pytest.raises(FlashError, match="MB are needed"):
        flash(folder)
    assert not (folder / "latentlink").exists()


def test_picamera2_is_refused_where_it_cannot_work(make_card, flash, node_toml):
    node_toml.write_text(node_toml.read_text().replace("v4l2", "picamera2"))
    flash(make_card(TRIXIE, "trixie.img"))
    with pytest.raises(FlashError, match="cannot serve picamera2"):
        flash(make_card(BOOKWORM, "bookworm.img"), node=2)


def test_an_account_needs_a_public_key(boot_folder, flash, tmp_path):
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n")
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAA me\n")
    folder = boot_folder(TRIXIE)
    with pytest.raises(FlashError, match="no single public key"):
        flash(folder, user="me", ssh_key=tmp_path / "id")
    with pytest.raises(FlashError, match="SSH_KEY="):
        flash(folder, user="me")
    flash(folder, user="me", ssh_key=tmp_path / "id.pub")
    assert "ssh-ed25519 AAAA me" in (folder / "user-data").read_text()


def test_the_begin_script_is_a_shell_script(boot_folder, flash):
    for system in (TRIXIE, BOOKWORM):
        folder = boot_folder(system)
        flash(folder, replaces=True)
        subprocess.run([program("sh"), "-n", folder / "latentlink/begin.sh"], check=True)
