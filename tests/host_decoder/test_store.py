"""The store keeps packets, answers and marks together, and says what is wrong with its file."""

import sqlite3
from dataclasses import replace

import pytest

from host_decoder.store import ReceivedPacket, Store, StoredImage, StoreError
from tests.host_decoder.small import BUNDLE, KEY, NODE, answer


def packet(counter: int, chunk: int | None = 0, key: bytes = KEY, **changes) -> ReceivedPacket:
    first_counter = None if chunk is None else counter - chunk
    whole = ReceivedPacket(NODE, key, counter, 1000.0, BUNDLE, b"sealed", first_counter, chunk, True, b"\x05")
    return replace(whole, **changes)


def test_the_highest_counter_outlives_the_host(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        assert store.highest_counter(NODE, KEY) == -1
        for counter in (3, 9, 5):
            store.add(packet(counter), answer(counter))
    with Store(tmp_path / "store.sqlite") as store:
        assert store.highest_counter(NODE, KEY) == 9


def test_a_new_key_starts_new_counters(store):
    store.add(packet(900))
    assert store.highest_counter(NODE, bytes(16)) == -1
    store.add(packet(4, key=bytes(16)))
    assert (store.highest_counter(NODE, KEY), store.highest_counter(NODE, bytes(16))) == (900, 4)


def test_packet_and_mark_are_stored_with_the_answer_or_not_at_all(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        store.add(packet(1), answer(1))
        with sqlite3.connect(tmp_path / "store.sqlite") as other:
            other.execute("DROP TABLE answers")
        with pytest.raises(StoreError, match="no such table: answers"):
            store.add(packet(2), answer(2))
        assert store.highest_counter(NODE, KEY) == 1
        assert store.bundles() == {BUNDLE: 1}


def test_a_packet_that_comes_twice_is_kept_once(store):
    store.add(packet(1), answer(1))
    store.add(packet(1), answer(1))
    assert store.bundles() == {BUNDLE: 1}


def test_images_are_the_prefixes_that_arrived(store):
    store.add(packet(0, chunk=0, is_last=False, bitstream=b"ab"), answer(0))
    store.add(packet(1, chunk=1, bitstream=b"cd"), answer(1, first_counter=0))
    store.add(packet(2, chunk=0, is_last=False, bitstream=b"ef"), answer(2))
    store.add(packet(4, chunk=2, bitstream=b"ij", verdict="gap"))
    store.add(packet(6, chunk=1, bitstream=b"mn", verdict="gap"))
    store.add(packet(7, chunk=None, verdict="malformed"))
    assert list(store.images(BUNDLE)) == [
        StoredImage(NODE, first_counter=0, image=0, bitstream=b"abcd", is_complete=True),
        StoredImage(NODE, first_counter=2, image=2, bitstream=b"ef", is_complete=False),
    ]


def test_images_of_two_keys_are_not_mixed_up(store):
    store.add(packet(0, is_last=False, bitstream=b"old"), answer(0))
    store.add(packet(1, chunk=1, key=bytes(16), bitstream=b"new"))
    assert [image.bitstream for image in store.images(BUNDLE)] == [b"old"]


def test_statistics_count_images_labels_and_refusals(store):
    store.add(packet(0), answer(0, label=0))
    store.add(packet(1, is_last=False), answer(1, label=2))
    store.add(packet(2, chunk=1), answer(2, label=3, first_counter=1))
    store.count_refusal("replay", "first sentence", 1.0, b"packet")
    store.count_refusal("replay", "latest sentence", 2.0, b"packet", n=2)
    statistics = store.statistics()
    [node] = statistics["nodes"]
    assert (node["images"], node["packets"], node["highest_counter"]) == (2, 3, 2)
    assert {row["label"]: row["images"] for row in statistics["labels"]} == {"ape": 1, "dog": 1}
    [refusal] = statistics["refusals"]
    assert (refusal["n"], refusal["last_sentence"]) == (3, "latest sentence")


def test_a_full_disk_is_a_sentence_and_leaves_the_store_as_it_was(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        store.add(packet(0), answer(0))
        n_pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {n_pages}")
        with pytest.raises(StoreError, match=r"is full.*free some space"):
            store.add(packet(1, bitstream=bytes(100_000)), answer(1))
        assert store.highest_counter(NODE, KEY) == 0


def test_a_file_that_is_no_store_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look at " * 30)
    with pytest.raises(StoreError, match=r"notes\.txt cannot be used \(file is not a database\)"):
        Store(tmp_path / "notes.txt")


def test_a_store_of_another_format_is_refused_with_both_formats(tmp_path):
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="has format 9, this program has 1"):
        Store(tmp_path / "store.sqlite")


def test_reading_does_not_make_a_store(tmp_path):
    with pytest.raises(StoreError, match="there is no store at"):
        Store(tmp_path / "store.sqlite", must_exist=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match="unable to open database file"):
        Store(tmp_path / "nowhere" / "store.sqlite")
