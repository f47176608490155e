"""The same store at a real PostgreSQL server: many sites, one writer each, days that are let go of,
and a server that goes away.
"""

import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from host_decoder.config import KnownNode
from host_decoder.events import Answer, Notice
from host_decoder.receive.host import Host
from host_decoder.store.database.access import rows
from host_decoder.store.database.file import StoreError, StoreHeldError
from host_decoder.store.database.opening import open_database
from host_decoder.store.database.partitions import (
    DAILY_TABLES,
    DAY_S,
    DAYS_AHEAD,
    days_there,
    drop_days,
)
from host_decoder.store.history.desk import Desk
from host_decoder.store.history.jobs import run_waiting
from host_decoder.store.history.reading import Filter, Reading, key_of
from host_decoder.store.receipt import Receipt, ReceivedPacket
from host_decoder.store.store import Store
from link.host.interface import NodeState
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.control import Quality
from link.wire.packet import Chunk, Flag
from tests.worlds.browser_request import ask
from tests.worlds.postgres import postgres_server
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_fleet import SITE, SmallFleet, fill
from tests.worlds.small_host import BUNDLE, KEY, NODE, SmallNode, answer
from tests.worlds.stored import read

TODAY_S = time.time() // DAY_S * DAY_S + 3600


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def dsn(server):
    return server.new_database()


def receipt(image: int, node: int = NODE, label: int = 1, n_chunks: int = 1) -> Receipt:
    counter, received_s = image + n_chunks, TODAY_S + image + n_chunks
    told = replace(answer(image, label=label, n_chunks=n_chunks), node=node, received_s=received_s)
    chunk = Chunk(image, n_chunks - 1, True, b"\x05\0\xff", 2.0)
    packet = ReceivedPacket(counter, BUNDLE, (chunk,), b"sealed\0", "roof", Quality(7.0, -80.0))
    state = NodeState(b"salt", counter, (1 << 64) - 1, bytes(range(8)))
    return Receipt(node, KEY, state, received_s, (packet,), (told,))


def test_a_server_keeps_what_a_file_keeps(dsn, tmp_path):
    """The same questions have the same answers."""
    found = []
    for place in (dsn, tmp_path / "host.sqlite"):
        with Store(place, site="farm") as store:
            assert store.state(NODE, KEY) is None
            store.add_all([receipt(1, label=0), receipt(1, label=2, n_chunks=2), receipt(5)])
            assert store.state(NODE, KEY) == NodeState(b"salt", 6, (1 << 64) - 1, bytes(range(8)))
            assert store.newest_image(NODE, KEY, BUNDLE) == 5
            chunks = store.chunks_of(NODE, KEY, BUNDLE, 1)
            statistics = store.statistics() | {"store": ""}
            images = list(store.images(BUNDLE))
            with Reading(place) as reading:
                results = reading.results()
                assert reading.results(before=key_of(results[0])) == results[1:]
                found.append(
                    (
                        (chunks, statistics, images),
                        [row | {"decoder_id": 0} for row in results],
                        reading.wall("farm"),
                        reading.label_counts(0),
                        reading.link_health(0, "farm"),
                        reading.link_hours("farm", NODE, 0),
                        reading.results(Filter(label="cat", site="farm", node=NODE)),
                    )
                )
    for at_server, in_file in zip(*found, strict=True):
        assert at_server == in_file


def test_sites_add_up_and_each_has_one_writer(dsn):
    with Store(dsn, site="farm") as farm, Store(dsn, site="mill") as mill:
        farm.add(receipt(1))
        mill.add(receipt(1, label=3))
        assert mill.state(NODE, KEY) == NodeState(b"salt", 2, (1 << 64) - 1, bytes(range(8)))
        with pytest.raises(StoreHeldError, match="in use by another host of site farm"):
            Store(dsn, site="farm")
        with Reading(dsn) as reading:
            assert [(row["site"], row["label"]) for row in reading.wall()] == [
                ("farm", "bee"),
                ("mill", "dog"),
            ]
        assert [row["label"] for row in farm.statistics()["labels"]] == ["bee"]
    Store(dsn, site="farm").close()


def test_what_is_stored_twice_counts_once(dsn):
    """The answer to a commit was lost with the connection: the batch is tried again."""
    with Store(dsn, site="farm") as store:
        store.add(receipt(1))
        store._is_unsure = True
        store.add_all([receipt(1), receipt(3)])
        assert read(store, "SELECT sum(n) AS n FROM label_hour") == [{"n": 2}]
        assert read(store, "SELECT count(*) AS n FROM packets") == [{"n": 2}]


def test_days_are_made_ahead_and_let_go_of(dsn):
    with Store(dsn, site="farm") as store:
        today = int(TODAY_S // DAY_S)
        with store.database.reading() as connection:
            for table in DAILY_TABLES:
                assert days_there(connection, table) == [*range(today, today + DAYS_AHEAD + 1)]
        store.add(replace(receipt(1), received_s=5.0, answers=()))  # a clock that nobody set
        store.add(receipt(3))
        with store.database.transaction() as connection:
            assert drop_days(connection, "packets", today) == 1
        assert read(store, "SELECT count(*) AS n FROM packets") == [{"n": 1}]


def test_a_host_goes_on_when_its_server_is_there_again(server, dsn, bundle):
    with Store(dsn, site="farm") as store:
        timing = LinkTiming(get_profile("udp"))
        host, node = Host([KnownNode(NODE, KEY, bundle)], store, timing=timing), SmallNode(bundle)

        def send(seed: int, now_s: float) -> list:
            symbols = random_symbols(bundle.tables, seed)
            [packet] = node.packets(symbols, flags=Flag.LISTEN)
            return host.receive(packet, now_s)

        send(0, 0.0)
        assert host.next_packet(0.1) is not None
        host.transmitted(0.1)
        server.stop("immediate")
        [notice] = [event for event in send(1, 1.0) if isinstance(event, Notice)]
        assert "cannot be used; see to the server" in notice.sentence
        assert host.next_packet(1.1) is None
        with pytest.raises(StoreError) as caught:
            Store(dsn, site="mill")
        assert caught.value.is_passing
        server.start()
        events = [event for second in range(2, 12) for event in host.count_in_time(float(second))]
        assert len([event for event in events if isinstance(event, Answer)]) == 1
        send(2, 12.0)
        assert host.next_packet(12.1) is not None
        assert read(store, "SELECT sum(n) AS n FROM label_hour") == [{"n": 3}]


def test_a_person_decides_beside_the_host(dsn):
    with Store(dsn, site="farm") as store:
        store.add(receipt(1))
        desk = Desk(open_database(dsn))
        desk.describe_node("farm", NODE, name="Gate")
        assert desk.ask_job("redecode", {"bundle": BUNDLE}) == 1
        with Reading(dsn) as reading:
            assert [row["name"] for row in reading.wall("farm")] == ["Gate"]
            assert reading.jobs()[0]["state"] == "waiting"


def test_no_password_is_in_any_sentence(server):
    dsn = server.dsn("nowhere")
    secret = dsn.split(":")[2].split("@")[0]
    with pytest.raises(StoreError) as caught:
        Store(dsn, site="farm")
    assert secret not in str(caught.value)
    assert 'database "nowhere" does not exist' in str(caught.value)
    with pytest.raises(StoreError, match="has no table: nothing was ever stored there"):
        Reading(server.new_database())


def test_pages_of_results_are_found_by_an_index(dsn):
    with Store(dsn, site="farm") as store:
        store.add_all([receipt(image) for image in range(0, 400, 2)])
        with store.database.reading() as connection:
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("SET enable_seqscan = off")
        plan = rows(store.database, _explained())
        text = "\n".join(str(row) for row in plan)
        assert "Seq Scan on results" not in text


def _explained():
    from sqlalchemy import text

    return text(
        "EXPLAIN SELECT * FROM results WHERE is_latest AND is_live ORDER BY received_s DESC, "
        "image DESC, node_id DESC LIMIT 100"
    )


def without_times(told: Any) -> Any:
    """What a page is told, but for moments and what follows from them."""
    if isinstance(told, list):
        return [without_times(one) for one in told]
    if isinstance(told, dict):
        moments = {"after", "hour", *(name for name in told if name.endswith("_s"))}
        return {name: without_times(told[name]) for name in told.keys() - moments}
    return told


def test_the_page_says_before_a_server_what_it_says_before_a_file(dsn, bundle, tmp_path):
    said = []
    for number, place in enumerate((tmp_path / "host.sqlite", dsn)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Store(place, site=SITE) as store:
            fill(store, bundle)
            fleet = SmallFleet(store, bundle, folder)
            fleet.deeds.do({"what": "redecode", "bundle": bundle.id.hex()})
            assert run_waiting(store.database, lambda: False) == 1
            [*_, first] = ask(fleet.app, "/api/1/results?site=farm&limit=200").json()["results"]
            label, deep = quote(first["label"]), quote(first["after"])
            paths = [
                *("nodes", "nodes/farm/7", "results", "link", "jobs", "labels", "scatter"),
                *(f"results?label={label}", "results?node=7&site=farm", f"results?after={deep}"),
                *(f"images/{first['key']}", f"nearest/{first['key']}", "compare?b=1"),
            ]
            answers = [ask(fleet.app, f"/api/1/{path}") for path in paths]
            assert {answer.status for answer in answers} == {200}, [
                (path, answer.status) for path, answer in zip(paths, answers, strict=True)
            ]
            said.append([without_times(answer.json()) for answer in answers])
            rows = ask(fleet.app, "/api/1/export.csv").text.splitlines()
            said[-1].append(len(rows))
            fleet.reading.close()
    file, server = said
    for path, one, other in zip([*paths, "export"], file, server, strict=True):
        assert one == other, path
