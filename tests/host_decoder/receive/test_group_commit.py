"""What came meanwhile is stored in one transaction, and nothing is acknowledged before it is on the
disk.
"""

from dataclasses import replace

import pytest

from host_decoder.config import KnownNode
from host_decoder.events import Answer, Notice
from host_decoder.receive import host as receive_host
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.host import PACKETS_PER_BATCH, Host
from host_decoder.store.store import Store
from link.carriers.carrier import Received
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.packet import Flag
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, right_label
from tests.worlds.stored import raw, read

OTHER_KEY = bytes(range(1, 17))
TIMING = LinkTiming(get_profile("udp"))


@pytest.fixture
def host(bundle, store):
    nodes = [KnownNode(NODE, KEY, bundle), KnownNode(8, OTHER_KEY, bundle)]
    gateways = [GatewayEntry("cellar"), GatewayEntry("roof")]
    return Host(nodes, store, timing=TIMING, gateways=gateways)


@pytest.fixture
def node(bundle):
    return SmallNode(bundle)


def packets(node: SmallNode, n: int) -> list[bytes]:
    return [
        packet
        for seed in range(n)
        for packet in node.packets(random_symbols(node.bundle.tables, seed), flags=Flag.LISTEN)
    ]


def at(gateway: int, sent: list[bytes]) -> list[tuple[int, Received]]:
    return [(gateway, Received(packet)) for packet in sent]


def answers(events) -> list[Answer]:
    return [event for event in events if isinstance(event, Answer)]


def commits(store: Store) -> list[str]:
    """Every commit from here on."""
    said: list[str] = []
    raw(store).set_trace_callback(lambda sql: said.append(sql) if sql == "COMMIT" else None)
    return said


def test_what_came_through_all_gateways_is_one_transaction(host, node, bundle, store):
    other = SmallNode(bundle, OTHER_KEY, node=8)
    first, second = packets(node, 5), packets(other, 5)
    done = commits(store)
    events = host.receive_all(at(0, first) + at(1, second), 0.0)
    assert len(done) == 1
    assert len(answers(events)) == 10
    assert read(store, "SELECT count(*) AS n FROM packets") == [{"n": 10}]


def test_a_batch_is_bounded_so_that_the_first_is_answered_while_it_listens(host, node, store):
    done = commits(store)
    host.receive_all(at(0, packets(node, 2 * PACKETS_PER_BATCH + 1)), 0.0)
    assert len(done) == 3


def test_chunks_of_an_image_that_come_in_one_batch_are_one_image(host, bundle, store):
    node = SmallNode(bundle, chunk_bytes=2)
    symbols = random_symbols(bundle.tables, 0)
    sent = node.packets(symbols)
    assert len(sent) > 2
    events = answers(host.receive_all(at(0, [sent[0], *sent[:0:-1]]), 0.0))
    assert events[-1].is_complete
    assert events[-1].label == right_label(symbols)
    rows = read(store, "SELECT is_latest FROM results ORDER BY rev")
    assert [row["is_latest"] for row in rows] == [0] * (len(rows) - 1) + [1]


def test_a_second_gateway_in_the_same_batch_is_stored_as_one_that_heard_it_too(host, node, store):
    [packet] = packets(node, 1)
    host.receive_all(at(1, [packet]) + at(0, [packet, packet]), 0.0)
    host.close()
    rows = read(store, "SELECT gateway FROM receptions ORDER BY gateway")
    assert [row["gateway"] for row in rows] == ["cellar", "roof"]


def test_what_a_gateway_says_twice_in_a_batch_counts_once(host, node, store):
    [packet] = packets(node, 1)
    said = [(0, Received(packet, heard_unix_s=1000.0))] * 2
    host.receive_all(said, 0.0)
    host.close()
    [[n_packets], [n_heard]] = (
        [row["n"] for row in read(store, query)]
        for query in (
            "SELECT count(*) AS n FROM receptions",
            "SELECT sum(n_packets) AS n FROM link_hour",
        )
    )
    assert n_packets == n_heard == 1


def test_one_packet_that_no_store_can_hold_costs_the_others_nothing(host, node, store, monkeypatch):
    """Nothing that a node can send is such a packet; a decoder of ours might answer one."""
    answers_of = receive_host.answer_all

    def answer_all(questions):
        return [
            replace(said, bitstream_bytes=1 << 80) if said and said.counter == 3 else said
            for said in answers_of(questions)
        ]

    monkeypatch.setattr(receive_host, "answer_all", answer_all)
    events = host.receive_all(at(0, packets(node, 4)), 0.0)
    assert len(answers(events)) == 3
    [notice] = [event for event in events if isinstance(event, Notice) and event.is_problem]
    assert "cannot hold what came, which is left out" in notice.sentence
    assert read(store, "SELECT count(*) AS n FROM results") == [{"n": 3}]
    assert not host.is_behind


def test_a_batch_that_is_stored_later_is_stored_once(host, node, store):
    aside = store.place.with_name("aside")
    store.place.rename(aside)
    sent = packets(node, 3)
    [notice] = host.receive_all(at(0, sent[:2]), 0.0)
    assert "was moved" in notice.sentence
    host.receive_all(at(0, sent[2:]), 0.1)
    assert host.next_packet(0.2) is None
    aside.rename(store.place)
    events = [event for second in range(1, 9) for event in host.count_in_time(float(second))]
    assert [event.counter for event in answers(events)] == sorted(
        event.counter for event in answers(events)
    )
    assert len(answers(events)) == 3
    assert read(store, "SELECT sum(n) AS n FROM label_hour") == [{"n": 3}]
    assert host.next_packet(9.0) is not None


def test_an_image_that_is_sent_again_after_a_start_counts_once(node, bundle, store):
    """The answer was lost with the host, after all was stored."""
    known = [KnownNode(NODE, KEY, bundle)]
    [chunk] = node.chunks(random_symbols(bundle.tables, 0), image=next(node._counters))
    for _ in range(3):
        host = Host(known, store, timing=TIMING)
        assert len(answers(host.receive(node.seal_chunk(chunk, Flag.LISTEN), 0.0))) == 1
        assert host.next_packet(0.1) is not None
        host.close()
        store._memory, store._names = type(store._memory)(), None
    assert read(store, "SELECT count(*) AS n FROM results") == [{"n": 1}]
    for table, count in (("label_hour", "n"), ("node_hour", "n_images")):
        assert read(store, f"SELECT sum({count}) AS n FROM {table}") == [{"n": 1}]
