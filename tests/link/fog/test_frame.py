"""Frames: the header says all, nothing opens that was not sealed so, bodies are cut and joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.fog.frame import (
    MAX_FRAME_BYTES,
    PIECE_BYTES,
    Flag,
    Header,
    Kind,
    TeamSeal,
    joined,
    pieces,
    place_of,
)

KEY, BUNDLE = bytes(range(16)), bytes(range(8))
SEAL = TeamSeal(KEY, BUNDLE)
HEADERS = st.builds(
    Header,
    st.sampled_from(Kind),
    st.sampled_from([Flag(0), Flag.MODEM, Flag.CAMERA, Flag.MODEM | Flag.CAMERA]),
    st.integers(0, 31),
    st.integers(0, 4095),
    st.integers(0, 2**48 - 1),
    st.binary(min_size=4, max_size=4),
)


@given(HEADERS, st.binary(max_size=40))
def test_a_sealed_frame_opens_and_says_what_it_is(header, body):
    frame = SEAL.seal(header, body)
    assert len(frame) == 21 + len(body)
    assert Header.unpack(frame) == header
    assert SEAL.open(frame) == body


@given(HEADERS, HEADERS)
def test_two_headers_are_two_nonces(one, other):
    assert (one == other) == (one.pack() == other.pack())


@given(HEADERS, st.binary(max_size=40), st.data())
def test_a_frame_with_any_bit_turned_does_not_open(header, body, data):
    frame = bytearray(SEAL.seal(header, body))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    assert SEAL.open(bytes(frame)) is None


def test_another_team_and_another_bundle_do_not_open_it():
    frame = SEAL.seal(Header(Kind.TICK, Flag(0), 1, 0, 5, b"salt"), b"body")
    assert TeamSeal(bytes(16), BUNDLE).open(frame) is None
    assert TeamSeal(KEY, bytes(8)).open(frame) is None
    with pytest.raises(ValueError, match="key has 3 bytes"):
        TeamSeal(b"key", BUNDLE)


@given(st.binary(max_size=60))
def test_no_bytes_are_too_strange_to_be_looked_at(frame):
    header = Header.unpack(frame)
    assert header is None or header.pack() == frame[:13]


def test_what_is_too_long_or_of_another_version_or_kind_is_no_frame():
    header = Header(Kind.HERE, Flag(0), 1, 0, 5, b"salt")
    frame = SEAL.seal(header, b"")
    assert Header.unpack(frame[:-1]) is None
    assert Header.unpack(frame + bytes(MAX_FRAME_BYTES)) is None
    assert Header.unpack(bytes([frame[0] ^ 0x40]) + frame[1:]) is None
    assert Header.unpack(bytes([frame[0] | 0x38]) + frame[1:]) is None


def test_a_part_stands_in_its_place():
    header = Header(Kind.TENSOR, Flag(0), 31, place_of(7, 31, 15), 0, b"salt")
    assert (header.part, header.piece, header.place) == ((7, 31), 15, 4095)


@pytest.mark.parametrize("n_bytes", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 4000])
def test_a_body_is_whole_when_its_last_piece_is_there(n_bytes):
    body = bytes(i % 251 for i in range(n_bytes))
    cut = pieces(body)
    assert max(map(len, cut)) <= PIECE_BYTES
    found: dict[int, bytes] = {}
    for number, piece in reversed(list(enumerate(cut))):
        assert joined(found) is None
        found[number] = piece
    assert joined(found) == body
