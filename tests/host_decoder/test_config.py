"""host.toml is read once; what is wrong with it is a sentence."""

import shutil

import pytest

from host_decoder.config import ConfigError, read_config
from link.bundle import BundleError
from link.keys import KeyStateError, provision
from link.profiles import get_profile

HOST_TOML = """
store = "data.sqlite"
bundles = "bundles"
[link]
port = "/dev/ttyUSB0"
profile = "lora-sf9"
[[node]]
id = 7
key = "keys"
bundle = "bundles/blobs"
"""


@pytest.fixture
def write(tmp_path, bundle, other_bundle):
    """Writes host.toml with a text in it replaced; beside it keys and two bundles."""
    provision(tmp_path / "keys", 7)
    shutil.copytree(bundle.path, tmp_path / "bundles" / "blobs")
    shutil.copytree(other_bundle.path, tmp_path / "bundles" / "other")

    def write(old="", new=""):
        assert old in HOST_TOML
        (tmp_path / "host.toml").write_text(HOST_TOML.replace(old, new) if old else HOST_TOML)
        return tmp_path / "host.toml"

    return write


def test_everything_is_read(write, tmp_path, bundle, other_bundle):
    config = read_config(write())
    assert (config.port, config.bitrate_bps) == ("/dev/ttyUSB0", 115_200)
    assert config.profile == get_profile("lora-sf9")
    assert config.store == tmp_path / "data.sqlite"
    [node] = config.nodes
    assert (node.number, node.key.hex()) == (7, (tmp_path / "keys" / "node.key").read_text().strip())
    assert node.bundle.id == bundle.id
    assert {held.id for held in config.other_bundles} == {bundle.id, other_bundle.id}
    assert config.warnings == ()


def test_a_key_is_not_printed(write):
    config = read_config(write())
    assert config.nodes[0].key.hex() not in repr(config)


def test_a_key_may_be_a_file(write, tmp_path):
    shutil.copy(tmp_path / "keys" / "node.key", tmp_path / "copy.key")
    assert read_config(write('"keys"', '"copy.key"')).nodes[0].key == read_config(write()).nodes[0].key


def test_a_cable_without_a_profile_has_a_usual_bitrate(write):
    assert read_config(write('profile = "lora-sf9"', "")).bitrate_bps == 9600
    assert read_config(write('profile = "lora-sf9"', "bitrate_bps = 57600")).bitrate_bps == 57_600


def test_a_damaged_bundle_among_the_others_is_left_out_and_said(write, tmp_path):
    (tmp_path / "bundles" / "other" / "tables.npz").write_bytes(b"damaged")
    config = read_config(write())
    assert len(config.other_bundles) == 1
    [warning] = config.warnings
    assert "tables.npz" in warning


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("store", "sotre", "unknown key 'sotre'; known are bundles, link, node, store"),
        ('port = "/dev/ttyUSB0"', "", r"\[link\] of .* lacks 'port'"),
        ('"/dev/ttyUSB0"', "4", "port = 4, it must be of type str"),
        ("lora-sf9", "lora-sf99", "lora-sf99.*there are: .*lora-sf7"),
        ("id = 7", "id = 0", "node with id 0; ids are from 1 to 254"),
        ("id = 7", "id = true", "id = True, it must be of type int"),
        ("[[node]]", "[[node]", "is not valid TOML"),
        ('"keys"', '"nokeys"', "key .*nokeys cannot be read .*copy the node's node.key there"),
        ('bundles = "bundles"', 'bundles = "elsewhere"', "folder of bundles .*elsewhere does not exist"),
    ],
)
def test_a_fault_is_a_sentence(write, old, new, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_config(write(old, new))


def test_two_nodes_cannot_have_one_id(write):
    path = write()
    path.write_text(path.read_text() + '[[node]]\nid = 7\nkey = "keys"\nbundle = "bundles/blobs"\n')
    with pytest.raises(ConfigError, match="id 7; ids are from 1 to 254, each once"):
        read_config(path)


def test_a_host_without_nodes_is_told_to_add_one(write, tmp_path):
    path = tmp_path / "host.toml"
    path.write_text('node = []\n[link]\nport = "/dev/ttyUSB0"\n')
    with pytest.raises(ConfigError, match="names no node"):
        read_config(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no .*host\.toml"):
        read_config(tmp_path / "host.toml")


def test_a_damaged_key_keeps_its_own_sentence(write, tmp_path):
    (tmp_path / "keys" / "node.key").write_text("short")
    with pytest.raises(KeyStateError, match="holds no key"):
        read_config(write())


def test_a_missing_bundle_keeps_its_own_sentence(write):
    with pytest.raises(BundleError, match="there is no bundle at"):
        read_config(write("bundles/blobs", "bundles/nothing"))
