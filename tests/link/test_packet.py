"""The packet format: every byte where the drawing says, and any cut of a bitstream comes together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.packet import (
    Chunk,
    Flag,
    Header,
    PacketType,
    chunk_head_bytes,
    pack_age,
    split,
    unpack_age,
)


def test_a_header_is_version_type_flags_node_and_counter():
    assert Header(node=5, counter_low=0x1234).pack().hex() == "40051234"
    header = Header(7, 0xFFFF, PacketType.FRAGMENT, Flag.MODEL_SLOT | Flag.LISTEN_AFTER_ME)
    assert header.pack().hex() == "7507ffff"


@given(st.binary(min_size=4, max_size=8))
def test_every_four_bytes_are_a_header_that_packs_back(packet):
    assert Header.unpack(packet).pack() == packet[:4]


def test_the_types_keep_their_numbers():
    names = ["DATA", "PARITY", "REPORT", "COMMAND", "HELLO", "TIME", "FRAGMENT"]
    assert {name: PacketType[name].value for name in names} == {name: i for i, name in enumerate(names)}


def test_the_first_chunk_has_three_bytes_of_head_and_the_others_two():
    first = Chunk(image_low=9, index=0, is_last=False, bitstream=b"ab", age_s=1.0)
    last = Chunk(image_low=9, index=3, is_last=True, bitstream=b"cd")
    assert first.pack() == bytes([9, 0, 12]) + b"ab"
    assert last.pack() == bytes([9, 0x83]) + b"cd"
    assert [chunk_head_bytes(index) for index in range(3)] == [3, 2, 2]


@given(st.integers(0, 255), st.integers(0, 127), st.booleans(), st.binary(max_size=60), st.integers(0, 255))
def test_a_chunk_comes_back(image_low, index, is_last, bitstream, age_code):
    age_s = unpack_age(age_code) if index == 0 else 0.0
    chunk = Chunk(image_low, index, is_last, bitstream, age_s)
    assert Chunk.unpack(chunk.pack()) == chunk


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x01\x00", b"\x01\x80"])
def test_a_body_too_short_for_its_head_is_refused(body):
    with pytest.raises(ValueError, match=f"has {len(body)} bytes, a chunk begins with"):
        Chunk.unpack(body)


def test_an_age_is_told_to_six_per_cent_from_a_second_to_weeks():
    for age_s in (1, 2.5, 60, 3600, 86400, 14 * 86400):
        assert unpack_age(pack_age(age_s)) == pytest.approx(age_s, rel=0.06)


def test_ages_beyond_the_scale_stay_at_its_ends():
    assert pack_age(0.0) == pack_age(-5.0) == 0
    assert unpack_age(0) == 0.0
    assert pack_age(1e12) == 255
    assert unpack_age(255) > 28 * 86400


@given(st.integers(0, 255))
def test_every_age_byte_packs_back(code):
    assert pack_age(unpack_age(code)) == code


@given(st.integers(0, 600), st.integers(4, 247))
def test_chunks_fill_their_bodies_and_join_to_the_bitstream(n_bytes, max_body_bytes):
    bitstream = bytes(i % 251 for i in range(n_bytes))
    if n_bytes > max_body_bytes - 3 + 127 * (max_body_bytes - 2):
        with pytest.raises(ValueError, match="an image has at most 128"):
            split(bitstream, 0, 0.0, max_body_bytes)
        return
    chunks = split(bitstream, 300, 2.0, max_body_bytes)
    assert b"".join(chunk.bitstream for chunk in chunks) == bitstream
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert {chunk.image_low for chunk in chunks} == {300 - 256}
    assert all(len(chunk.pack()) == max_body_bytes for chunk in chunks[:-1])
    assert len(chunks[-1].pack()) <= max_body_bytes
    assert len(chunks) == 1 or chunks[-1].bitstream


def test_an_empty_bitstream_is_one_empty_chunk():
    assert split(b"", 1, 0.0, 40) == [Chunk(1, 0, True, b"")]


def test_bodies_without_room_are_refused():
    with pytest.raises(ValueError, match="bodies of 3 bytes leave no room"):
        split(b"x", 0, 0.0, 3)
