"""Of a damaged file what is whole is kept, and nothing else is believed."""

import pytest

from device.outbox.chunk_file import OutboxError
from device.outbox.salvage import set_damaged_aside, whole_chunks
from tests.device.outbox.conftest import FIRST, SECOND, change


@pytest.mark.parametrize(
    "column",
    ["bitstream = X'00'", "is_last = 1", "checksum = 5", "bitstream = 'text'", "image = 'seven'"],
)
def test_a_chunk_that_changed_is_left_out(file, path, column):
    change(path, f"UPDATE chunks SET {column} WHERE place = 0")
    assert whole_chunks(path) == [SECOND]


def test_what_is_no_file_of_chunks_holds_none(tmp_path):
    (tmp_path / "photo").write_bytes(bytes(range(256)))
    assert whole_chunks(tmp_path / "photo") == []


def test_a_damaged_file_is_set_aside_with_what_belongs_to_it(file, path):
    file.close()
    aside = set_damaged_aside(path)
    assert not path.exists()
    assert whole_chunks(aside) == [FIRST, SECOND]


def test_one_that_cannot_be_set_aside_is_named(tmp_path):
    with pytest.raises(OutboxError, match="is damaged and cannot be set aside"):
        set_damaged_aside(tmp_path / "nowhere.sqlite")
