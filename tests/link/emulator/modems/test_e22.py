"""An emulated E22: how it merges, splits and loses bytes. The clock is the test's."""

import pytest

from link.emulator.radio import RadioLine
from link.medium.airtime import LoRaConfig
from link.medium.profiles import E22_SUB_PACKET_BYTES, PROFILES, get_profile
from link.wire.framing import Deframer, frame


def pieces_heard(writes, until_s=20.0):
    """What an E22 sends for (time, bytes): each sub-packet's length, and all bytes as they come
    out.
    """
    line = RadioLine(get_profile("e22-2400"))
    for now_s, data in writes:
        line.push("a", data, now_s)
    received = line.pop("b", until_s)
    n_frames = line.statistics(until_s)["ends"]["a"]["frames_in"]
    return n_frames, received


def test_an_e22_merges_writes_that_follow_closely_and_keeps_apart_those_that_do_not():
    byte_s = 10 / 9600
    assert pieces_heard([(0.0, b"one"), (4 * byte_s, b"two")]) == (1, b"onetwo")
    assert pieces_heard([(0.0, b"one"), (1.0, b"two")]) == (2, b"onetwo")


def test_an_e22_splits_long_writes_and_cuts_anew_what_came_while_it_sent():
    long = bytes(range(250)) * 2
    assert pieces_heard([(0.0, long)]) == (3, long)
    n_frames, received = pieces_heard(
        [(0.0, bytes(50)), *((0.1 + 0.05 * i, bytes(30)) for i in range(4))]
    )
    assert (n_frames, received) == (2, bytes(170))


def test_an_e22_loses_what_exceeds_its_buffer():
    line = RadioLine(get_profile("e22-300"))
    line.push("a", bytes(3000), now_s=0.0)
    received = line.pop("b", 200.0)
    counted = line.statistics(200.0)
    assert len(received) + counted["bytes_overrun"] == 3000
    assert 1000 <= len(received) < 1500


def test_an_e22_puts_bytes_out_at_the_pace_of_its_uart():
    line = RadioLine(get_profile("e22-9600"))
    line.push("a", bytes(200), now_s=0.0)
    steps = [line.pop("b", 0.002 * i) for i in range(1000)]
    assert sum(map(len, steps)) == 200
    assert max(map(len, steps)) <= 3


def test_a_lost_sub_packet_costs_the_frame_within_it_and_no_other():
    line = RadioLine(get_profile("e22-2400"))
    line.push("a", frame(bytes([1]) * 100), now_s=0.0)
    line.push("b", b"disturbs", now_s=0.2)
    for number in (2, 3):
        line.push("a", frame(bytes([number]) * 100), now_s=3.0 * number)
    assert [packet[0] for packet in Deframer().push(line.pop("b", 20.0))] == [2, 3]


def test_e22_air_rates_are_named_after_bitrates_that_their_lora_setting_nearly_has():
    for name, profile in PROFILES.items():
        if profile.carrier == "e22":
            lora = profile.medium
            assert isinstance(lora, LoRaConfig)
            bitrate_bps = (
                lora.spreading_factor * float(1 / lora.symbol_s) * 4 / lora.coding_rate_denominator
            )
            assert bitrate_bps / int(name.removeprefix("e22-")) == pytest.approx(1.0, abs=0.3)
            assert profile.wire_bytes(profile.max_packet_bytes) <= E22_SUB_PACKET_BYTES + 7
