"""The emulated radio line with modems that have no quirks, with a clock that the test moves."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.emulator.channel import IidLoss, Impairments, parse_loss
from link.emulator.modems.modem import BUFFER_BYTES
from link.emulator.radio import RadioLine
from link.medium.airtime import LoRaConfig
from link.medium.profiles import LinkProfile, get_profile
from link.wire.framing import Deframer, frame


def line(name, seed=0, n_ends=2, listens_before_talking=False, **impairments):
    return RadioLine(
        get_profile(name), Impairments(**impairments), seed, n_ends, listens_before_talking
    )


def packet(number, n_bytes=20):
    return number.to_bytes(2, "big") + bytes(n_bytes - 2)


def numbers(stream):
    return [int.from_bytes(received[:2], "big") for received in Deframer().push(stream)]


def test_a_radio_delivers_a_packet_whole_after_the_airtime_of_the_packet_alone():
    radio = line("lora-sf7")
    radio.push("a", frame(packet(1, n_bytes=10)), now_s=5.0)
    assert radio.pop("b", now_s=5.041) == b""
    # 41.216 ms for 10 bytes at SF7
    assert radio.pop("b", now_s=5.041217) == frame(packet(1, n_bytes=10))


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


def test_two_that_speak_at_once_destroy_each_others_frames():
    radio = line("lora-sf7", n_ends=3)
    radio.push("a", frame(packet(1)), now_s=0.0)
    radio.push("b", frame(packet(7)), now_s=0.050)
    radio.push("c", frame(packet(8)), now_s=1.0)
    assert [numbers(radio.pop(end, now_s=2.0)) for end in "abc"] == [[8], [8], []]
    counted = radio.statistics(2.0)
    assert (counted["frames_in"], counted["frames_collided"], counted["frames_lost"]) == (3, 4, 0)


def test_who_listens_before_talking_waits_and_nothing_is_destroyed():
    radio = line("lora-sf7", n_ends=3, listens_before_talking=True)
    airtime_s = get_profile("lora-sf7").medium.airtime_s(20)
    radio.push("a", frame(packet(1)) + frame(packet(2)), now_s=0.0)
    radio.push("b", frame(packet(7)), now_s=0.001)
    assert numbers(radio.pop("c", now_s=airtime_s + 1e-6)) == [1]
    assert sorted(numbers(radio.pop("c", now_s=4 * airtime_s))) == [2, 7]
    assert radio.statistics(1.0)["frames_collided"] == 0


def test_what_one_says_all_others_hear_and_itself_does_not():
    radio = line("lora-sf7", n_ends=4)
    radio.push("b", frame(packet(3)), now_s=0.0)
    assert [numbers(radio.pop(end, now_s=1.0)) for end in "abcd"] == [[3], [], [3], [3]]
    assert radio.statistics(1.0)["frames_out"] == 3


def test_each_receiver_loses_other_frames():
    radio = line("lora-sf7", n_ends=3, loss=IidLoss(0.5))
    for number in range(100):
        radio.push("a", frame(packet(number)), now_s=float(number))
    heard = [set(numbers(radio.pop(end, now_s=200.0))) for end in "bc"]
    assert all(30 < len(numbers_heard) < 70 for numbers_heard in heard)
    assert heard[0] != heard[1]
    assert heard[0] | heard[1] > heard[0]


def test_an_hour_of_an_eager_sender_is_not_held_back_but_told():
    radio = line("lora-sf12-eu868")
    for now_s in range(0, 3600, 20):
        radio.pop("b", now_s=now_s)
        while not radio.is_full("a"):
            radio.push("a", frame(bytes(51)), now_s=now_s)
    counted = radio.statistics(3600.0)
    assert counted["busy_ratio"] > 0.99
    assert counted["ends"]["a"]["busiest_hour_share"] > 0.99
    assert counted["ends"]["b"]["busiest_hour_share"] == 0.0


def test_saturated_with_222_byte_frames_the_line_carries_nine_tenths_of_what_the_radio_can():
    radio, received = line("lora-sf7-eu868"), 0
    while not radio.is_full("a"):
        radio.push("a", frame(bytes(222)), now_s=0.0)
    for step in range(2000):
        now_s = 0.01 * step
        received += sum(map(len, Deframer().push(radio.pop("b", now_s))))
        if not radio.is_full("a"):
            radio.push("a", frame(bytes(222)), now_s)
    assert received / (20.0 / get_profile("lora-sf7").medium.airtime_s(222) * 222) > 0.95


def test_the_same_seed_loses_the_same_frames_whatever_the_timing():
    def survivors(seed, spacing_s, noise_from_b):
        radio = line("lora-sf7", seed, loss=parse_loss("edge"))
        for number in range(200):
            radio.push("a", frame(packet(number)), now_s=number * spacing_s)
            if noise_from_b:
                radio.push("b", frame(packet(number)), now_s=(number + 0.5) * spacing_s)
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


def test_statistics_are_sums_of_all_ends():
    radio = line("lora-sf7", n_ends=3)
    radio.push("a", frame(packet(1)), now_s=0.0)
    radio.push("b", frame(packet(2)), now_s=1.0)
    radio.pop("c", now_s=2.0)
    counted = radio.statistics(2.0)
    assert [counted["ends"][end]["frames_in"] for end in "abc"] == [1, 1, 0]
    assert (counted["frames_in"], counted["frames_out"], counted["bytes_in"]) == (2, 4, 48)
    assert counted["busy_ratio"] == pytest.approx(
        get_profile("lora-sf7").medium.airtime_s(20), abs=1e-6
    )
    assert json.loads(json.dumps(counted)) == counted


@given(st.lists(st.binary(max_size=255), max_size=8), st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=50, deadline=None)
def test_packets_arrive_in_order_however_their_bytes_were_cut(packets, cuts):
    radio, stream = line("lora-sf7"), b"".join(map(frame, packets))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(edges):
        radio.push("a", stream[start:end], now_s=0.0)
    assert Deframer().push(radio.pop("b", now_s=1e3)) == packets


@given(st.lists(st.binary(max_size=400), max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_bytes_at_all_do_no_harm_to_a_modem(pieces):
    radio = line("lora-sf7")
    for piece in pieces:
        radio.push("a", piece, now_s=0.0)
    assert len(radio.pop("b", now_s=1e3)) <= len(b"".join(pieces))


def test_what_cannot_be_a_radio_line_is_refused():
    with pytest.raises(ValueError, match="serial-9600 is no radio"):
        line("serial-9600")
    with pytest.raises(ValueError, match="2 to 26 ends, not 1"):
        line("lora-sf7", n_ends=1)
    with pytest.raises(ValueError, match='carrier "udp" of odd has no modem'):
        RadioLine(LinkProfile("odd", LoRaConfig(), 255, carrier="udp"))
