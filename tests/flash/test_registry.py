import shutil

import pytest

from device.flash.registry import bundles_of, check_free, next_free, register, set_bundles
from device.flash.tools import FlashError
from host_decoder.config import read_config
from tests.flash.conftest import BUNDLE

KEY = "00112233445566778899aabbccddeeff\n"


def test_the_host_reads_what_was_registered(tmp_path):
    host = tmp_path / "host.toml"
    key_path = register(host, 3, KEY, BUNDLE, "serial-9600")
    register(host, 5, KEY[::-1].strip() + "\n", BUNDLE, "serial-9600")
    config = read_config(host)
    assert [(node.number, node.key.hex()) for node in config.nodes] == [(3, KEY.strip()), (5, KEY.strip()[::-1])]
    assert key_path.stat().st_mode & 0o777 == 0o600
    assert next_free(host) == 6


def test_a_number_that_is_taken_is_refused_and_may_be_replaced(tmp_path):
    host = tmp_path / "host.toml"
    register(host, 3, KEY, BUNDLE, "serial-9600")
    host.write_text(host.read_text() + "# a comment\n")
    with pytest.raises(FlashError, match=r"node 3 is in .* already"):
        check_free(host, 3, replaces=False)
    check_free(host, 3, replaces=True)
    register(host, 3, KEY.replace("0", "1"), BUNDLE, "serial-9600")
    assert [node.key.hex() for node in read_config(host).nodes] == [KEY.strip().replace("0", "1")]


def test_a_host_toml_that_cannot_be_read_is_left_alone(tmp_path):
    (tmp_path / "host.toml").write_text("[[node\n")
    with pytest.raises(FlashError, match=r"host\.toml cannot be read"):
        check_free(tmp_path / "host.toml", 1, replaces=False)


def test_the_bundles_of_one_node_are_set_and_another_nodes_stay(tmp_path):
    host = tmp_path / "host.toml"
    names = ["one", "two", "three", "four", "five"]
    for name in names:
        shutil.copytree(BUNDLE, tmp_path / name)
    register(host, 3, KEY, tmp_path / "one", "serial-9600")
    register(host, 4, KEY, tmp_path / "one", "serial-9600")
    set_bundles(host, 3, ["two", "one", "two"])
    assert bundles_of(host, 3) == ["two", "one"]
    set_bundles(host, 3, names[::-1])
    three, four = sorted(read_config(host).nodes, key=lambda node: node.number)
    assert [bundle.path.name for bundle in (three.bundle, *three.earlier_bundles)] == ["five", "four", "three", "two"]
    assert (four.bundle.path.name, four.earlier_bundles) == ("one", ())


def test_a_host_toml_that_is_laid_out_otherwise_is_not_spoilt(tmp_path):
    host = tmp_path / "host.toml"
    register(host, 3, KEY, BUNDLE, "serial-9600")
    host.write_text(host.read_text().replace('bundle = "', 'bundle = [\n  "').rstrip() + "\n]\n")
    before = host.read_text()
    with pytest.raises(FlashError, match="bundle over several lines"):
        set_bundles(host, 3, ["other"])
    assert host.read_text() == before
    with pytest.raises(FlashError, match="has no node 9"):
        bundles_of(host, 9)
