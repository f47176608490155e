"""A chunk is what was written, or it is said that it is not."""

import sqlite3
from contextlib import closing

import pytest

from device.outbox.chunk_file import (
    ChunkFile,
    DamagedError,
    QueuedChunk,
    set_damaged_aside,
    whole_chunks,
)

FIRST = QueuedChunk(7, 0, False, b"first", 10.0, None)
SECOND = QueuedChunk(7, 1, True, b"second", 10.0, 1_700_000_000.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chunks.sqlite"


@pytest.fixture
def file(path):
    with closing(ChunkFile(path, "this boot")) as file:
        with file.transaction():
            file.insert(SECOND)
            file.insert(FIRST)
        yield file


def change(path, statement):
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


def test_chunks_come_back_in_order_and_by_name(file):
    assert list(file.read_all()) == [FIRST, SECOND]
    assert file.read([(7, 1)]) == [SECOND]


def test_one_that_is_deleted_is_gone_and_tells_its_length(file):
    with file.transaction():
        assert file.delete(7, 0) == len(b"first")
        assert file.delete(7, 0) == 0
    assert list(file.read_all()) == [SECOND]


def test_a_transaction_that_fails_did_nothing(file):
    def fail():
        with file.transaction():
            file.delete(7, 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(file.read_all()) == [FIRST, SECOND]


def test_the_clock_of_another_boot_says_nothing_any_more(file, path):
    with closing(ChunkFile(path, "the next boot")) as again:
        assert [chunk.captured_s for chunk in again.read_all()] == [None, None]
        assert [chunk.captured_unix_s for chunk in again.read_all()] == [None, 1_700_000_000.0]


def test_a_chunk_that_is_not_there_is_damage(file):
    with pytest.raises(DamagedError, match="a chunk has changed"):
        file.read([(8, 0)])


@pytest.mark.parametrize("column", ["bitstream = X'00'", "is_last = 1", "checksum = 5"])
def test_a_chunk_that_changed_is_damage_and_the_others_are_whole(file, path, column):
    change(path, f"UPDATE chunks SET {column} WHERE place = 0")
    with pytest.raises(DamagedError, match="a chunk has changed"):
        list(file.read_all())
    assert whole_chunks(path) == [SECOND]


def test_a_damaged_file_is_set_aside_with_what_belongs_to_it(file, path):
    file.close()
    aside = set_damaged_aside(path)
    assert not path.exists()
    assert whole_chunks(aside) == [FIRST, SECOND]
