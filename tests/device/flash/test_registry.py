"""The host folder as flashing leaves it; it is read by the host itself."""

import os
import shutil
import tomllib
from pathlib import Path

import pytest

from device.flash import registry
from device.flash.registry import (
    Registration,
    bundles_of,
    check_free,
    check_link,
    locked,
    next_free,
    register,
    set_bundles,
    stands_in_host_toml,
)
from device.flash.tools import FlashError
from host_decoder.config import read_config
from link.carriers.carrier import CarrierSettings
from tests.device.flash.conftest import BUNDLE, RN2483, link

KEY = "00112233445566778899aabbccddeeff\n"
OTHER_KEY = KEY[::-1].strip() + "\n"


@pytest.fixture
def host(tmp_path):
    return tmp_path / "site/host.toml"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_host_reads_what_was_registered_and_nobody_else_can(host):
    key_path = register(host, 3, KEY, BUNDLE, "serial-9600")
    register(host, 5, OTHER_KEY, BUNDLE, "serial-9600")
    config = read_config(host.parent)
    assert [(node.number, node.key.hex()) for node in config.nodes] == [
        (3, KEY.strip()),
        (5, OTHER_KEY.strip()),
    ]
    assert {
        mode(folder) for folder in (host.parent, host.parent / "keys", host.parent / "nodes")
    } == {0o700}
    assert {mode(file) for file in (host, key_path, host.parent / "nodes/3.toml")} == {0o600}
    assert next_free(host) == 6


@pytest.mark.parametrize(
    "text",
    [
        (
            '[link]\nport = "/dev/ttyUSB0"\n\n[[ node ]] # roof\nnode = 1\nkey = '
            '"keys/node-1.key"\nbundle = "b"\n'
        ),
        (
            'node = [{node = 0x1, key = "keys/node-1.key", bundle = "b"}]\n[link]\nport = '
            '"/dev/ttyUSB0"\n'
        ),
        (
            '\ufeff[link]\r\nport = "/dev/ttyUSB0"\r\n[[node]]\r\nnode = 1\r\nkey = '
            '"keys/node-1.key"\r\nbundle = "b"\r\n'
        ),
    ],
)
def test_host_toml_stays_as_its_person_wrote_it(host, text):
    """However it is laid out; its own node is replaced by a file, or goes on beside the new one."""
    shutil.copytree(BUNDLE, host.parent / "b")
    host.write_text(text, encoding="utf-8", newline="")
    before = host.read_bytes()
    host.chmod(0o640)
    with pytest.raises(FlashError, match=r"node 1 is in .* already"):
        check_free(host, 1, replaces=False)
    for node in (1, 2):
        check_free(host, node, replaces=True)
        register(host, node, KEY, BUNDLE, "serial-9600")
    config = read_config(host)
    assert sorted(node.number for node in config.nodes) == [1, 2]
    assert [node.bundle.path.name for node in config.nodes] == [BUNDLE.name] * 2
    assert (host.read_bytes(), mode(host)) == (before, 0o640)
    assert stands_in_host_toml(host, 1)
    assert "the latter counts" in config.warnings[0]


def test_a_host_toml_that_is_a_link_is_followed(host, tmp_path):
    real = tmp_path / "real.toml"
    real.write_text('[link]\nport = "/dev/ttyUSB0"\n')
    host.parent.mkdir()
    host.symlink_to(real)
    register(host, 1, KEY, BUNDLE, "serial-9600")
    assert host.is_symlink()
    assert [node.number for node in read_config(host).nodes] == [1]


def test_a_number_that_is_taken_is_refused_and_may_be_replaced(host):
    register(host, 3, KEY, BUNDLE, "serial-9600")
    with pytest.raises(FlashError, match=r"node 3 is in .* already.* NODE=4 say"):
        check_free(host, 3, replaces=False)
    check_free(host, 3, replaces=True)
    register(host, 3, OTHER_KEY, BUNDLE, "serial-9600")
    assert [node.key.hex() for node in read_config(host).nodes] == [OTHER_KEY.strip()]


def test_a_card_flashed_again_may_still_hold_images_of_its_earlier_bundles(host):
    """They stay named, and with them what else the host is to ask; one whose folder has gone is
    named to the person.
    """
    for name in ("one", "two"):
        shutil.copytree(BUNDLE, host.parent / name)
    register(host, 3, KEY, host.parent / "one", "serial-9600")
    node = host.parent / "nodes/3.toml"
    node.write_text(node.read_text() + 'tasks = ["label"]\n')
    set_bundles(host, 3, ["two", "gone", "one"])
    host.parent.chmod(0o700)
    registration = Registration(host, 3, OTHER_KEY, BUNDLE)
    assert registration.notices == [
        "bundle gone is no longer there, so images made with it cannot be read"
    ]
    registration.commit()
    assert bundles_of(host, 3) == [str(BUNDLE), "two", "one"]
    [read] = read_config(host).nodes
    assert (read.tasks, len(read.earlier_bundles)) == (("label",), 2)


def test_a_host_toml_that_cannot_be_read_is_left_alone(tmp_path):
    (tmp_path / "host.toml").write_text("[[node\n")
    with pytest.raises(FlashError, match=r"host\.toml is not valid TOML"):
        check_free(tmp_path / "host.toml", 1, replaces=False)
    (tmp_path / "host.toml").write_text("node = 1\n")
    with pytest.raises(FlashError, match=r"node is no section; write \[\[node\]\]"):
        check_free(tmp_path / "host.toml", 1, replaces=False)


def test_every_bundle_that_a_node_ever_had_stays_and_another_nodes_do_too(host):
    names = ["one", "two", "three", "four", "five", "six"]
    for name in names:
        shutil.copytree(BUNDLE, host.parent / name)
    register(host, 3, KEY, host.parent / "one", "serial-9600")
    register(host, 4, KEY, host.parent / "one", "serial-9600")
    set_bundles(host, 3, ["two", "one", "two"])
    assert bundles_of(host, 3) == ["two", "one"]
    set_bundles(host, 3, names[::-1])
    three, four = read_config(host).nodes
    assert [bundle.path.name for bundle in (three.bundle, *three.earlier_bundles)] == names[::-1]
    assert (four.bundle.path.name, four.earlier_bundles) == ("one", ())


def test_a_node_of_host_toml_gets_a_file_when_its_bundles_change(host):
    shutil.copytree(BUNDLE, host.parent / "b")
    (host.parent / "n.key").write_text(KEY)
    text = (
        '[link]\nport = "/dev/ttyUSB0"\n[[node]]\nnode = 3\nkey = "n.key"\nbundle = [\n  '
        '"b",\n]\ntasks = ["label"]\n'
    )
    host.write_text(text)
    set_bundles(host, 3, [str(BUNDLE), "b"])
    assert host.read_text() == text
    [node] = read_config(host).nodes
    assert (node.bundle.path, node.tasks, node.key.hex()) == (BUNDLE, ("label",), KEY.strip())
    with pytest.raises(FlashError, match="has no node 9"):
        bundles_of(host, 9)


def test_a_folder_that_others_may_look_into_is_said_and_left_as_it_is(host):
    host.parent.mkdir(mode=0o755)
    host.parent.chmod(0o755)
    notices = Registration(host, 3, KEY, BUNDLE, profile="serial-9600").notices
    assert (
        f"others on this computer may look into {host.parent}: chmod 700 {host.parent}" in notices
    )
    assert mode(host.parent) == 0o755


def test_what_is_not_committed_leaves_the_host_as_it_was(host):
    register(host, 3, KEY, BUNDLE, "serial-9600")
    before = {path: path.read_bytes() for path in host.parent.rglob("*") if path.is_file()}
    Registration(host, 3, OTHER_KEY, BUNDLE).drop()
    assert {path: path.read_bytes() for path in host.parent.rglob("*") if path.is_file()} == before


def test_one_flashing_at_a_time_writes_into_a_host_folder(host, monkeypatch):
    monkeypatch.setattr(registry, "PATIENCE_S", 0.2)
    another = locked(host)
    with (
        locked(host),
        pytest.raises(
            FlashError, match=r"another flashing writes into .*; wait until it has ended"
        ),
    ):
        another.__enter__()
    with locked(host):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_under_sudo_all_of_it_belongs_to_who_called_it(host, monkeypatch):
    monkeypatch.setenv("SUDO_UID", "1001")
    monkeypatch.setenv("SUDO_GID", "1001")
    register(host, 3, KEY, BUNDLE, "serial-9600")
    set_bundles(host, 3, [str(BUNDLE), "other"])
    assert {path.stat().st_uid for path in (host.parent, *host.parent.rglob("*"))} == {1001}


def test_a_new_host_toml_is_set_as_the_node_is(host, tmp_path):
    own = link(tmp_path, RN2483 + "power_dbm = 10\n")
    register(host, 3, KEY, BUNDLE, "", own)
    [gateway] = read_config(host).gateways
    assert isinstance(gateway.settings, CarrierSettings)
    told = gateway.settings
    assert (told.profile.name, told.frequency_hz, told.power_dbm, gateway.region) == (
        "rn2483-sf9",
        869525000,
        10,
        "eu868",
    )
    assert check_link(host, own) == []


def test_a_host_hears_a_udp_node_where_it_sends_to(host, tmp_path):
    own = link(tmp_path, 'profile = "udp"\npeers = ["192.168.1.5:4300"]\n', port="0.0.0.0:4301")
    register(host, 3, KEY, BUNDLE, "", own)
    [gateway] = read_config(host).gateways
    assert isinstance(gateway.settings, CarrierSettings)
    assert (gateway.settings.port, gateway.settings.profile.name) == ("0.0.0.0:4300", "udp")
    assert check_link(host, own) == []
    host.write_text(f'[link]\nport = "/dev/ttyUSB0"\n{RN2483}')
    with pytest.raises(FlashError, match="its profile is rn2483-sf9, the node's udp"):
        check_link(host, own)


def test_a_node_that_listens_to_nobody_has_no_downlink_for_its_host(host, tmp_path):
    register(host, 3, KEY, BUNDLE, "", link(tmp_path, RN2483 + "downlink = false\n"))
    assert [node.has_downlink for node in read_config(host).nodes] == [False]


def test_a_lorawan_node_is_known_by_its_device(host, tmp_path):
    (tmp_path / "app.key").write_text("0" * 32)
    lines = 'profile = "lora-sf9-eu868"\nregion = "wire"\n'
    own = link(
        tmp_path, lines + '[link.lorawan]\napp_key = "app.key"\ndev_eui = "70B3D57ED0001234"\n'
    )
    with pytest.raises(FlashError, match="only you know your network server"):
        check_link(host, own)
    host.parent.mkdir()
    host.write_text('[link]\nport = "/dev/ttyUSB0"\nprofile = "lora-sf9-eu868"\n')
    with pytest.raises(
        FlashError, match=r'speaks LoRaWAN, which needs a \[\[link\]\] of kind "chirpstack"'
    ):
        check_link(host, own)
    host.write_text('[link]\nkind = "chirpstack"\nhost = "localhost"\napplication = "8a4f"\n')
    assert check_link(host, own) == []
    register(host, 3, KEY, BUNDLE, "", own)
    assert [node.device for node in read_config(host).nodes] == ["70b3d57ed0001234"]
    assert not (host.parent / "keys/node-3.key").exists()
    host.write_text(host.read_text().replace("chirpstack", "things-stack"))
    register(host, 3, KEY, BUNDLE, "", own)
    assert [node.device for node in read_config(host).nodes] == ["eui-70b3d57ed0001234"]


def test_a_file_of_an_earlier_version_is_written_anew_with_the_names_of_this_one(host):
    path = host.parent / "nodes/3.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'id = 3\nkey = "keys/node-3.key"\nbundle = ["{BUNDLE}"]\none_way = true\n')
    set_bundles(host, 3, ["new", *bundles_of(host, 3)])
    written = tomllib.loads(path.read_text())
    assert (written["node"], written["downlink"]) == (3, False)
    assert written["bundle"] == ["new", str(BUNDLE)]
    assert written.keys() == {"node", "key", "bundle", "downlink"}
