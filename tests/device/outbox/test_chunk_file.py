"""A chunk is what was written, or it is said that it is not."""

from contextlib import closing

import pytest

from device.outbox.chunk_file import ChunkFile, DamagedError
from tests.device.outbox.conftest import FIRST, SECOND, change


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
def test_a_chunk_that_changed_is_damage(file, path, column):
    change(path, f"UPDATE chunks SET {column} WHERE place = 0")
    with pytest.raises(DamagedError, match="a chunk has changed"):
        list(file.read_all())
