"""One store that two workers write together: all of it at once, or nothing, and not beside a host
that has the site for itself.
"""

import threading
import time

import pytest

from host_decoder.config import KnownNode
from host_decoder.events import Answer
from host_decoder.receive.host import Host
from host_decoder.store.database.file import StoreHeldError
from host_decoder.store.followed import Follower
from host_decoder.store.leases import LeaseLostError
from host_decoder.store.shared import SharedStore
from host_decoder.store.store import Store
from tests.worlds.postgres import postgres_server
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode
from tests.worlds.stored import read


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def dsn(server):
    return server.new_database()


def hear(host: Host, node: SmallNode, seed: int = 1) -> list[Answer]:
    symbols = random_symbols(node.bundle.tables, seed)
    events = [one for packet in node.packets(symbols) for one in host.receive(packet, 1.0)]
    return [event for event in events if isinstance(event, Answer)]


def images(dsn: str) -> list[tuple[str, int]]:
    query = (
        "SELECT sites.name, number FROM results JOIN nodes ON nodes.id = node_id "
        "JOIN sites ON sites.id = site_id ORDER BY 1, 2"
    )
    with Store(dsn, must_exist=True) as store:
        return [(row["name"], row["number"]) for row in read(store, query)]


def test_two_sites_are_stored_in_one_transaction_and_nothing_before(dsn, bundle):
    shared = SharedStore(dsn, ["farm", "mill"], "a")
    hosts = [Host([KnownNode(NODE, KEY, bundle)], shared.of(site)) for site in ("farm", "mill")]
    for host in hosts:
        assert len(hear(host, SmallNode(bundle))) == 1
    assert images(dsn) == []
    epoch = shared.leases.take("p01")
    assert epoch is not None
    assert shared.commit({"p01": epoch})
    assert images(dsn) == [("farm", NODE), ("mill", NODE)]
    assert not shared.commit({"p01": epoch})
    shared.close()


def test_without_its_lease_nothing_is_stored_and_a_new_host_begins_with_what_is(dsn, bundle):
    shared, node = SharedStore(dsn, ["farm"], "a"), SmallNode(bundle)
    nodes = [KnownNode(NODE, KEY, bundle)]
    hear(Host(nodes, shared.of("farm")), node)
    with pytest.raises(LeaseLostError):
        shared.commit({"p01": 1})
    assert images(dsn) == []
    again = Host(nodes, shared.of("farm"))
    assert len(hear(again, node, seed=2)) == 1
    shared.commit({})
    assert images(dsn) == [("farm", NODE)]
    shared.close()


def test_workers_share_a_site_and_a_single_host_does_not(dsn):
    first, second = SharedStore(dsn, ["farm"], "a"), SharedStore(dsn, ["farm"], "b")
    with pytest.raises(StoreHeldError, match="in use by another host of site farm"):
        Store(dsn, site="farm")
    first.close()
    second.close()
    with Store(dsn, site="farm"), pytest.raises(StoreHeldError):
        SharedStore(dsn, ["farm"], "a")


def test_who_follows_is_told_what_is_stored_and_that_something_was_missed(dsn, bundle):
    shared = SharedStore(dsn, ["farm"], "a")
    host = Host([KnownNode(NODE, KEY, bundle)], shared.of("farm"))
    lines = [f'{{"n": {number}, "pad": "{"x" * 3000}"}}' for number in range(5)]

    def store_soon() -> None:
        time.sleep(0.3)
        hear(host, SmallNode(bundle))
        shared.commit({}, [*lines, "x" * 9000])

    with Follower(dsn) as follower:
        assert follower.lines(0.1) == [None]
        threading.Thread(target=store_soon).start()
        heard: list[str | None] = []
        end_s = time.monotonic() + 30
        while len(heard) < 5 and time.monotonic() < end_s:
            heard += follower.lines(0.5)
        assert heard == lines
    shared.close()
