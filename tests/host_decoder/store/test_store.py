"""The store keeps what a packet led to together, and says what is wrong with its file."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host_decoder.decode.verdict import Strangeness
from host_decoder.store.database.file import StoreError
from host_decoder.store.history.images import StoredImage
from host_decoder.store.receipt import Receipt, ReceivedPacket, RejectedCount, Totals
from host_decoder.store.store import Store
from link.host.interface import NodeState, NotUsed, Reason
from link.wire.control import Quality
from link.wire.packet import Chunk
from tests.worlds.small_host import BUNDLE, KEY, NODE, answer
from tests.worlds.stored import raw, read

GOLDEN = Path(__file__).parents[2] / "golden"
STATE = NodeState(salt=b"salt", highest=0, received=1)


def packet(
    counter: int, image: int, chunk: int = 0, is_last: bool = True, bitstream: bytes = b"\x05"
) -> ReceivedPacket:
    chunks = (Chunk(image, chunk, is_last, bitstream, None if chunk else 2.0),)
    return ReceivedPacket(counter, BUNDLE, chunks, b"sealed", "roof", Quality(7.0, -80.0))


def receipt(
    received: ReceivedPacket, *answers, key: bytes = KEY, state: NodeState = STATE
) -> Receipt:
    return Receipt(
        NODE, key, replace(state, highest=received.counter), 1000.0, (received,), answers
    )


def test_the_session_outlives_the_host(tmp_path):
    state = NodeState(b"new!", 9, (1 << 64) - 1, bytes(range(8)))
    with Store(tmp_path / "store.sqlite") as store:
        assert store.state(NODE, KEY) is None
        store.add(receipt(packet(3, image=2), answer(2)))
        store.add(receipt(packet(9, image=8), answer(8), state=state))
    with Store(tmp_path / "store.sqlite") as store:
        assert store.state(NODE, KEY) == state


def test_a_new_key_starts_a_new_sender(store):
    store.add(receipt(packet(900, image=899)))
    assert store.state(NODE, bytes(16)) is None
    store.add(receipt(packet(4, image=3), key=bytes(16)))
    states = [store.state(NODE, key) for key in (KEY, bytes(16))]
    assert [state.highest for state in states if state] == [900, 4]


def test_counters_that_begin_anew_do_not_touch_what_was_stored_under_them(store):
    store.add(receipt(packet(5, image=4, bitstream=b"old"), answer(4)))
    store.add(receipt(packet(5, image=4, bitstream=b"same packet"), answer(4)))
    again = NodeState(b"anew", 1, 1)
    for counter in (1, 5):
        store.add(
            receipt(packet(counter, image=counter - 1, bitstream=b"new"), answer(4), state=again)
        )
    assert [image.bitstream for image in store.images(BUNDLE)] == [b"old", b"new", b"new"]


def test_everything_of_a_packet_is_stored_or_nothing(tmp_path):
    totals = Totals(
        0.0, (RejectedCount(1, NotUsed(Reason.REPLAY, "seen"), 1.0),), {NODE: {"received": 1}}
    )
    with Store(tmp_path / "store.sqlite") as store:
        store.add(receipt(packet(1, image=0), answer(0)), totals)
        with sqlite3.connect(tmp_path / "store.sqlite") as other:
            other.execute("DROP TABLE statistics")
        with pytest.raises(StoreError, match="no such table: statistics"):
            store.add(receipt(packet(3, image=2), answer(2)), totals)
        state = store.state(NODE, KEY)
        assert state
        assert state.highest == 1
        assert store.bundles() == {BUNDLE: 1}
        assert read(store, "SELECT n FROM refusals") == [{"n": 1}]


def test_what_is_stored_is_on_the_disk_before_it_can_be_acknowledged(store):
    """synchronous = FULL: a write-ahead log is flushed by every transaction."""
    [[synchronous]] = raw(store).execute("PRAGMA synchronous")
    assert synchronous == 2


def test_a_chunk_that_comes_twice_is_kept_once(store):
    for counter in (1, 2):
        store.add(receipt(packet(counter, image=0), answer(0)))
    assert store.bundles() == {BUNDLE: 1}
    assert store.statistics()["nodes"][0]["packets"] == 2


def test_one_packet_may_bring_chunks_of_several_images(store):
    chunks = tuple(Chunk(image, 0, True, bytes([image]), 1.0) for image in range(3))
    batch = ReceivedPacket(5, BUNDLE, chunks, b"sealed")
    store.add(receipt(batch, *(answer(image) for image in range(3))))
    assert [(image.image, image.bitstream) for image in store.images(BUNDLE)] == [
        (0, b"\0"),
        (1, b"\1"),
        (2, b"\2"),
    ]


def test_images_are_the_prefixes_that_arrived(store):
    store.add(receipt(packet(1, image=0, is_last=False, bitstream=b"ab"), answer(0)))
    store.add(receipt(packet(2, image=0, chunk=1, bitstream=b"cd"), answer(0, n_chunks=2)))
    store.add(receipt(packet(4, image=3, is_last=False, bitstream=b"ef"), answer(3)))
    store.add(receipt(packet(6, image=3, chunk=2, bitstream=b"ij")))
    store.add(receipt(packet(8, image=7, chunk=1, bitstream=b"mn")))
    store.add(receipt(ReceivedPacket(9, BUNDLE, reason="malformed")))
    came: dict[str, Any] = dict(received_s=1000.0, age_s=2.0)
    assert list(store.images(BUNDLE)) == [
        StoredImage(
            NODE, 0, b"abcd", is_complete=True, n_chunks=2, counter=2, packet_bytes=15, **came
        ),
        StoredImage(
            NODE, 3, b"ef", is_complete=False, n_chunks=1, counter=4, packet_bytes=15, **came
        ),
    ]
    assert [chunk.index for chunk in store.chunks_of(NODE, KEY, BUNDLE, 3)] == [0, 2]


def test_images_of_two_keys_are_not_mixed_up(store):
    store.add(receipt(packet(1, image=0, is_last=False, bitstream=b"old"), answer(0)))
    store.add(receipt(packet(2, image=0, chunk=1, bitstream=b"new"), key=bytes(16)))
    assert [image.bitstream for image in store.images(BUNDLE)] == [b"old"]


def test_statistics_count_images_labels_refusals_and_links(store):
    store.add(receipt(packet(1, image=0), answer(0, label=0)))
    store.add(receipt(packet(3, image=2, is_last=False), answer(2, label=2)))
    store.add(receipt(packet(4, image=2, chunk=1), answer(2, label=3, n_chunks=2)))
    for started_s, sentence, n in ((1.0, "first sentence", 1), (2.0, "latest sentence", 2)):
        refusals = (RejectedCount(n, NotUsed(Reason.REPLAY, sentence), started_s, b"packet"),)
        store.count(Totals(started_s, refusals, {NODE: {"received": n}}))
    statistics = store.statistics()
    [node] = statistics["nodes"]
    assert (node["images"], node["packets"], node["highest_counter"]) == (2, 3, 4)
    assert {row["label"]: row["images"] for row in statistics["labels"]} == {"ape": 1, "dog": 1}
    [refusal] = statistics["refusals"]
    assert (refusal["n"], refusal["last_sentence"]) == (3, "latest sentence")
    assert statistics["link"] == [{"node": NODE, "started_s": 2.0, "received": 2}]


def test_a_full_disk_is_a_sentence_and_leaves_the_store_as_it_was(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        store.add(receipt(packet(1, image=0), answer(0)))
        n_pages = raw(store).execute("PRAGMA page_count").fetchone()[0]
        raw(store).execute(f"PRAGMA max_page_count = {n_pages}")
        with pytest.raises(StoreError, match=r"no room on its disk; free some space"):
            store.add(receipt(packet(3, image=2, bitstream=bytes(100_000)), answer(2)))
        state = store.state(NODE, KEY)
        assert state
        assert state.highest == 1


def test_a_file_that_is_no_store_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look at " * 30)
    with pytest.raises(
        StoreError, match=r"notes\.txt is no store: it does not begin as an SQLite database"
    ):
        Store(tmp_path / "notes.txt")


def test_a_store_of_another_format_is_refused_with_both_formats(tmp_path):
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="has format 9, this program has 6"):
        Store(tmp_path / "store.sqlite")


def test_a_store_of_wire_version_1_is_left_alone_and_said(tmp_path):
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.executescript("CREATE TABLE packets (first_counter); PRAGMA user_version = 1;")
    with pytest.raises(StoreError, match="has format 1, this program has 6; name another file"):
        Store(tmp_path / "store.sqlite")


def test_reading_does_not_make_a_store(tmp_path):
    with pytest.raises(StoreError, match="there is no store at"):
        Store(tmp_path / "store.sqlite", must_exist=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match=r"there is no folder .*nowhere; make it"):
        Store(tmp_path / "nowhere" / "store.sqlite")


def test_the_latest_start_counts_also_after_the_clock_was_set_back(store):
    for started_s, n in ((9_000.0, 1), (5_000.0, 2)):
        store.count(Totals(started_s, (), {NODE: {"received": n}}))
    [link] = store.statistics()["link"]
    assert (link["started_s"], link["received"]) == (5_000.0, 2)


def old_store(folder: Path, version: int = 2) -> Path:
    """As it was dumped then: one node, one image."""
    path = folder / "store.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((GOLDEN / f"store-version-{version}.sql").read_text())
    return path


def test_a_store_of_wire_version_2_goes_on_with_its_nodes_counters(tmp_path):
    with Store(old_store(tmp_path)) as store:
        assert store.state(NODE, KEY) == NodeState(b"salt", 3, 1)
        strange = replace(answer(8), strangeness=Strangeness(1.5, is_anomaly=True))
        store.add(receipt(packet(9, image=8), strange))
        assert [image.image for image in store.images(BUNDLE)] == [2, 8]
        rows = read(store, "SELECT anomaly_score, is_anomaly FROM results ORDER BY image")
    assert [tuple(row.values()) for row in rows] == [(None, None), (1.5, 1)]


def test_a_store_of_wire_version_2_is_read_as_it_is(tmp_path):
    path = old_store(tmp_path)
    before = path.read_bytes()
    with Store(path, must_exist=True) as store:
        assert [image.image for image in store.images(BUNDLE)] == [2]
        assert store.statistics()["nodes"][0]["images"] == 1
    assert path.read_bytes() == before


def test_a_store_of_version_3_keeps_why_its_packets_gave_no_answer(tmp_path):
    with Store(old_store(tmp_path, version=3)) as store:
        store.add(receipt(ReceivedPacket(7, BUNDLE, reason="collision")))
        rows = read(store, "SELECT counter, reason FROM packets ORDER BY counter")
    assert [tuple(row.values()) for row in rows] == [(3, None), (5, "gap"), (7, "collision")]


def test_a_store_of_version_4_goes_on_and_is_read_as_it_is(tmp_path):
    path = old_store(tmp_path, version=4)
    with Store(path, must_exist=True) as store:
        before = list(store.images(BUNDLE))
        assert [image.bitstream for image in before] == [b"\x05", b"ab"]
        assert store.statistics()["alive"] == []
    with Store(path) as store:
        assert list(store.images(BUNDLE)) == before
        store.add(receipt(packet(8, image=5, chunk=1, bitstream=b"cd"), answer(5, n_chunks=2)))
        assert [image.bitstream for image in store.images(BUNDLE)] == [b"\x05", b"abcd"]
        assert [row["alive"] for row in read(store, "SELECT alive FROM results")] == [None] * 3


def version(counter: int, card: bytes, *pieces: bytes, is_whole: bool = False) -> ReceivedPacket:
    """Image 2 as this card sent it, all in one packet."""
    last = len(pieces) - 1
    chunks = tuple(
        Chunk(2, index, is_whole and index == last, piece, version=card)
        for index, piece in enumerate(pieces)
    )
    return ReceivedPacket(counter, BUNDLE, chunks, b"sealed")


def test_versions_of_a_team_s_image_are_kept_apart_and_it_is_one_image(store):
    alive, fewer = (True, True, True), (True, False, True)
    partly = replace(answer(2, n_chunks=2), is_complete=False, alive=alive)
    store.add(receipt(version(3, b"one!", b"ab", b"cd"), partly))
    store.add(receipt(version(9, b"two!", b"AB", is_whole=True), replace(answer(2), alive=fewer)))
    [image] = store.images(BUNDLE)
    assert (image.bitstream, image.is_complete, image.counter) == (b"AB", True, 9)
    assert store.statistics()["alive"] == [{"node": NODE, "alive": 2, "members": 3, "images": 1}]
    assert store.statistics()["nodes"][0]["images"] == 1
    chunks = store.chunks_of(NODE, KEY, BUNDLE, 2)
    assert [(chunk.version, chunk.bitstream) for chunk in chunks] == [
        (b"one!", b"ab"),
        (b"one!", b"cd"),
        (b"two!", b"AB"),
    ]
