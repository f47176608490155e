"""Pieces: any message comes whole, in any order, with losses; nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.messages.pieces import HEAD_BYTES, MAX_PIECES, Gathering, Have, Piece, cut, read_piece


def gathered(gathering: Gathering, packed: bytes) -> bytes | None:
    piece = read_piece(packed)
    assert isinstance(piece, Piece)
    return gathering.take(piece)


@given(st.binary(min_size=1, max_size=2000), st.integers(HEAD_BYTES + 1, 255), st.randoms())
def test_a_message_comes_whole_in_any_order_and_once(message, room_bytes, random):
    pieces = cut(message, room_bytes)
    assert all(len(piece) <= room_bytes for piece in pieces)
    random.shuffle(pieces)
    gathering = Gathering()
    came = [gathered(gathering, piece) for piece in [*pieces, *pieces]]
    assert [each for each in came if each is not None] == [message]
    assert gathering.is_whole


@given(st.integers(1, 200), st.sets(st.integers(0, 199)))
def test_what_is_here_need_not_be_sent_and_what_is_not_is_said_to_be_lacking(n, lost):
    pieces, gathering = cut(bytes(range(256)) * 50, 12800 // n + 8), Gathering()
    for index, piece in enumerate(pieces):
        if index not in lost:
            gathered(gathering, piece)
    have = read_piece(gathering.have.pack())
    assert isinstance(have, Have)
    if lost >= set(range(len(pieces))):
        assert have == Have()
        return
    for index in range(min(len(pieces), have.n_first + 33)):
        assert have.lacks(index) == (index in lost)


def test_another_message_begins_anew_and_damage_is_asked_for_again():
    gathering = Gathering()
    first, second = cut(b"one message" * 9, 40), cut(b"another one" * 9, 40)
    gathered(gathering, first[0])
    gathered(gathering, second[0])
    assert gathering.have.name == second[0][:4]
    piece = read_piece(second[1])
    assert isinstance(piece, Piece)
    with pytest.raises(ValueError, match="have one name"):
        gathering.take(Piece(piece.name, 1, 7, piece.content))
    assert gathering.have.n_first == 0
    for packed in second[:-1]:
        assert gathered(gathering, packed) is None
    damaged = second[-1][:-1] + bytes([second[-1][-1] ^ 1])
    with pytest.raises(ValueError, match="came damaged"):
        gathered(gathering, damaged)
    assert not gathering.is_whole
    assert [gathered(gathering, packed) for packed in second][-1] == b"another one" * 9


@given(st.binary(max_size=40))
def test_any_bytes_are_a_piece_or_refused(packed):
    try:
        read = read_piece(packed)
    except ValueError:
        return
    assert read.pack() == packed


def test_what_is_too_long_for_the_link_is_said():
    assert len(cut(bytes(MAX_PIECES), HEAD_BYTES + 1)) == MAX_PIECES
    for message, room_bytes in ((bytes(MAX_PIECES + 1), HEAD_BYTES + 1), (b"a", HEAD_BYTES)):
        with pytest.raises(ValueError, match="take a link of longer packets"):
            cut(message, room_bytes)
