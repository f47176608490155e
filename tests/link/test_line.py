"""The emulated line, with a clock that the test moves."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.channel import IidLoss, Impairments, parse_loss
from link.framing import Deframer, frame
from link.line import BUFFER_BYTES, Line
from link.profiles import get_profile

ALL_BYTES = bytes(range(256))


def line(name, seed=0, **impairments):
    return Line(get_profile(name), Impairments(**impairments), seed)


def packet(number, n_bytes=20):
    return number.to_bytes(2, "big") + bytes(n_bytes - 2)


def numbers(stream):
    return [int.from_bytes(received[:2], "big") for received in Deframer().push(stream)]


# --- a cable: bytes ---------------------------------------------------------------------------------------------------


def test_a_cable_delivers_every_byte_when_its_ten_bits_are_over():
    cable = line("serial-9600")
    cable.push("a", b"latent", now_s=0.0)
    assert cable.pop("b", now_s=0.00104) == b""
    assert cable.next_due_s() == pytest.approx(10 / 9600)
    assert cable.pop("b", now_s=0.00105) == b"l"
    assert cable.pop("b", now_s=1.0) == b"atent"
    assert cable.next_due_s() is None


def test_a_cable_holds_its_rate_however_fast_bytes_are_pushed():
    cable, received = line("serial-9600"), b""
    for step in range(100):
        cable.push("a", bytes(100), now_s=0.01 * step)
        received += cable.pop("b", now_s=0.01 * step)
    assert len(received) == 950  # the last was at 0.99 s
    assert cable.statistics(1.0)["bytes_in"] == 10_000


def test_a_cable_carries_both_directions_at_once():
    cable = line("serial-9600")
    cable.push("a", bytes(480), now_s=0.0)
    cable.push("b", bytes(480), now_s=0.0)
    assert [len(cable.pop(end, now_s=0.51)) for end in "ab"] == [480, 480]


def test_a_cable_passes_every_byte_value_untouched():
    cable = line("serial-115200")
    cable.push("b", ALL_BYTES, now_s=0.0)
    assert cable.pop("a", now_s=1.0) == ALL_BYTES


def test_bit_errors_on_a_cable_damage_bytes_and_are_counted():
    cable = line("serial-115200", bit_error_rate=0.01)
    cable.push("a", bytes(1000), now_s=0.0)
    received = cable.pop("b", now_s=1.0)
    n_flipped = sum(byte.bit_count() for byte in received)
    assert len(received) == 1000
    assert n_flipped == cable.statistics(1.0)["bits_flipped"]
    assert 40 < n_flipped < 120


def test_loss_on_a_cable_drops_bytes_and_duplicates_repeat_them():
    cable = line("serial-115200", loss=IidLoss(0.1))
    cable.push("a", bytes(1000), now_s=0.0)
    n_received = len(cable.pop("b", now_s=1.0))
    assert 850 < n_received < 950
    assert cable.statistics(1.0)["bytes_lost"] == 1000 - n_received

    cable = line("serial-115200", duplicate_probability=0.1)
    cable.push("a", ALL_BYTES, now_s=0.0)
    received = cable.pop("b", now_s=1.0)
    assert len(received) == 256 + cable.statistics(1.0)["duplicates"] > 256
    assert bytes(sorted(set(received))) == ALL_BYTES


# --- a radio: packets -------------------------------------------------------------------------------------------------


def test_a_radio_delivers_a_packet_whole_after_the_airtime_of_the_packet_alone():
    radio = line("lora-sf7")
    radio.push("a", frame(packet(1, n_bytes=10)), now_s=5.0)
    assert radio.pop("b", now_s=5.041) == b""
    assert radio.pop("b", now_s=5.041217) == frame(packet(1, n_bytes=10))  # 41.216 ms for 10 bytes at SF7


def test_a_packet_goes_on_the_air_when_its_last_byte_has_reached_the_modem():
    radio = line("lora-sf7")
    framed = frame(packet(1))
    radio.push("a", framed[:7], now_s=0.0)
    radio.push("a", framed[7:], now_s=3.0)
    assert radio.next_due_s() > 3.0
    assert radio.pop("b", now_s=3.1) == framed


def test_packets_wait_for_one_another_and_the_rate_is_the_radios():
    radio = line("lora-sf9")
    for number in range(20):
        radio.push("a", frame(packet(number)), now_s=0.0)
    airtime_s = get_profile("lora-sf9").medium.airtime_s(20)
    assert numbers(radio.pop("b", now_s=10.5 * airtime_s)) == list(range(10))
    assert radio.statistics(10.5 * airtime_s)["airtime_s"] == pytest.approx(11 * airtime_s)


def test_one_channel_serves_both_ends_in_turn():
    radio = line("lora-sf7")
    airtime_s = get_profile("lora-sf7").medium.airtime_s(20)
    radio.push("a", frame(packet(1)) + frame(packet(2)), now_s=0.0)
    radio.push("b", frame(packet(7)), now_s=0.001)
    assert numbers(radio.pop("b", now_s=2.01 * airtime_s)) == [1, 2]
    assert numbers(radio.pop("a", now_s=2.01 * airtime_s)) == []
    assert numbers(radio.pop("a", now_s=3.01 * airtime_s)) == [7]


@pytest.mark.parametrize(("name", "share"), [("lora-sf7-eu868", 0.01), ("lora-sf9-eu868-10pct", 0.10)])
def test_an_hour_of_an_eager_sender_keeps_the_duty_cycle_and_uses_it(name, share):
    radio, number = line(name), 0
    for second in range(3600):
        while not radio.is_full("a"):
            radio.push("a", frame(packet(number, n_bytes=50)), now_s=float(second))
            number += 1
        radio.pop("b", now_s=float(second))
    busy = radio.statistics(3600.0)["busy_ratio"]
    assert 0.9 * share < busy <= share


def test_each_end_has_a_duty_cycle_of_its_own():
    radio = line("lora-sf7-eu868")
    longest = frame(bytes(222))
    radio.push("a", longest + longest, now_s=0.0)
    radio.push("b", longest, now_s=0.0)
    assert len(Deframer().push(radio.pop("b", now_s=1.0))) == 1  # its second one waits for half a minute
    assert len(Deframer().push(radio.pop("a", now_s=1.0))) == 1  # and does not keep the other end waiting


def test_the_same_seed_loses_the_same_frames_whatever_the_timing():
    def survivors(seed, spacing_s, noise_from_b):
        radio = line("lora-sf7", seed, loss=parse_loss("edge"))
        for number in range(200):
            radio.push("a", frame(packet(number)), now_s=number * spacing_s)
            if noise_from_b:
                radio.push("b", frame(packet(number)), now_s=number * spacing_s)
        return numbers(radio.pop("b", now_s=1e4))

    eager = survivors(seed=3, spacing_s=0.0, noise_from_b=False)
    assert survivors(seed=3, spacing_s=1.0, noise_from_b=True) == eager
    assert survivors(seed=4, spacing_s=0.0, noise_from_b=False) != eager
    assert 120 < len(eager) < 190


def test_lost_frames_are_counted_and_cost_their_airtime():
    radio = line("lora-sf7", loss=IidLoss(1.0))
    radio.push("a", frame(packet(1)), now_s=0.0)
    assert radio.pop("b", now_s=1.0) == b""
    counted = radio.statistics(1.0)
    assert (counted["frames_in"], counted["frames_lost"], counted["frames_out"]) == (1, 1, 0)
    assert counted["airtime_s"] == get_profile("lora-sf7").medium.airtime_s(20)


def test_a_radio_discards_a_frame_with_a_flipped_bit_rather_than_deliver_it():
    radio = line("lora-sf7", bit_error_rate=0.01)
    for number in range(100):
        radio.push("a", frame(packet(number)), now_s=0.0)
    received = Deframer().push(radio.pop("b", now_s=100.0))
    assert 5 < len(received) < 40  # 0.99 to the power of 160 bits is 20 %
    assert all(data == packet(int.from_bytes(data[:2], "big")) for data in received)


def test_duplicates_arrive_twice_without_more_airtime():
    radio = line("lora-sf7", duplicate_probability=1.0)
    radio.push("a", frame(packet(9)), now_s=0.0)
    assert numbers(radio.pop("b", now_s=1.0)) == [9, 9]
    assert radio.statistics(1.0)["airtime_s"] == get_profile("lora-sf7").medium.airtime_s(20)


def test_delay_comes_after_the_airtime_and_does_not_slow_the_line():
    radio = line("lora-sf7", delay_s=2.0)
    airtime_s = get_profile("lora-sf7").medium.airtime_s(20)
    radio.push("a", frame(packet(1)) + frame(packet(2)), now_s=0.0)
    assert numbers(radio.pop("b", now_s=2.0)) == []
    assert numbers(radio.pop("b", now_s=2.0 + 2 * airtime_s)) == [1, 2]


def test_a_modem_refuses_what_is_longer_than_the_profile_allows_and_drops_what_is_no_frame():
    radio = line("lora-sf12-eu868")
    radio.push("a", b"boot: hello\r\n\0" + frame(bytes(52)) + frame(packet(1)), now_s=0.0)
    assert numbers(radio.pop("b", now_s=10.0)) == [1]
    counted = radio.statistics(10.0)
    assert (counted["frames_in"], counted["frames_refused"], counted["frames_out"]) == (2, 1, 1)


def test_an_end_is_full_while_too_much_waits_for_the_line():
    radio = line("lora-sf12")
    while not radio.is_full("a"):
        radio.push("a", frame(bytes(200)), now_s=0.0)
    assert radio.statistics(1.0)["bytes_in"] < BUFFER_BYTES + 3 * 204
    radio.pop("b", now_s=100.0)
    assert not radio.is_full("a")
    assert not radio.is_full("b")


def test_statistics_are_sums_of_both_directions():
    cable = line("serial-9600")
    cable.push("a", bytes(96), now_s=0.0)
    cable.push("b", bytes(192), now_s=0.0)
    cable.pop("a", now_s=1.0)
    counted = cable.statistics(2.0)
    assert (counted["a_to_b"]["bytes_in"], counted["b_to_a"]["bytes_in"], counted["bytes_in"]) == (96, 192, 288)
    assert counted["busy_ratio"] == pytest.approx(0.1)  # the busier direction
    assert json.loads(json.dumps(counted)) == counted


@given(st.lists(st.binary(max_size=255), max_size=8), st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=50, deadline=None)
def test_packets_arrive_in_order_however_their_bytes_were_cut(packets, cuts):
    radio, stream = line("lora-sf7"), b"".join(map(frame, packets))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(edges):
        radio.push("a", stream[start:end], now_s=0.0)
    assert Deframer().push(radio.pop("b", now_s=1e3)) == packets


@given(st.lists(st.binary(max_size=400), max_size=8), st.sampled_from(["lora-sf7", "serial-9600"]))
@settings(max_examples=50, deadline=None)
def test_any_bytes_at_all_pass_a_cable_and_do_no_harm_to_a_modem(pieces, name):
    either = line(name)
    for piece in pieces:
        either.push("a", piece, now_s=0.0)
    received = either.pop("b", now_s=1e3)
    assert received == b"".join(pieces) if name == "serial-9600" else len(received) <= len(b"".join(pieces))
