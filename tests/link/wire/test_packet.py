"""The packet format: every byte where the drawing says, and any cut of a bitstream comes together
again.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.wire.packet import (
    MAX_CHUNKS,
    Chunk,
    Flag,
    Header,
    PacketType,
    at_most,
    chunk_head_bytes,
    pack_batch,
    pack_duration,
    split,
    unpack_batch,
    unpack_duration,
)

AGES = st.one_of(st.none(), st.integers(0, 254).map(unpack_duration))


@st.composite
def chunks(draw, counter, oldest=0, longest=60):
    """A chunk that can travel under this counter."""
    image = draw(st.integers(max(0, oldest), counter))
    index = draw(st.integers(0, MAX_CHUNKS - 1))
    age_s = draw(AGES) if index == 0 else None
    return Chunk(image, index, draw(st.booleans()), draw(st.binary(max_size=longest)), age_s)


COUNTERS = st.one_of(st.integers(0, 5000), st.integers(0, (1 << 48) - 1))


def test_a_header_is_version_type_flags_node_and_counter():
    assert Header(node=5, counter_low=0x1234).pack().hex() == "c0051234"
    header = Header(7, 0xFFFF, PacketType.HELLO, Flag.KNOWN | Flag.LISTEN)
    assert header.pack().hex() == "e607ffff"


def test_a_salt_follows_the_header_four_bytes_up_with_the_counter_s_rest_and_eight_down():
    up = Header(5, 1, PacketType.STATUS, Flag.SALT, salt=b"node", counter_high=0x01020304)
    down = Header(5, 1, PacketType.REPORT, Flag.SALT, salt=b"the host")
    assert up.pack() == bytes.fromhex("d9050001") + b"node" + bytes([1, 2, 3, 4])
    assert down.pack() == bytes.fromhex("e9050001") + b"the host"
    assert [Header.unpack(header.pack() + b"rest") for header in (up, down)] == [up, down]
    assert (up.n_bytes, down.n_bytes) == (12, 12)
    assert (up.counter, up.tells_counter, down.tells_counter) == (0x0102_0304_0001, True, False)


@given(st.binary(max_size=20))
def test_bytes_are_a_header_that_packs_back_or_are_refused(packet):
    try:
        header = Header.unpack(packet)
    except ValueError:
        assert len(packet) < 12
    else:
        assert header.pack() == packet[: header.n_bytes]


def test_the_types_keep_their_numbers():
    names = ["DATA", "BATCH", "PARITY", "STATUS", "HELLO", "REPORT", "COMMAND", "TIME"]
    assert {name: PacketType[name].value for name in names} == {
        name: i for i, name in enumerate(names)
    }
    assert [kind.is_uplink for kind in PacketType] == [True] * 5 + [False] * 3


def test_the_first_chunk_has_three_bytes_of_head_and_the_others_two():
    first = Chunk(image=9, index=0, is_last=False, bitstream=b"ab", age_s=1.0)
    last = Chunk(image=9, index=3, is_last=True, bitstream=b"cd")
    assert first.pack(counter=12) == bytes([9 >> 2, (9 & 3) << 6, 12]) + b"ab"
    assert last.pack(counter=12) == bytes([9 >> 2, (9 & 3) << 6 | 0x20 | 3]) + b"cd"
    assert [chunk_head_bytes(9, index, 12) for index in range(3)] == [3, 2, 2]


def test_an_image_that_a_thousand_counters_have_passed_travels_in_the_long_form():
    old = Chunk(image=9, index=0, is_last=True, bitstream=b"ab", age_s=None)
    assert len(old.pack(9 + 1023)) == 3 + 2
    assert old.pack(9 + 1024) == bytes([0, 31, 0, 0, 0, 9, 0x80, 255]) + b"ab"
    assert chunk_head_bytes(9, 0, 9 + 1024) == 8


@given(st.data(), COUNTERS)
def test_a_chunk_comes_back_however_old_its_image(data, counter):
    chunk = data.draw(chunks(counter, oldest=counter - (1 << 32) + 1))
    body = chunk.pack(counter)
    assert Chunk.unpack(body, counter) == chunk
    assert len(body) == chunk_head_bytes(chunk.image, chunk.index, counter) + len(chunk.bitstream)


@given(st.data(), COUNTERS)
def test_a_batch_comes_back(data, counter):
    batch = data.draw(st.lists(chunks(counter, oldest=counter - 2000), max_size=5))
    assert unpack_batch(pack_batch(batch, counter), counter) == batch


def test_a_batch_that_is_cut_off_is_refused_wherever_the_cut():
    batch = [Chunk(3, 0, True, b"abc", 0.0), Chunk(4, 1, True, b"de")]
    body, ends = pack_batch(batch, 7), [0, 7]
    for n_bytes in range(len(body)):
        if n_bytes not in ends:
            with pytest.raises(ValueError, match=r"chunk"):
                unpack_batch(body[:n_bytes], 7)


@pytest.mark.parametrize(
    "body",
    [b"", b"\x01", b"\x01\x00", b"\x00\x1f\x00\x00\x00\x00", b"\x00\x1f\x00\x00\x00\x00\x00"],
)
def test_a_body_too_short_for_its_head_is_refused(body):
    with pytest.raises(ValueError, match=r"head alone has|ends before the age"):
        Chunk.unpack(body, 100)


@pytest.mark.parametrize(
    "body", [b"\xff\xc1", b"\x00\x1f\x00\x00\x00\x65\x01", b"\x00\x1f\x00\x00\x00\x01\x1f"]
)
def test_an_image_of_the_future_and_a_chunk_too_many_are_refused(body):
    with pytest.raises(ValueError, match="cannot travel under counter 100"):
        Chunk.unpack(body, 100)


def test_the_number_at_most_a_limit_with_given_low_bits():
    assert at_most(1000, 1000 % 16, 4) == 1000
    assert at_most(1000, 1001 % 16, 4) == 985
    assert at_most(3, 4, 4) == -12


def test_a_duration_is_told_to_six_per_cent_from_a_second_to_weeks():
    for duration_s in (1, 2.5, 60, 3600, 86400, 14 * 86400):
        assert unpack_duration(pack_duration(duration_s)) == pytest.approx(duration_s, rel=0.06)


def test_durations_beyond_the_scale_stay_at_its_ends_and_none_is_told_apart():
    assert pack_duration(0.0) == pack_duration(-5.0) == 0
    assert unpack_duration(0) == 0.0
    assert pack_duration(1e12) == 254
    assert pack_duration(None) == 255
    assert unpack_duration(255) is None


@given(st.integers(0, 255))
def test_every_duration_byte_packs_back(code):
    assert pack_duration(unpack_duration(code)) == code


@given(st.integers(0, 600), st.integers(1, 60), st.integers(1, 60))
def test_pieces_are_full_and_join_to_the_bitstream(n_bytes, first_bytes, later_bytes):
    bitstream = bytes(i % 251 for i in range(n_bytes))
    if n_bytes > first_bytes + (MAX_CHUNKS - 1) * later_bytes:
        with pytest.raises(ValueError, match="an image has at most 31; allow longer ones"):
            split(bitstream, first_bytes, later_bytes)
        return
    pieces = split(bitstream, first_bytes, later_bytes)
    assert b"".join(pieces) == bitstream
    assert [len(piece) for piece in pieces[:-1]] == (
        [first_bytes] + [later_bytes] * (len(pieces) - 2)
    )[: len(pieces) - 1]
    assert len(pieces) == 1 or pieces[-1]


def test_pieces_without_room_are_refused():
    with pytest.raises(ValueError, match="chunks of 4 and 0 bytes hold nothing"):
        split(b"x", 4, 0)


def a_chunk(
    index: int, bitstream: bytes = b"x", is_last: bool = False, version: bytes = b""
) -> Chunk:
    return Chunk(0, index, is_last, bitstream, version=version)


def test_a_prefix_is_in_order_and_ends_at_the_first_gap():
    came = [a_chunk(3), a_chunk(1), a_chunk(0), a_chunk(4)]
    assert Chunk.prefix_of(came) == [a_chunk(0), a_chunk(1)]
    assert Chunk.prefix_of([a_chunk(1), a_chunk(2)]) == []
    assert Chunk.prefix_of([]) == []


def test_of_two_with_one_index_the_first_counts():
    first = a_chunk(0, b"stored")
    assert Chunk.prefix_of([first, a_chunk(0, b"late")]) == [first]


def test_a_prefix_is_of_one_version_the_first_that_is_whole():
    one = [a_chunk(0, b"a", version=b"one"), a_chunk(1, b"b", True, version=b"one")]
    two = [a_chunk(0, b"A", version=b"two"), a_chunk(1, b"B", True, version=b"two")]
    assert Chunk.prefix_of([one[0], two[1]]) == [one[0]], "not mixed"
    assert Chunk.prefix_of([one[1], two[0]]) == [two[0]], "what can be decoded"
    assert Chunk.prefix_of([one[0], two[0]]) == [one[0]], "the first"
    assert Chunk.prefix_of([one[0], two[0], two[1]]) == two, "what is whole"
    assert Chunk.prefix_of([one[0], two[0], two[1], one[1]]) == one
