"""Who takes over nodes asks all about them at once, and their first packets ask nothing more."""

import pytest
from sqlalchemy import event

from host_decoder.config import KnownNode
from host_decoder.receive.host import Host
from host_decoder.store.shared import SharedStore
from host_decoder.store.store import Store
from link.host import NotUsed
from tests.worlds.postgres import postgres_server
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, SmallNode
from tests.worlds.stored import read

N_NODES = 9
MOST_QUESTIONS = 6
"Site, leases, decoder, and the labels of one seed: none of them for each node."


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


def listening(shared: SharedStore) -> list[str]:
    """What is asked from now on, by the first word."""
    asked: list[str] = []
    event.listen(
        shared.database._engine,
        "before_cursor_execute",
        lambda _c, _k, statement, *_: asked.append(statement.split()[0]),
    )
    return asked


def hear(host: Host, nodes: list[SmallNode], seed: int) -> list[object]:
    return [
        one
        for node in nodes
        for packet in node.packets(random_symbols(node.bundle.tables, seed))
        for one in host.receive(packet, 1.0)
    ]


def test_all_that_first_packets_ask_is_known_before_they_come(server, bundle):
    dsn = server.new_database()
    known = [KnownNode(number, KEY, bundle) for number in range(1, N_NODES + 1)]
    nodes = [SmallNode(bundle, node=one.number) for one in known]
    first = SharedStore(dsn, ["farm"], "first")
    first.preload({"farm": known})
    asked = listening(first)
    hear(Host(known, first.of("farm")), nodes, seed=1)
    assert asked == []
    recording = nodes[0].packets(random_symbols(bundle.tables, 2))
    assert first.commit({})
    assert asked.count("SELECT") <= MOST_QUESTIONS
    first.close()

    second = SharedStore(dsn, ["farm"], "second")
    second.preload({"farm": known[:-1]})
    asked = listening(second)
    host = Host(known[:-1], second.of("farm"))
    hear(host, nodes[:-1], seed=3)
    assert asked == []
    assert second.commit({})
    assert asked.count("SELECT") <= MOST_QUESTIONS
    assert not any(isinstance(one, NotUsed) for one in host.receive(recording[0], 2.0))
    host.add_nodes(known[-1:])  # one that was not preloaded is asked for
    hear(host, nodes[-1:], seed=3)
    second.commit({})
    second.close()
    with Store(dsn, must_exist=True) as store:
        counts = read(store, "SELECT node_id, n_packets, n_results FROM node_state ORDER BY 1")
        assert [row["n_results"] for row in counts] == [3, *[2] * (N_NODES - 1)]
        twice = "SELECT image FROM results GROUP BY sender, image HAVING count(*) > 1"
        assert read(store, twice) == []


def test_two_hosts_of_one_site_count_what_both_refused(server, bundle):
    dsn = server.new_database()
    shared = SharedStore(dsn, ["farm"], "a")
    hosts = [Host([KnownNode(number, KEY, bundle)], shared.of("farm")) for number in (1, 2)]
    for number, host in enumerate(hosts, 1):
        host.receive(b"\x00", 1.0)
        hear(host, [SmallNode(bundle, node=number)], seed=1)
    assert shared.commit({})
    shared.close()
    with Store(dsn, must_exist=True) as store:
        assert [row["n"] for row in read(store, "SELECT n FROM refusals")] == [2]
