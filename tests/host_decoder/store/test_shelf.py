"""A store that takes nothing for a while: said once, nothing acknowledged, nothing lost, told when
it is over.
"""

import sqlite3
from contextlib import closing
from itertools import pairwise

import pytest

from host_decoder.events import Answer, Notice
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.host import Host
from host_decoder.store.database.file import StoreError
from host_decoder.store.shelf import LONGEST_PAUSE_S, MAX_HELD
from host_decoder.store.store import Store
from link.host.interface import Rejected
from link.medium.profiles import get_profile
from link.medium.regions import governor_for
from link.medium.timing import LinkTiming
from link.wire.control import Report
from link.wire.packet import Flag
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode
from tests.worlds.stored import raw

TIMING = LinkTiming(get_profile("lora-sf7"))


@pytest.fixture
def host(node_entry, store):
    return Host([node_entry], store, timing=TIMING)


@pytest.fixture
def node(bundle):
    return SmallNode(bundle)


@pytest.fixture
def other(store):
    """Another program with the same file open."""
    with closing(sqlite3.connect(store.place, isolation_level=None)) as other:
        yield other


def packet(node: SmallNode, seed: int = 0) -> bytes:
    [packet] = node.packets(random_symbols(node.bundle.tables, seed), flags=Flag.LISTEN)
    return packet


def of_kind(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def spoken(host: Host, now_s: float) -> bytes | None:
    downlink = host.next_packet(now_s)
    return downlink.packet if downlink else None


def run_until_well(host: Host, now_s: float) -> list:
    """All events of the tries in the minute from now_s on."""
    return [event for second in range(60) for event in host.count_in_time(now_s + second)]


def test_a_locked_store_is_said_once_and_everything_is_stored_in_order_when_it_is_free(
    host, node, store, other
):
    other.execute("BEGIN IMMEDIATE")
    images = []
    said = []
    for second in range(5):
        said += host.receive(packet(node, second), float(second))
        assert spoken(host, second + 0.5) is None
        said += host.count_in_time(second + 0.9)
    [notice] = said
    assert "is locked by another program" in notice.sentence
    assert store.state(NODE, KEY) is None
    other.execute("ROLLBACK")
    events = run_until_well(host, 5.0)
    images = [event.image for event in of_kind(Answer, events)]
    assert len(images) == 5
    assert images == sorted(images)
    assert [event.sentence for event in of_kind(Notice, events) if event.is_problem] == [
        "the store is written again: 5 packets that came meanwhile are in it"
    ]
    assert store.statistics()["nodes"][0]["images"] == 5
    report = node.hear(spoken(host, 66.0))
    assert isinstance(report, Report)
    assert bin(report.received).count("1") == 5


def test_pauses_between_tries_grow_and_end_at_the_longest(host, node, other):
    other.execute("BEGIN IMMEDIATE")
    host.receive(packet(node), 0.0)
    tries = []
    for now_s in (0.1 * tick for tick in range(300)):
        if host._shelf.is_due(now_s):
            tries.append(now_s)
            host.count_in_time(now_s)
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_S, abs=0.11)


def test_a_full_disk_is_the_same(host, node, store):
    host.receive(packet(node), 0.0)
    [[n_pages]] = raw(store).execute("PRAGMA page_count")
    raw(store).execute(f"PRAGMA max_page_count = {n_pages}")
    sent, said = 1, list[Notice]()
    while not said:
        said = of_kind(Notice, host.receive(packet(node, sent), float(sent)))
        sent += 1
    assert "has no room on its disk; free some space" in said[0].sentence
    assert spoken(host, sent + 1.0) is None
    raw(store).execute("PRAGMA max_page_count = 1000000")
    assert len(of_kind(Answer, run_until_well(host, sent + 1.0))) == 1
    assert store.statistics()["nodes"][0]["images"] == sent


def test_a_store_that_was_moved_away_takes_nothing_until_it_is_back(host, node, store):
    """What is written into a file without a name is lost with the program."""
    host.receive(packet(node), 0.0)
    aside = store.place.with_name("aside.sqlite")
    store.place.rename(aside)
    [notice] = host.receive(packet(node, 1), 1.0)
    assert "was moved, deleted or replaced" in notice.sentence
    aside.rename(store.place)
    assert len(of_kind(Answer, run_until_well(host, 2.0))) == 1


def test_a_store_whose_log_was_deleted_takes_nothing_more_and_loses_nothing(
    node_entry, node, tmp_path
):
    """Until the next checkpoint the log is where everything is."""
    with Store(tmp_path / "host.sqlite") as store:
        host = Host([node_entry], store, timing=TIMING)
        host.receive(packet(node), 0.0)
        (tmp_path / "host.sqlite-wal").unlink()
        [notice] = of_kind(Notice, host.receive(packet(node, 1), 1.0))
        assert "or its log was moved, deleted or replaced" in notice.sentence
    with Store(tmp_path / "host.sqlite", must_exist=True) as store:
        assert store.statistics()["nodes"][0]["images"] == 1


def test_what_waits_is_opened_once(host, node, other):
    """Held back and played again meanwhile, a packet is a duplicate as ever."""
    other.execute("BEGIN IMMEDIATE")
    one = packet(node)
    for now_s in (0.0, 0.1, 0.2):
        host.receive(one, now_s)
    other.execute("ROLLBACK")
    events = run_until_well(host, 1.0)
    assert len(of_kind(Answer, events)) == 1
    assert [event.reason for event in of_kind(Rejected, events)] == ["duplicate", "duplicate"]


def test_counts_are_not_lost_or_counted_twice(host, store, other):
    other.execute("BEGIN IMMEDIATE")
    host.noise(3)
    [notice] = host.count_in_time(0.0)
    assert "is locked" in notice.sentence
    host.noise(2)
    other.execute("ROLLBACK")
    run_until_well(host, 10.0)
    host.close()
    assert [(row["reason"], row["n"]) for row in store.statistics()["refusals"]] == [("noise", 5)]


def test_memory_is_bounded_and_what_did_not_fit_is_told(host, node, other):
    other.execute("BEGIN IMMEDIATE")
    host.receive(packet(node), 0.0)
    for _ in range(MAX_HELD + 9):
        host.receive(b"garbage", 0.1)
    other.execute("ROLLBACK")
    events = [event for turn in range(MAX_HELD) for event in host.count_in_time(10.0 + turn)]
    assert len(of_kind(Answer, events)) == 1
    assert any(
        "10 more did not fit in memory" in event.sentence for event in of_kind(Notice, events)
    )


def test_at_the_end_the_store_is_tried_once_more(host, node, store, other):
    other.execute("BEGIN IMMEDIATE")
    host.receive(packet(node), 0.0)
    assert host.settle(0.01) == []
    with pytest.raises(
        StoreError, match=r"is locked .*; 1 packets that came meanwhile are not stored"
    ):
        host.close()
    other.execute("ROLLBACK")
    assert len(of_kind(Answer, host.settle(0.02))) == 1
    host.close()
    assert store.statistics()["nodes"][0]["images"] == 1


def test_airtime_that_cannot_be_written_down_is_not_used_and_the_host_goes_on(
    node_entry, node, store, tmp_path
):
    ledger = tmp_path / "ledgers" / "airtime.json"
    ledger.parent.mkdir()
    governor = governor_for("eu868", 869_525_000, TIMING.profile, ledger, now_s=0.0, boot="b")
    host = Host([node_entry], store, timing=TIMING, gateways=[GatewayEntry(governor=governor)])
    ledger.parent.rename(tmp_path / "away")
    assert len(of_kind(Answer, host.receive(packet(node), 0.0))) == 1
    assert [spoken(host, 0.5 + second) for second in range(3)] == [None] * 3
    [notice] = of_kind(Notice, host.count_in_time(4.0))
    assert "airtime.json cannot be written" in notice.sentence
    assert host.count_in_time(4.1) == []
    (tmp_path / "away").rename(ledger.parent)
    assert isinstance(node.hear(spoken(host, 4.5 + LONGEST_PAUSE_S)), Report)


def test_a_start_that_hears_nothing_leaves_the_figures_of_the_one_before(
    node_entry, node, tmp_path
):
    with Store(tmp_path / "host.sqlite") as store:
        host = Host([node_entry], store, timing=TIMING)
        host.receive(packet(node), 0.0)
        host.close()
        Host([node_entry], store, timing=TIMING).close()
        assert [row["received"] for row in store.statistics()["link"]] == [1]
