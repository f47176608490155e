"""Frames on a byte stream: any packet comes back, any garbage is counted, and the stream finds its
step again.
"""

from binascii import crc_hqx

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.wire.framing import Deframer, cobs_decode, cobs_encode, frame

packets = st.binary(max_size=255)
COBS_VECTORS = [  # Wikipedia, "Consistent Overhead Byte Stuffing", without the final delimiter
    ("00", "0101"),
    ("0000", "010101"),
    ("001100", "01021101"),
    ("11220033", "0311220233"),
    ("11223344", "0511223344"),
    ("11000000", "0211010101"),
    (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
    (bytes(range(255)).hex(), "01ff" + bytes(range(1, 255)).hex()),
    (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
    ((bytes(range(2, 256)) + b"\0").hex(), "ff" + bytes(range(2, 256)).hex() + "0101"),
    ((bytes(range(3, 256)) + b"\0\x01").hex(), "fe" + bytes(range(3, 256)).hex() + "0201"),
]


@pytest.mark.parametrize(("data", "encoded"), COBS_VECTORS)
def test_stuffing_follows_the_published_vectors(data, encoded):
    assert cobs_encode(bytes.fromhex(data)).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)) == bytes.fromhex(data)


@given(st.binary(max_size=800))
def test_stuffing_removes_every_zero_and_comes_back(data):
    encoded = cobs_encode(data)
    assert b"\0" not in encoded
    assert len(encoded) <= len(data) + max(1, -(-len(data) // 254))
    assert cobs_decode(encoded) == data


@given(st.lists(st.sampled_from([bytes([1] * 253), bytes([1] * 254), b"\0", b"\x02"]), max_size=8))
def test_stuffing_is_right_at_the_block_borders(parts):
    assert cobs_decode(cobs_encode(b"".join(parts))) == b"".join(parts)


def test_the_crc_is_ccitt_false():
    assert crc_hqx(b"123456789", 0xFFFF) == 0x29B1
    assert frame(b"123456789") == b"\x0c123456789\x29\xb1\x00"


@given(st.binary(max_size=252))
def test_a_frame_costs_four_bytes(packet):
    assert len(frame(packet)) == len(packet) + 4


@given(st.lists(packets, max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=30))
@settings(deadline=None)
def test_packets_come_out_however_the_stream_was_cut(sent, cuts):
    stream = b"".join(map(frame, sent))
    deframer = Deframer()
    received = []
    for n_bytes in cuts:
        received += deframer.push(stream[:n_bytes])
        stream = stream[n_bytes:]
    received += deframer.push(stream)
    assert received == sent
    assert (deframer.noise, deframer.too_long) == (0, 0)


@given(st.lists(st.tuples(st.binary(max_size=300), packets), max_size=5))
def test_garbage_that_ends_with_a_zero_costs_no_packet(pairs):
    deframer = Deframer()
    for garbage, packet in pairs:
        assert deframer.push(garbage + b"\0" + frame(packet))[-1] == packet


@given(st.binary(min_size=1, max_size=300), packets, packets)
def test_garbage_costs_at_most_the_packet_it_runs_into(garbage, lost, packet):
    assert Deframer().push(garbage + frame(lost) + frame(packet))[-1] == packet


def test_a_packet_cut_off_in_the_middle_is_noise_and_the_next_arrives():
    deframer = Deframer()
    assert deframer.push(frame(b"first packet")[:6] + frame(b"second") + frame(b"third")) == [
        b"third"
    ]
    assert deframer.noise == 1


@given(packets, st.data())
def test_a_flipped_bit_never_gives_another_packet(packet, data):
    damaged = bytearray(frame(packet))
    position = data.draw(st.integers(0, len(damaged) - 2))
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    deframer = Deframer()
    received = deframer.push(bytes(damaged) + b"\0" + frame(b"next"))
    assert received == [b"next"]
    assert deframer.noise >= 1


@given(st.lists(st.binary(max_size=600), max_size=10))
def test_any_bytes_are_taken_and_little_is_kept(pieces):
    deframer = Deframer()
    for piece in pieces:
        assert all(len(packet) <= 255 for packet in deframer.push(piece))
        assert len(deframer._pending) <= 260


def test_a_run_longer_than_any_frame_is_counted_once_and_forgotten():
    deframer = Deframer()
    for _ in range(50):
        assert deframer.push(b"\x01" * 100) == []
    assert deframer.push(b"\0" + frame(b"packet")) == [b"packet"]
    assert (deframer.noise, deframer.too_long) == (0, 1)


def test_the_longest_packet_passes_and_one_byte_more_does_not():
    deframer = Deframer(max_packet_bytes=20)
    assert deframer.push(frame(bytes([7] * 20))) == [bytes([7] * 20)]
    assert deframer.push(frame(bytes([7] * 21))) == []
    assert deframer.push(frame(bytes(21))) == []
    assert deframer.too_long == 2


def test_zeros_between_frames_are_silence():
    deframer = Deframer()
    assert deframer.push(b"\0\0\0" + frame(b"a") + b"\0\0" + frame(b"b")) == [b"a", b"b"]
    assert (deframer.noise, deframer.too_long) == (0, 0)
