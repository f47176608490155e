"""Workers of a fleet at a real broker and a real server, with a real gateway that hears nodes over
UDP: they are answered while they listen, and nothing is lost or counted twice, whoever stops.
"""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from host_decoder.config import read_config
from host_decoder.errors import ConfigError
from host_decoder.events import Answer, Notice
from host_decoder.fleet.program import work
from host_decoder.fleet.worker import Worker
from host_decoder.outputs.config import OutputsConfig
from host_decoder.outputs.sections import PrometheusConfig
from host_decoder.receive import newcomers
from host_decoder.store import leases
from link.gateway.config import read_forwarder
from link.gateway.forwarder import forward
from tests.studies.fleet.nodes import UdpNode, run_nodes
from tests.worlds.broker import broker
from tests.worlds.fleet import SETTINGS, Site, check, wait_until
from tests.worlds.postgres import postgres_server
from tests.worlds.small_host import KEY

LEASE_S = 1.0


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def dsn(server):
    return server.new_database()


@pytest.fixture
def site(tmp_path, dsn, bundle, monkeypatch):
    """A site of three nodes, its gateway at work; leases are short."""
    monkeypatch.setattr(leases, "LEASE_S", LEASE_S)
    monkeypatch.setattr(newcomers, "LOOK_S", 0.0)
    with broker(tmp_path, SETTINGS) as mosquitto:
        site = Site(tmp_path / "farm", "farm", bundle, 3, mosquitto.port, dsn)
        config = read_forwarder(site.folder / "gateway" / "forward.toml")
        with running(lambda over: forward(config, over, lambda sentence: None)):
            yield site


@contextmanager
def running(do):
    """In a thread, until it is told to end."""
    over = threading.Event()
    thread = threading.Thread(target=do, args=[over.is_set])
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


class Hand:
    """A worker in a thread that can be held, as by SIGSTOP."""

    def __init__(self, site: Site) -> None:
        self.worker = Worker([read_config(site.folder)])
        self.said: list[str] = []
        self.answers: list[Answer] = []
        self._goes = threading.Event()
        self._goes.set()

    def __call__(self, should_stop) -> None:
        for said in self.worker.run(should_stop):
            self._goes.wait()
            if said is not None and isinstance(said[1], Notice):
                self.said.append(said[1].sentence)
            elif said is not None and isinstance(said[1], Answer):
                self.answers.append(said[1])

    def hold(self) -> None:
        self._goes.clear()

    def go_on(self) -> None:
        self._goes.set()

    @property
    def has_all(self) -> bool:
        return len(self.worker.partitions) == 16


def speak(site: Site, seconds: float) -> int:
    """Images that were acknowledged meanwhile; in the end each waits for its last."""
    before, end_s = len(site.acknowledged), time.monotonic() + seconds
    run_nodes(
        site.nodes,
        lambda now_s: now_s > end_s + 30.0,
        lambda now_s: now_s > end_s,
    )
    return len(site.acknowledged) - before


def test_nodes_are_answered_while_they_listen_and_one_that_comes_later_too(site, dsn, bundle):
    hand = Hand(site)
    with running(hand):
        wait_until(lambda: hand.has_all)
        assert hand.worker.is_leader
        assert speak(site, 1.0) >= 3
        (site.folder / "nodes").mkdir()
        (site.folder / "nodes" / "9.toml").write_text(
            f'node = 9\nkey = "9.key"\nbundle = "{bundle.path}"\n'
        )
        (site.folder / "9.key").write_text(KEY.hex())
        wait_until(lambda: any("node 9 is known" in one for one in hand.said))
        site.nodes.append(UdpNode(bundle, KEY, 9, b"salt", site.radio))
        speak(site, 0.5)
    assert len(site.nodes[-1].acknowledged) > 0
    assert check(dsn, site.acknowledged) == (0, 0)
    assert {answer.node for answer in hand.answers} == {1, 2, 3, 9}


def test_a_worker_that_slept_past_its_lease_stores_nothing_and_shares_again(site, dsn):
    first, second = Hand(site), Hand(site)
    with running(first):
        wait_until(lambda: first.has_all)
        speak(site, 0.5)
        first.hold()
        with running(second):
            wait_until(lambda: second.has_all)
            assert speak(site, 0.5) >= 3
            first.go_on()
            wait_until(lambda: len(second.worker.partitions) == 8)
            wait_until(lambda: len(first.worker.partitions) == 8)
            assert speak(site, 0.5) >= 3
        wait_until(lambda: first.has_all)  # who ends in order lets go at once
    assert check(dsn, site.acknowledged) == (0, 0)


def test_a_server_that_is_started_anew_costs_time_and_nothing_else(site, dsn, server):
    hand = Hand(site)
    with running(hand):
        wait_until(lambda: hand.has_all)
        speak(site, 0.3)
        server.stop("immediate")
        with running(lambda over: speak(site, 3.0)):
            wait_until(lambda: any("nothing is acknowledged" in one for one in hand.said))
            server.start()
        wait_until(lambda: hand.has_all)
        assert speak(site, 0.5) >= 3
        assert any("is written again" in one for one in hand.said)
    assert check(dsn, site.acknowledged) == (0, 0)


def test_a_worker_as_a_program_says_whose_answers_these_are(site):
    lines: list[dict] = []
    said: list[str] = []
    config = read_config(site.folder)
    with running(lambda over: work([config], over, lines.append, said.append)):
        wait_until(lambda: "works on 16 of 16 partitions" in said)
        speak(site, 0.2)
    assert lines
    assert {(line["site"], line["event"]) for line in lines} == {("farm", "answer")}
    assert not any(secret in str(said) for secret in (KEY.hex(), site.dsn.split(":")[2]))


def test_sites_of_two_stores_are_no_fleet(site, tmp_path, bundle):
    other = Site(tmp_path / "mill", "mill", bundle, 1, 1, "postgresql://elsewhere/db")
    configs = [read_config(one.folder) for one in (site, other)]
    with pytest.raises(ConfigError, match="have other stores or brokers"):
        Worker(configs)
    with pytest.raises(ConfigError, match="two host folders are of site farm"):
        Worker([configs[0], configs[0]])
    figures = OutputsConfig(prometheus=PrometheusConfig())
    one, two = (replace(configs[0], site=name, outputs=figures) for name in ("farm", "mill"))
    with pytest.raises(ConfigError, match=r"two sites have \[prometheus\] at 127"):
        Worker([one, two])
