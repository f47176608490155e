"""A node that was lost is heard no more, from whatever copy its key returns; its number is free."""

import pytest

from host_decoder import commands
from host_decoder.config import read_config
from host_decoder.errors import HostError
from host_decoder.events import Answer, Notice
from host_decoder.receive.host import Host
from host_decoder.service.retirement import retire
from host_decoder.store.database.file import Lock
from host_decoder.store.store import Store
from link.host.interface import NotUsed
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode

DAY = "2026-11-30"
OTHER, OTHER_KEY, NEW_KEY = 8, bytes(range(1, 17)), bytes(range(50, 66))


@pytest.fixture
def other(host, bundle):
    """Another node, which stays."""
    (host.parent / "keys" / f"node-{OTHER}.key").write_text(OTHER_KEY.hex())
    (host.parent / "nodes" / f"{OTHER}.toml").write_text(
        f'node = {OTHER}\nkey = "keys/node-{OTHER}.key"\nbundle = "{bundle.path}"\n'
    )


def files(host) -> set[str]:
    names = (path.relative_to(host.parent) for path in host.parent.rglob("*") if path.is_file())
    return {str(name) for name in names}


def test_its_files_go_and_everything_else_stays(host, other):
    (host.parent / "teams").mkdir()
    (host.parent / "teams" / f"{NODE}.toml").touch()
    before = files(host)
    assert retire(host, NODE, DAY) == []
    gone = {f"keys/node-{NODE}.key", f"nodes/{NODE}.toml", f"teams/{NODE}.toml"}
    assert files(host) == (before - gone) | {"revoked.json"}
    assert [node.number for node in read_config(host).nodes] == [OTHER]


def test_its_packets_are_refused_and_the_number_s_new_card_is_heard(host, other, bundle):
    symbols = random_symbols(bundle.tables, 1)
    [lost] = SmallNode(bundle, KEY).packets(symbols)
    [found] = SmallNode(bundle, NEW_KEY).packets(symbols)
    with Store(host.parent / "host.sqlite") as store:
        assert kinds(Host(read_config(host).nodes, store).receive(lost, now_s=0.0)) == {Answer}
    retire(host, NODE, DAY)
    with Store(host.parent / "host.sqlite") as store:
        assert kinds(Host(read_config(host).nodes, store).receive(lost, now_s=0.0)) == {NotUsed}
    (host.parent / "keys" / f"node-{NODE}.key").write_text(NEW_KEY.hex())
    (host.parent / "nodes" / f"{NODE}.toml").write_text(
        f'node = {NODE}\nkey = "keys/node-{NODE}.key"\nbundle = "{bundle.path}"\n'
    )
    with Store(host.parent / "host.sqlite") as store:
        heard = Host(read_config(host).nodes, store)
        [later] = SmallNode(bundle, KEY, start=99).packets(symbols)
        assert kinds(heard.receive(later, now_s=0.0)) == {NotUsed}
        assert kinds(heard.receive(found, now_s=1.0)) == {Answer}


def kinds(events) -> set[type]:
    return {type(event) for event in events if not isinstance(event, Notice)}


def test_a_copy_of_its_file_from_a_backup_is_refused(host, other):
    names = (f"keys/node-{NODE}.key", f"nodes/{NODE}.toml")
    backup = {name: (host.parent / name).read_text() for name in names}
    retire(host, NODE, DAY)
    for name, text in backup.items():
        (host.parent / name).write_text(text)
    config = read_config(host)
    assert [node.number for node in config.nodes] == [OTHER]
    [warning] = config.warnings
    assert f"the key of node {NODE} was revoked on {DAY}" in warning


def test_under_another_number_or_in_host_toml_it_is_refused_too(host, other, bundle):
    (host.parent / "mine.key").write_text(KEY.hex())
    host.write_text(
        host.read_text() + f'[[node]]\nnode = 9\nkey = "mine.key"\nbundle = "{bundle.path}"\n'
    )
    retire(host, NODE, DAY)
    config = read_config(host)
    assert [node.number for node in config.nodes] == [OTHER]
    assert f"the key of node 9 was revoked on {DAY}, when node {NODE} was retired" in str(
        config.warnings
    )


def test_what_a_person_wrote_is_left_to_the_person(host, bundle, other):
    entry = f'[[node]]\nnode = {NODE}\nkey = "{host.parent.parent}/mine.key"\n'
    (host.parent.parent / "mine.key").write_text(bytes(16).hex())
    host.write_text(host.read_text() + entry + f'bundle = "{bundle.path}"\n')
    before = host.read_text()
    [notice] = retire(host, NODE, DAY)
    assert f"take the [[node]] of node {NODE} out of" in notice
    assert host.read_text() == before
    assert (host.parent.parent / "mine.key").exists()
    assert [node.number for node in read_config(host).nodes] == [OTHER]


def test_a_node_of_a_network_is_told_to_be_deleted_there(host, other):
    (host.parent / "nodes" / "9.toml").write_text(
        'node = 9\ndevice = "70b3d57ed005b89a"\nbundle = "b"\n'
    )
    [notice] = retire(host, 9, DAY)
    assert "delete the device there too" in notice


def test_a_host_that_runs_hears_it_until_it_is_started_again(host):
    (host.parent / "host.sqlite").touch()
    lock = Lock(host.parent / "host.sqlite")
    [notice] = retire(host, NODE, DAY)
    lock.close()
    assert "hears node 7 until it is started again" in notice


def test_one_that_is_not_there_is_named_with_those_that_are(host, other, capsys):
    with pytest.raises(HostError, match="has no node 9; it has 7, 8"):
        retire(host, 9, DAY)
    assert commands.main(["retire", "9", str(host.parent)]) == 1
    assert commands.main(["retire", "8", str(host.parent)]) == 0
    assert "node 8 is retired: its key is revoked, its number is free" in capsys.readouterr().err


def test_the_last_one_retired_leaves_a_host_that_says_so(host):
    retire(host, NODE, DAY)
    assert "names no node yet" in read_config(host).warnings[-1]
