"""LoRaWAN's wire form: three bytes of ours, ids found again, and no input that breaks it."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.lorawan.wire import (
    FIRST_PORT,
    MAX_JUMP,
    Greeting,
    can_be_told,
    nearest,
    pack_batch,
    pack_chunk,
    pack_enough,
    plain_packet,
    port_of,
    type_of,
    unpack_batch,
    unpack_chunk,
    unpack_enough,
    unpack_packet,
    uplink_packet,
)
from link.wire.packet import Chunk, PacketType

IDS = st.integers(0, 2**48 - 1)
CHUNKS = st.builds(
    Chunk,
    image=IDS,
    index=st.integers(0, 30),
    is_last=st.booleans(),
    bitstream=st.binary(max_size=40),
    age_s=st.none() | st.floats(0, 1e6),
)


def test_three_bytes_are_ours():
    chunk = Chunk(image=5000, index=2, is_last=True, bitstream=b"\xaa\xbb", age_s=3.0)
    assert pack_chunk(chunk).hex() == "9c4443" + "aabb"
    assert unpack_chunk(bytes.fromhex("9c4443aabb"), reference=5100) == chunk


@given(CHUNKS, st.integers(-MAX_JUMP + 1, MAX_JUMP - 1))
def test_a_chunk_comes_back_whole_whatever_id_was_told_before(chunk, jump):
    reference = max(0, chunk.image + jump)
    assert can_be_told(chunk.image, reference)
    read = unpack_chunk(pack_chunk(chunk), reference)
    assert replace(read, age_s=None) == replace(chunk, age_s=None)
    if chunk.age_s is None:
        assert read.age_s is None
    else:
        assert read.age_s is not None
        assert 1 + read.age_s == pytest.approx(1 + chunk.age_s, rel=0.27)


@given(IDS, st.integers(1, MAX_JUMP - 1), st.integers(-MAX_JUMP + 1, MAX_JUMP - 1))
def test_one_telling_that_the_node_did_not_learn_of_does_no_harm(told, heard_jump, jump):
    """The host heard `told` + heard_jump, the node believes that the host knows only `told`."""
    image = max(0, told + jump)
    chunk = Chunk(image, 0, False, b"", None)
    assert unpack_chunk(pack_chunk(chunk), reference=told + heard_jump).image == image


@given(st.lists(CHUNKS, min_size=1, max_size=5), IDS)
def test_a_batch_comes_back_whole(chunks, start):
    images = [start + 100 * i for i in range(len(chunks))]
    chunks = [
        replace(chunk, image=image, age_s=None) for chunk, image in zip(chunks, images, strict=True)
    ]
    assert unpack_batch(pack_batch(chunks), reference=start) == chunks


@given(st.binary(max_size=60), IDS)
def test_any_bytes_are_read_or_refused_by_a_value_error(body, reference):
    for unpack in (unpack_chunk, unpack_batch, unpack_enough):
        with suppress(ValueError):
            unpack(body, reference)
    for unpack_one in (Greeting.unpack, unpack_packet):
        with suppress(ValueError):
            unpack_one(body)


@given(IDS, st.integers(1, 20), st.data())
def test_the_nearest_number_is_the_nearest(reference, bits, data):
    low = data.draw(st.integers(0, (1 << bits) - 1))
    found = nearest(reference, low, bits)
    assert found >= 0
    assert found % (1 << bits) == low
    if reference >= 1 << bits:
        assert abs(found - reference) <= 1 << bits - 1


def test_ports_say_the_type():
    assert [port_of(kind) for kind in PacketType] == list(range(101, 109))
    assert [type_of(port_of(kind)) for kind in PacketType] == list(PacketType)
    assert type_of(FIRST_PORT - 1) is None
    assert type_of(109) is None


def test_inside_the_project_a_frame_is_a_packet_with_the_native_header():
    packet = uplink_packet(7, bytes.fromhex("260b4d01"), 0x1_0203, PacketType.STATUS, b"body")
    assert packet.hex() == "19070203" + "260b4d01" + b"body".hex()
    header, packet_type, body = unpack_packet(packet)
    assert (header.node, header.counter_low, header.salt.hex()) == (7, 0x0203, "260b4d01")
    assert (packet_type, body) == (PacketType.STATUS, b"body")
    assert unpack_packet(plain_packet(7, PacketType.REPORT, b"\x00\x05"))[1:] == (
        PacketType.REPORT,
        b"\x00\x05",
    )


def test_a_native_packet_is_told_apart():
    with pytest.raises(ValueError, match="wire version 3, over LoRaWAN it is 0"):
        unpack_packet(bytes.fromhex("c0070203"))


def test_a_greeting_and_a_report_come_back():
    greeting = Greeting(bytes(range(8)), image=2**40 + 5)
    assert greeting.pack().hex() == "0001020304050607" + "010000000005"
    assert Greeting.unpack(greeting.pack()) == greeting
    assert unpack_enough(pack_enough([2**40, 2**40 + 7]), reference=2**40 + 90) == [
        2**40,
        2**40 + 7,
    ]
    assert pack_enough([]) == b""
