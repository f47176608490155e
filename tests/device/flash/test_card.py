import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from device.flash.card import CardOptions, flash_card
from device.flash.partitions import FatPartition
from device.flash.target import BootFolder, claimed
from device.flash.tools import FlashError
from host_decoder.config import read_config
from tests.device.flash.conftest import BOOKWORM, OUR_IMAGE, TRIXIE
from tests.programs import program

pytestmark = pytest.mark.usefixtures("release")


@pytest.fixture
def flash(node_toml, tmp_path):
    """Flashes a target; returns what was said."""

    def run(target, **options):
        said: list[str] = []
        asked = {"is_confirmed": True, "host": tmp_path / "host.toml", "work": tmp_path} | options
        flash_card(
            CardOptions(target=target, settings=node_toml, **asked), said.append, lambda share: None
        )
        return "\n".join(said)

    return run


@pytest.mark.parametrize(
    "system", [TRIXIE, BOOKWORM, OUR_IMAGE], ids=["trixie", "bookworm", "our image"]
)
def test_an_image_file_becomes_a_node_and_the_host_knows_it(make_card, flash, tmp_path, system):
    disk = make_card(system)
    before = disk.read_bytes()
    said = flash(disk)
    boot = FatPartition(disk)
    [node] = read_config(tmp_path / "host.toml").nodes
    assert (tmp_path / "nodes/1.toml").exists()
    assert boot.read("latentlink/node.key").decode().strip() == node.key.hex()
    assert "written and read back; node 1" in said
    assert node.key.hex() not in said
    sums = [line.split("  ") for line in boot.read("latentlink/SHA256SUMS").decode().splitlines()]
    assert all(
        hashlib.sha256(boot.read(f"latentlink/{name}")).hexdigest() == digest
        for digest, name in sums
    )
    # the root partition is not touched
    assert disk.read_bytes()[-(1 << 20) :] == before[-(1 << 20) :]


def test_without_confirmation_nothing_is_written(make_card, flash, tmp_path):
    disk = make_card(TRIXIE)
    before = disk.read_bytes()
    said = flash(disk, is_confirmed=False)
    assert disk.read_bytes() == before
    assert not (tmp_path / "host.toml").exists()
    assert not (tmp_path / "keys").exists()
    assert "nothing was written; say CONFIRM=yes" in said
    lines = said.splitlines()
    # which card it is, where it can be seen
    assert lines[0] == lines[-1] == f"target    {disk}: an image file, 47 MB"
    assert "91.8 % on the test split, 4.9 bytes an image" in said
    assert max(map(len, lines)) < 220
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


def test_a_card_that_forgets_is_found_out_and_not_registered(
    boot_folder, flash, tmp_path, monkeypatch
):
    read = BootFolder.read
    monkeypatch.setattr(
        BootFolder,
        "read",
        lambda self, name: b"" if name.endswith("encoder.tflite") else read(self, name),
    )
    with pytest.raises(
        FlashError, match=r"encoder\.tflite on the boot folder .* reads back otherwise"
    ):
        flash(boot_folder(TRIXIE))
    assert not (tmp_path / "host.toml").exists()
    assert list((tmp_path / "nodes").iterdir()) == []
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["bundle-signing.key"]


def test_a_host_folder_that_cannot_take_the_node_is_found_out_before_the_card_is_written(
    make_card, flash, tmp_path
):
    disk = make_card(OUR_IMAGE)
    before = disk.read_bytes()
    # in the way of what is written beside the file's place
    (tmp_path / "nodes/1.toml.part").mkdir(parents=True)
    with pytest.raises(OSError, match=r"nodes/1\.toml\.part"):
        flash(disk)
    assert disk.read_bytes() == before


def test_a_host_that_could_not_hear_the_node_is_said_before_anything_is_written(
    boot_folder, flash, tmp_path
):
    (tmp_path / "host.toml").write_text('[link]\nport = "/dev/ttyUSB0"\nprofile = "serial-57600"\n')
    folder = boot_folder(TRIXIE)
    with pytest.raises(FlashError, match="it is at 57600 bit/s, the node 9600"):
        flash(folder)
    assert not (folder / "latentlink").exists()


def test_two_cards_flashed_at_once_are_both_known(make_card, flash, tmp_path):
    cards = [make_card(OUR_IMAGE, f"{number}.img") for number in (1, 2)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda number: flash(cards[number - 1], node=number), (1, 2)))
    keys = [FatPartition(card).read("latentlink/node.key").decode().strip() for card in cards]
    assert [node.key.hex() for node in read_config(tmp_path).nodes] == keys


def test_two_flashings_of_one_card_do_not_mix(make_card, flash):
    disk = make_card(OUR_IMAGE)
    with (
        claimed(disk),
        pytest.raises(FlashError, match=r"another flashing writes to .*card\.img just now"),
    ):
        flash(disk)


def test_a_full_boot_partition_is_said_before_it_is_written(make_card, flash):
    disk = make_card(TRIXIE | {"large": "x" * (39 << 20)})
    before = disk.read_bytes()
    with pytest.raises(
        FlashError, match=r"the FAT partition of .* has 0\.\d MB free and \d\.\d MB are needed"
    ):
        flash(disk)
    assert disk.read_bytes() == before


@pytest.mark.parametrize(
    "port", ["/dev/ttyS0", "/dev/serial1", "/dev/ttyAMA10", "//dev/../dev/ttyS0"]
)
def test_of_the_uarts_of_a_pi_only_the_one_that_is_freed_is_taken(
    boot_folder, flash, node_toml, port
):
    node_toml.write_text(node_toml.read_text().replace("/dev/ttyAMA0", port))
    for system in (TRIXIE, BOOKWORM):
        with pytest.raises(
            FlashError, match="is not the UART that flashing frees; write /dev/ttyAMA0"
        ):
            flash(boot_folder(system))


def test_our_image_may_have_the_port_of_the_machine_that_starts_it(make_card, flash, node_toml):
    node_toml.write_text(node_toml.read_text().replace("/dev/ttyAMA0", "/dev/ttyS0"))
    assert "serial-9600 at /dev/ttyS0" in flash(make_card(OUR_IMAGE))


def test_a_console_on_the_links_port_goes_and_is_named(boot_folder, flash, node_toml):
    node_toml.write_text(node_toml.read_text().replace("/dev/ttyAMA0", "/dev/ttyUSB0"))
    folder = boot_folder(
        TRIXIE | {"cmdline.txt": "console=ttyUSB0,115200 console=serial0 root=x\n"}
    )
    assert "console   console=ttyUSB0,115200 leaves cmdline.txt" in flash(folder)
    assert (folder / "cmdline.txt").read_text().split()[:2] == ["console=serial0", "root=x"]


def test_a_lorawan_nodes_key_goes_along_as_a_secret(make_card, flash, node_toml, tmp_path):
    (tmp_path / "app.key").write_text("ab" * 16 + "\r\n")
    node_toml.write_text(
        node_toml.read_text().replace(
            '"serial-9600"', '"lora-sf9-eu868"\nregion = "eu868"\nfrequency_hz = 868100000'
        )
        + '[link.lorawan]\napp_key = "app.key"\ndev_eui = "70B3D57ED0001234"\n'
    )
    (tmp_path / "host.toml").write_text(
        '[link]\nkind = "chirpstack"\nhost = "localhost"\napplication = "8a4f"\n'
    )
    disk = make_card(TRIXIE)
    said = flash(disk)
    assert FatPartition(disk).read("latentlink/app.key").decode() == "ab" * 16 + "\n"
    assert (
        'app_key = "/var/lib/latentlink/keys/app.key"'
        in FatPartition(disk).read("latentlink/node.toml").decode()
    )
    assert "latentlink/app.key, 33 bytes (secret)" in said
    assert "ab" * 16 not in said
    assert [node.device for node in read_config(tmp_path).nodes] == ["70b3d57ed0001234"]


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
    for name in ("Me", "a b", "-x"):
        with pytest.raises(FlashError, match="an account cannot be called"):
            flash(folder, user=name, ssh_key=tmp_path / "id.pub")
    with pytest.raises(FlashError, match="a machine cannot be called 'my node'"):
        flash(folder, hostname="my node")
    flash(folder, user="me", ssh_key=tmp_path / "id.pub")
    assert "ssh-ed25519 AAAA me" in (folder / "user-data").read_text()


def test_the_begin_script_is_a_shell_script(boot_folder, flash):
    for system in (TRIXIE, BOOKWORM):
        folder = boot_folder(system)
        flash(folder, replaces=True)
        subprocess.run([program("sh"), "-n", folder / "latentlink/begin.sh"], check=True)
