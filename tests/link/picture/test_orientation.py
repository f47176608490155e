"""How the camera was held, by EXIF as Pillow writes it and as a byte or two may be wrong in it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from link.picture.orientation import ORIENTATION, TURNS, orientation_in

BIG_ENDIAN = b"MM\0*\0\0\0\x08" + b"\0\x01" + b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" + bytes(4)


@pytest.mark.parametrize("value", range(1, 9))
def test_what_pillow_wrote_is_read(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    assert orientation_in(exif.tobytes()) == value


def test_other_entries_do_not_matter():
    exif = Image.Exif()
    exif[0x010F], exif[ORIENTATION], exif[0x0131] = "a maker", 8, "a program"
    assert orientation_in(exif.tobytes()) == 8


def test_either_order_of_bytes_is_read_with_and_without_the_marker_in_front():
    assert orientation_in(BIG_ENDIAN) == orientation_in(b"Exif\0\0" + BIG_ENDIAN) == 6


@pytest.mark.parametrize("n_bytes", [0, 4, 9, 12])
def test_a_block_that_ends_before_the_entry_has_no_orientation(n_bytes):
    with pytest.raises(KeyError):
        orientation_in(BIG_ENDIAN[:n_bytes])


def test_an_entry_of_a_type_that_is_no_whole_number_has_none():
    with pytest.raises(KeyError):
        orientation_in(BIG_ENDIAN.replace(b"\0\x03\0\0\0\x01", b"\0\x05\0\0\0\x01"))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_number_or_a_key_error(exif):
    with suppress(KeyError):
        assert orientation_in(exif) >= 0


def test_every_turn_is_one_that_pillow_has():
    assert {Image.Transpose[name] for name in TURNS.values()} == set(Image.Transpose)
