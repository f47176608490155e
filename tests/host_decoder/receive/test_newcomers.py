"""A node that is flashed while its host runs is heard without a new start."""

import os

import pytest

from host_decoder.config import read_config
from host_decoder.events import Answer
from host_decoder.receive import newcomers
from host_decoder.receive.host import Host
from host_decoder.receive.newcomers import Newcomers
from host_decoder.store.history.reading import Reading
from host_decoder.store.store import Store
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import SmallNode

NEW_KEY = bytes(range(3, 19))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(newcomers, "LOOK_S", 0.0)


@pytest.fixture
def folder(tmp_path, bundle):
    (tmp_path / "nodes").mkdir()
    (tmp_path / "host.toml").write_text('[link]\nport = "127.0.0.1:0"\nprofile = "udp"\n')
    add(tmp_path, bundle, 7, bytes(range(16)))
    return tmp_path


def add(folder, bundle, number: int, key: bytes, more: str = "") -> None:
    (folder / f"{number}.key").write_text(key.hex())
    unfinished = folder / "nodes" / f".{number}"
    unfinished.write_text(
        f'node = {number}\nkey = "{number}.key"\nbundle = "{bundle.path}"\n{more}'
    )
    unfinished.rename(folder / "nodes" / f"{number}.toml")


def test_it_is_heard_and_on_the_wall_from_then_on(folder, bundle):
    config = read_config(folder)
    with Store(config.store) as store, Reading(config.store) as reading:
        host = Host(config.nodes, store)
        watch = Newcomers(config.path, {7})
        assert list(watch.welcome(host)) == []
        new = SmallNode(bundle, NEW_KEY, 9)
        [packet] = new.packets(random_symbols(bundle.tables, 0))
        assert not any(isinstance(event, Answer) for event in host.receive(packet, 0.0))
        add(folder, bundle, 9, NEW_KEY, 'name = "Gate"\nlatitude = 52.5\n')
        [notice] = watch.welcome(host)
        assert notice.sentence == "node 9 is known from now on"
        assert [(row["node"], row["name"]) for row in reading.wall()] == [(9, "Gate")]
        assert any(isinstance(event, Answer) for event in host.receive(packet, 1.0))
        assert list(watch.welcome(host)) == []
        host.close()


def test_the_first_one_is_heard_by_a_host_that_had_none(folder, bundle):
    (folder / "nodes" / "7.toml").unlink()
    config = read_config(folder)
    assert config.nodes == ()
    with Store(config.store) as store:
        host = Host(config.nodes, store)
        watch = Newcomers(config.path, set())
        add(folder, bundle, 9, NEW_KEY)
        [notice] = watch.welcome(host)
        assert notice.sentence == "node 9 is known from now on"
        [packet] = SmallNode(bundle, NEW_KEY, 9).packets(random_symbols(bundle.tables, 0))
        assert any(isinstance(event, Answer) for event in host.receive(packet, 1.0))
        host.close()


def test_one_that_cannot_be_read_is_said_once_and_the_others_go_on(folder, bundle):
    config = read_config(folder)
    with Store(config.store) as store:
        host = Host(config.nodes, store)
        watch = Newcomers(config.path, {7})
        (folder / "nodes" / "8.toml").write_text("node = 8\nkey =")
        add(folder, bundle, 9, NEW_KEY)
        said = [(notice.is_problem, notice.sentence) for notice in watch.welcome(host)]
        assert said[0] == (False, "node 9 is known from now on")
        assert [problem for problem, _ in said] == [False, True]
        assert "8.toml" in said[1][1]
        os.utime(folder / "host.toml", ns=(1, 1))
        assert list(watch.welcome(host)) == []
        assert sorted(host.nodes) == [7, 9]
        host.close()
