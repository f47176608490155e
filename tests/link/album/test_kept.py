"""A kept picture is a file that viewers open and that says when it is torn."""

import io
import zlib
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from PIL import Image

from link.album.kept import (
    END,
    Kept,
    TornError,
    file_name,
    from_bytes,
    is_file_name,
    sequence_of,
    to_bytes,
)
from link.picture import writer


def kept(**changed) -> Kept:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    known: dict[str, Any] = {
        "picture": writer.to_png(pixels),
        "symbols": np.array([-128, 0, 127], np.int8),
        "bundle": "00112233aabbccdd",
        "node": 3,
        "image": 41,
        "boot": "b-1",
        "captured_s": 12.25,
        "unix_s": 1.7e9,
    }
    return Kept(**(known | changed))


@pytest.mark.parametrize("unix_s", [None, 1_800_000_000.125])
def test_what_is_read_is_what_was_kept(unix_s):
    before = kept(unix_s=unix_s)
    after = from_bytes(to_bytes(before))
    for one in fields(Kept):
        assert np.array_equal(getattr(after, one.name), getattr(before, one.name)), one.name
    assert after.ending == ".png"


def test_viewers_see_the_picture():
    pixels = np.full((40, 30, 3), 200, np.uint8)
    for picture in (writer.to_png(pixels), writer.to_jpeg(pixels, 40)):
        with Image.open(io.BytesIO(to_bytes(kept(picture=picture)))) as seen:
            assert abs(np.asarray(seen).astype(int) - 200).max() <= 1
            assert seen.size == (30, 40)


def test_a_file_torn_anywhere_is_noticed():
    whole = to_bytes(kept())
    for end in range(len(whole)):
        with pytest.raises(TornError):
            from_bytes(whole[:end])
        with pytest.raises(TornError):  # what a card gives for blocks that were never written
            from_bytes(whole[:end] + bytes(len(whole) - end))


def test_no_changed_byte_is_believed():
    whole = bytearray(to_bytes(kept()))
    for place in range(0, len(whole), 7):
        whole[place] ^= 1
        with pytest.raises(TornError):
            from_bytes(bytes(whole))
        whole[place] ^= 1


def test_what_another_version_wrote_is_no_picture():
    body = kept().picture + b"[]"
    content = body + END.pack(2, zlib.crc32(body), b"LLK1")
    with pytest.raises(TornError, match="another version"):
        from_bytes(content)


def test_a_name_has_its_place_and_differs_with_the_content():
    one, other = file_name(7, b"one", ".jpg"), file_name(7, b"other", ".jpg")
    assert sequence_of(one) == 7
    assert one != other
    assert is_file_name(one)
    assert not any(
        map(is_file_name, ("../00000001-00000000.jpg", "a.jpg", one + ".part", one + "\n"))
    )
