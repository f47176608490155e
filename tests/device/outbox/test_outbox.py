"""The outbox: what was put is there until it is delivered, in the order in which it is wanted, and
within its bytes.
"""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from device.outbox import chunk_file
from device.outbox.chunk_file import DamagedError, OutboxError, QueuedChunk
from device.outbox.outbox import CHUNK_BYTES, Outbox, open_outbox

PIECES = [b"base", b"first", b"second"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(path):
    with Outbox(path, max_bytes=100_000, boot_id="this boot") as opened:
        yield opened


def ids(chunks):
    return [(chunk.image, chunk.index) for chunk in chunks]


def everything(outbox):
    """All that waits, by image and index."""
    bases = outbox.base_chunks(1000)
    later = outbox.refinements(1000, skip={(chunk.image, 0) for chunk in bases})
    return {(chunk.image, chunk.index): chunk.bitstream for chunk in [*bases, *later]}


def test_what_was_put_is_there_after_the_process_was_started_again(path, outbox):
    outbox.put(7, PIECES, captured_s=3.5, captured_unix_s=1e9)
    # closing writes nothing: this one finds what a kill would leave
    with Outbox(path, boot_id="this boot") as again:
        [base] = again.base_chunks(9)
        assert (base.image, base.index, base.is_last, base.bitstream) == (7, 0, False, b"base")
        assert (base.captured_s, base.captured_unix_s) == (3.5, 1e9)
        first, second = again.refinements(9, skip={(7, 0)})
        assert (first.index, first.is_last, first.bitstream) == (1, False, b"first")
        assert (second.index, second.is_last, second.bitstream) == (2, True, b"second")
        assert (again.n_images, again.n_bytes) == (1, 3 * CHUNK_BYTES + 15)
        assert len(again.base_chunks(10)) == 1


def test_a_moment_before_the_boot_is_unknown_unless_somebody_told_the_time(path, outbox):
    outbox.put(1, [b"a"], captured_s=3.0)
    outbox.put(2, [b"b"], captured_s=4.0, captured_unix_s=77.0)
    outbox.date_images(unix_offset_s=1000.0)
    outbox.put(3, [b"c"], captured_s=5.0)
    with Outbox(path, boot_id="next boot") as again:
        assert [chunk.captured_s for chunk in again.base_chunks(9)] == [None] * 3
        assert [chunk.captured_unix_s for chunk in again.base_chunks(9)] == [
            1003.0,
            1004.0,
            None,
        ], "the latest word counts"
        assert again.oldest_age_s(now_s=1.0) is None


def test_the_age_is_that_of_the_oldest_image(outbox):
    assert outbox.oldest_age_s(now_s=9.0) is None
    for image in (1, 2):
        outbox.put(image, PIECES, captured_s=float(image))
    assert outbox.oldest_age_s(now_s=9.0) == 8.0
    outbox.delivered([(1, 0)])
    assert outbox.oldest_age_s(now_s=9.0) == 8.0
    outbox.drop_refinements([1])
    assert outbox.oldest_age_s(now_s=9.0) == 7.0


def test_base_chunks_come_oldest_first_without_those_on_their_way(outbox):
    for image in (30, 10, 20):
        outbox.put(image, PIECES, captured_s=None)
    assert ids(outbox.base_chunks(2)) == [(10, 0), (20, 0)]
    assert ids(outbox.base_chunks(2, skip={(10, 0), (11, 0)})) == [(20, 0), (30, 0)]
    assert outbox.base_chunks(0) == []


def test_refinements_come_newest_first_and_only_behind_their_base_chunk(outbox):
    for image in (10, 20, 30):
        outbox.put(image, PIECES, captured_s=None)
    assert outbox.refinements(9) == []
    outbox.delivered([(10, 0)])
    assert ids(outbox.refinements(9)) == [(10, 1), (10, 2)]
    assert ids(outbox.refinements(3, skip={(20, 0)})) == [(20, 1), (20, 2), (10, 1)]
    assert ids(outbox.refinements(9, skip={(20, 0), (20, 1), (10, 2), (99, 0)})) == [
        (20, 2),
        (10, 1),
    ]
    assert ids(outbox.refinements(9, skip={(10, 0), (30, 0)})) == [
        (30, 1),
        (30, 2),
        (10, 1),
        (10, 2),
    ]


def test_delivered_and_unwanted_chunks_wait_no_more(path, outbox):
    for image in (1, 2, 3):
        outbox.put(image, PIECES, captured_s=None)
    outbox.delivered([(1, 0), (1, 2), (1, 2), (2, 1), (5, 0), (1, 9)])
    outbox.drop_refinements([3, 3, 8])
    outbox.delivered([])
    left = {(1, 1): b"first", (2, 0): b"base", (2, 2): b"second", (3, 0): b"base"}
    assert everything(outbox) == left
    with Outbox(path, boot_id="this boot") as again:
        assert everything(again) == left
        assert again.n_bytes == outbox.n_bytes == 4 * CHUNK_BYTES + 5 + 4 + 6 + 4
    outbox.delivered(left)
    assert (outbox.n_images, outbox.n_bytes, outbox.newest_image) == (0, 0, -1)


def test_an_id_that_waits_is_not_given_to_another_image(outbox):
    outbox.put(5, PIECES, captured_s=None)
    with pytest.raises(
        ValueError, match="image 5 waits already; each image needs an id of its own"
    ):
        outbox.put(5, [b"x"], captured_s=None)
    assert everything(outbox) == {(5, 0): b"base", (5, 1): b"first", (5, 2): b"second"}
    assert outbox.newest_image == 5


def test_images_are_given_new_ids_where_the_old_ones_were_in_use_before(path, outbox):
    for image in (1, 2, 3, 9):
        outbox.put(image, PIECES, captured_s=float(image))
    outbox.delivered([(2, 0)])
    outbox.renumber(up_to=3, new_id=count(20).__next__)
    assert ids(outbox.base_chunks(9)) == [(9, 0), (20, 0), (21, 0)]
    assert ids(outbox.refinements(2)) == [(2, 1), (2, 2)], (
        "its base chunk was delivered under this id"
    )
    assert [chunk.captured_s for chunk in outbox.base_chunks(9)] == [9.0, 1.0, 3.0]
    with Outbox(path, boot_id="this boot") as again:
        assert everything(again) == everything(outbox)
        assert len(everything(again)) == 11


def small_outbox(path, n_chunks):
    """Room for so many chunks of 10 bytes."""
    return Outbox(path, max_bytes=n_chunks * (CHUNK_BYTES + 10))


def test_a_full_outbox_drops_refinements_from_the_oldest_tail_then_the_oldest_images(path):
    with small_outbox(path, n_chunks=6) as outbox:
        for image in (1, 2):
            outbox.put(image, [bytes(10)] * 3, captured_s=None)
        outbox.put(3, [bytes(10)] * 2, captured_s=None)
        assert sorted(everything(outbox)) == [(1, 0), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1)]
        for image in (4, 5, 6):
            outbox.put(image, [bytes(10)] * 2, captured_s=None)
        assert sorted(everything(outbox)) == [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]
        assert outbox.n_evicted == 0
        outbox.put(7, [bytes(10)] * 2, captured_s=None)
        outbox.put(8, [bytes(10)] * 2, captured_s=None)
        assert sorted(everything(outbox)) == [(3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0)]
        assert outbox.n_evicted == 2
    with small_outbox(path, n_chunks=6) as again:
        assert again.n_evicted == 2


def test_refinements_of_delivered_images_go_before_an_unsent_image(path):
    with small_outbox(path, n_chunks=4) as outbox:
        outbox.put(1, [bytes(10)] * 2, captured_s=None)
        outbox.put(2, [bytes(10)] * 2, captured_s=None)
        outbox.delivered([(2, 0)])
        for image in (3, 4, 5):
            outbox.put(image, [bytes(10)], captured_s=None)
        assert sorted(everything(outbox)) == [(1, 0), (3, 0), (4, 0), (5, 0)]
        assert outbox.n_evicted == 0


def test_a_chunk_that_can_never_fit_is_refused(path):
    with small_outbox(path, n_chunks=1) as outbox:
        outbox.put(1, [bytes(10), bytes(10)], captured_s=None)
        for pieces in ([bytes(11)], []):
            with pytest.raises(ValueError, match="cannot wait in an outbox of 50: allow it more"):
                outbox.put(2, pieces, captured_s=None)
        assert sorted(everything(outbox)) == [(1, 0)]


def test_the_files_stay_within_a_small_multiple_of_the_bytes(path):
    max_bytes = 100_000
    with Outbox(path, max_bytes) as outbox:
        for image in range(400):
            outbox.put(image, [bytes(200)] * 5, captured_s=1.0)
            if image % 3 == 0:
                outbox.delivered([(image, index) for index in range(5)])
        assert 0.9 * max_bytes < outbox.n_bytes <= max_bytes
        assert path.stat().st_size < 2 * max_bytes
        assert path.with_name(path.name + "-wal").stat().st_size < 6 << 20


def fill_disk(outbox):
    """The file cannot grow any more."""
    db = outbox._file._db
    (n_pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {n_pages}")


def test_on_a_full_disk_an_image_is_refused_and_the_queue_stays_as_it_was(path, outbox):
    outbox.put(1, PIECES, captured_s=None)
    fill_disk(outbox)
    before = everything(outbox)
    with pytest.raises(
        OutboxError,
        match=r"outbox\.sqlite cannot be used \(database or disk is full\); free some space",
    ):
        outbox.put(2, [bytes(3000)] * 9, captured_s=None)
    assert everything(outbox) == before
    assert (outbox.n_images, outbox.n_bytes) == (1, 3 * CHUNK_BYTES + 15)
    outbox.delivered([(1, 1)])
    outbox.put(2, [b"small"], captured_s=None)
    with Outbox(path, boot_id="this boot") as again:
        assert everything(again) == {(1, 0): b"base", (1, 2): b"second", (2, 0): b"small"}


def test_a_failure_within_a_transaction_leaves_the_queue_as_it_was(outbox, monkeypatch):
    for image in (1, 2):
        outbox.put(image, PIECES, captured_s=None)
    before = everything(outbox)
    real = outbox._file.delete

    def fail_second(image, index):
        if (image, index) == (2, 0):
            raise OSError("the card was pulled out")
        return real(image, index)

    monkeypatch.setattr(outbox._file, "delete", fail_second)
    with pytest.raises(OSError, match="pulled out"):
        outbox.delivered([(1, 0), (2, 0)])
    assert everything(outbox) == before
    monkeypatch.undo()
    outbox.delivered([(1, 0), (2, 0)])
    assert ids(outbox.base_chunks(9)) == []


def test_an_image_is_synchronised_and_a_delivery_is_not(outbox):
    def level():
        return outbox._file._db.execute("PRAGMA synchronous").fetchone()[0]

    full, normal = 2, 1
    for image in (1, 2, 3):
        outbox.put(image, PIECES, captured_s=None)
        assert level() == full
        outbox.delivered([(image, 0)])
        assert level() == normal


class OutboxMachine(RuleBasedStateMachine):
    """The outbox beside a dict, with new starts in between."""

    root: Path

    @initialize()
    def begin(self):
        self.path = Path(mkdtemp(dir=self.root)) / "outbox.sqlite"
        self.max_bytes = 12 * (CHUNK_BYTES + 10)
        self.outbox = Outbox(self.path, self.max_bytes)
        self.kept: dict[tuple[int, int], bytes] = {}
        self.next_image = 0
        self.n_evicted = 0

    @rule(n_chunks=st.integers(1, 5), seed=st.binary(min_size=1, max_size=10))
    def put(self, n_chunks, seed):
        self.outbox.put(
            self.next_image, [seed + bytes([i]) for i in range(n_chunks)], captured_s=1.0
        )
        self.kept |= {(self.next_image, i): seed + bytes([i]) for i in range(n_chunks)}
        self.next_image += 1
        for chunk in self.victims():
            if self.size() <= self.max_bytes:
                break
            self.n_evicted += chunk[1] == 0
            del self.kept[chunk]

    def victims(self):
        later = sorted((image, -index) for image, index in self.kept if index)
        return [(image, -index) for image, index in later] + sorted(
            chunk for chunk in self.kept if chunk[1] == 0
        )

    def size(self):
        return sum(CHUNK_BYTES + len(bitstream) for bitstream in self.kept.values())

    @rule(picks=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), max_size=6))
    def delivered(self, picks):
        chunks = {(self.next_image - image, index) for image, index in picks}
        self.outbox.delivered(chunks)
        self.kept = {
            chunk: bitstream for chunk, bitstream in self.kept.items() if chunk not in chunks
        }

    @rule(image=st.integers(0, 20))
    def drop_refinements(self, image):
        image = self.next_image - image
        self.outbox.drop_refinements([image])
        self.kept = {
            chunk: bitstream
            for chunk, bitstream in self.kept.items()
            if chunk[0] != image or not chunk[1]
        }

    @rule(
        skip=st.sets(st.tuples(st.integers(0, 20), st.integers(0, 2)), max_size=5),
        limit=st.integers(0, 8),
    )
    def ask(self, skip, limit):
        skip = {(self.next_image - image, index) for image, index in skip}
        bases = sorted(chunk for chunk in self.kept if chunk[1] == 0)
        held = {image for image, _ in set(bases) - skip}
        later = sorted((-image, index) for image, index in self.kept if index and image not in held)
        assert (
            ids(self.outbox.base_chunks(limit, skip))
            == [chunk for chunk in bases if chunk not in skip][:limit]
        )
        wanted = [(-image, index) for image, index in later if (-image, index) not in skip]
        assert ids(self.outbox.refinements(limit, skip)) == wanted[:limit]

    @rule()
    def start_again(self):
        self.outbox.close()
        self.outbox = open_outbox(self.path, self.max_bytes)
        assert self.outbox.notice is None

    @invariant()
    def same(self):
        if hasattr(self, "outbox"):
            assert everything(self.outbox) == self.kept
            assert (self.outbox.n_bytes, self.outbox.n_evicted) == (self.size(), self.n_evicted)

    def teardown(self):
        if hasattr(self, "outbox"):
            self.outbox.close()


def test_the_outbox_does_what_a_dict_would(tmp_path):
    class Machine(OutboxMachine):
        root = tmp_path

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=12, stateful_step_count=25, deadline=None)
    )


def with_images(path, n_images=200):
    with Outbox(path, max_bytes=1 << 20, boot_id="a") as outbox:
        outbox.adopt(
            QueuedChunk(image, index, bool(index), bitstream, 1.0, float(image))
            for image in range(n_images)
            for index, bitstream in enumerate((b"%d base" % image, bytes(50)))
        )
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return bytearray(path.read_bytes())


def test_a_chunk_that_changed_on_the_card_is_dropped_and_all_others_stay(path):
    content = with_images(path)
    place = content.find(b"77 base")
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="a chunk has changed"):
        Outbox(path, boot_id="a")
    with open_outbox(path, 1 << 20, "a") as outbox:
        assert outbox.notice == (
            f"outbox {path} is damaged (a chunk has changed); it is now outbox.sqlite.damaged-1, "
            "and the 399 chunks that are whole in it wait in a new file"
        )
        kept = everything(outbox)
        assert len(kept) == 399
        assert (77, 0) not in kept
        [chunk] = outbox.base_chunks(1)
        assert (chunk.bitstream, chunk.captured_s, chunk.captured_unix_s) == (b"0 base", None, 0.0)
    assert path.with_name("outbox.sqlite.damaged-1").read_bytes() == content
    with open_outbox(path, 1 << 20, "a") as outbox:
        assert (outbox.notice, outbox.n_images) == (None, 200)


def zero_page(content, page):
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    return content


@pytest.mark.parametrize(
    ("damage", "least"),
    [
        (lambda content: zero_page(content, len(content) // 4096 // 2), 100),
        (lambda content: content[: len(content) // 2], 0),
        (lambda content: zero_page(content, 0), 0),
        (lambda content: b"", 0),
        (lambda content: b"this is no database, " * 500, 0),
        (lambda content: content.replace(b"chunks", b"chanks"), 0),
        (lambda content: content[:18] + b"\x20" + content[19:], 100),
    ],
    ids=[
        "a page in the middle",
        "the second half",
        "the first page",
        "all",
        "other content",
        "schema",
        "read-only",
    ],
)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(path, damage, least):
    path.write_bytes(damage(with_images(path)))
    with open_outbox(path, 1 << 20, "a") as outbox:
        kept = everything(outbox)
        assert len(kept) >= least
        assert all(
            bitstream == (b"%d base" % image, bytes(50))[index]
            for (image, index), bitstream in kept.items()
        )
        outbox.put(1000, PIECES, captured_s=1.0)
    with open_outbox(path, 1 << 20, "a") as outbox:
        assert outbox.notice is None
        assert everything(outbox) == kept | {(1000, i): piece for i, piece in enumerate(PIECES)}


@pytest.mark.parametrize("what", ["schema", "boot id"])
def test_a_file_in_which_text_became_none_is_set_aside(path, what):
    with Outbox(path, boot_id="this boot") as outbox:
        outbox.put(3, PIECES, captured_s=1.0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    old, new = (
        (b"place INTEGER NOT NULL", b"place INTEGER NOT \xceULL")
        if what == "schema"
        else (b"this boot", b"\xffhis boot")
    )
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with open_outbox(path, boot_id="this boot") as outbox:
        assert "is damaged" in str(outbox.notice)
        outbox.put(4, PIECES, captured_s=1.0)


def test_a_file_of_another_format_is_set_aside(path):
    Outbox(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with open_outbox(path) as outbox:
        assert "has format 9, this program has 1; it is now outbox.sqlite.damaged-1" in str(
            outbox.notice
        )


LIVE = """
import sys
import threading
from device.outbox.outbox import open_outbox
with open_outbox(sys.argv[1]) as outbox:
    outbox.put(3, [b"here"], 1.0)
    print("open", flush=True)
    sys.stdin.readline()
    outbox.put(4, [b"still"], 2.0)
"""


def test_what_another_process_writes_into_is_never_set_aside(path, monkeypatch):
    command = [sys.executable, "-c", LIVE, path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as live:
        assert live.stdout is not None
        assert live.stdout.readline() == "open\n"
        with monkeypatch.context() as patch:
            # as a program of another version, to which it is damaged
            patch.setattr(chunk_file, "SCHEMA_VERSION", 9)
            with pytest.raises(OutboxError, match=r"another process has it open\); end that one"):
                open_outbox(path)
        live.communicate("\n")
    assert [file.name for file in path.parent.iterdir()] == ["outbox.sqlite"]
    with open_outbox(path) as outbox:
        assert outbox.notice is None
        assert ids(outbox.base_chunks(9)) == [(3, 0), (4, 0)]


def test_two_processes_that_make_an_outbox_at_once_do_not_damage_it(path):
    command = [sys.executable, "-c", LIVE, path]
    starts = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [start.communicate("\n")[1] for start in starts]
    assert 0 in [start.returncode for start in starts]
    assert not any("damaged" in words or "already exists" in words for words in said)
    assert [file.name for file in path.parent.iterdir()] == ["outbox.sqlite"]


def test_damaged_files_do_not_fill_the_card(path):
    for _ in range(8):
        path.write_bytes(b"no database" * 100)
        open_outbox(path).close()
    assert len(list(path.parent.glob("*.damaged-*"))) == 5


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(OutboxError, match=r"cannot be used \(unable to open database file\)"):
        open_outbox(tmp_path / "nowhere" / "outbox.sqlite")


@pytest.mark.parametrize("skip", [(), {(image, 0) for image in range(16)}], ids=["none", "16"])
def test_asking_does_not_read_the_whole_queue(outbox, monkeypatch, skip):
    outbox.adopt(
        QueuedChunk(image, i, bool(i), b"x", 1.0, None) for image in range(500) for i in (0, 1)
    )
    read = SimpleNamespace(n=0)
    real = outbox._file.read

    def counted(chunks):
        found = real(chunks)
        read.n += len(found)
        return found

    monkeypatch.setattr(outbox._file, "read", counted)
    outbox.base_chunks(2, skip)
    outbox.refinements(2, skip)
    assert read.n <= 4


def test_which_images_wait_is_told_and_others_may_see_to_them(outbox):
    outbox.put(5, [b"base", b"more"], 1.0)
    outbox.put(6, [b"base"], 1.0, is_durable=False)
    assert outbox.waiting() == {5, 6}
    outbox.forget([5, 4])
    assert outbox.waiting() == {6}
    assert outbox.n_evicted == 0


def test_what_is_not_on_the_disk_yet_is_in_no_answer(path, outbox, monkeypatch):
    may_end = threading.Event()
    real = os.fdatasync

    def slow(descriptor):
        may_end.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    outbox.put_soon(1, PIECES, captured_s=1.0)
    outbox.put_soon(2, PIECES, captured_s=2.0)
    assert outbox.arrived() == []
    assert (outbox.n_images, outbox.base_chunks(9), outbox.newest_image) == (0, [], -1)
    with pytest.raises(ValueError, match="image 1 waits already"):
        outbox.put_soon(1, PIECES, captured_s=1.0)
    may_end.set()
    assert outbox.arrived(wait=True) == [1, 2]
    assert ids(outbox.base_chunks(9)) == [(1, 0), (2, 0)]
    assert outbox.arrived(wait=True) == []
    with Outbox(path, boot_id="this boot") as again:
        assert everything(again) == everything(outbox)


def test_what_does_not_reach_the_disk_is_said(outbox, monkeypatch):
    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    outbox.put_soon(1, PIECES, captured_s=1.0)
    with pytest.raises(OutboxError, match=r"Input/output error\); the card may be failing"):
        outbox.arrived(wait=True)
    assert outbox.n_images == 0


def test_a_full_queue_makes_room_and_what_is_new_arrives(path):
    with Outbox(path, max_bytes=3 * (CHUNK_BYTES + 10)) as outbox:
        for image in range(5):
            outbox.put_soon(image, [bytes(10)], captured_s=None)
        assert outbox.arrived(wait=True) == [0, 1, 2, 3, 4]
        assert ids(outbox.base_chunks(9)) == [(2, 0), (3, 0), (4, 0)]
        assert outbox.n_evicted == 2
