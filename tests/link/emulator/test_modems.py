"""Emulated modems: what they answer to each line, what comes when, and what they lose. The clock is
the test's.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.emulator.air import Air
from link.emulator.channel import UNIMPAIRED
from link.emulator.modems.modem import ModemOptions, Uart
from link.emulator.modems.rak3172 import Rak3172
from link.emulator.radio import RadioLine
from link.medium.airtime import LoRaConfig
from link.medium.profiles import E22_SUB_PACKET_BYTES, PROFILES, get_profile
from link.wire.framing import Deframer, frame

RN2483_SETTINGS = ["radio set sf sf7", "radio set wdt 0"]


class Dialogue:
    """A line of text to the modem at an end, and the lines that come back by a time."""

    def __init__(self, name, **options):
        self.line = RadioLine(get_profile(name), UNIMPAIRED, **options)
        self.now_s = 0.0

    def say(self, text, end="a", within_s=0.1):
        self.line.push(end, f"{text}\r\n".encode(), self.now_s)
        return self.hear(within_s, end)

    def hear(self, within_s, end="a"):
        self.now_s += within_s
        written = self.line.pop(end, self.now_s)
        assert written == b"" or written.endswith(b"\r\n")
        return written.decode().split("\r\n")[:-1]


def test_a_uart_needs_ten_bits_for_a_byte_and_hands_them_over_as_they_come():
    uart = Uart(9600)
    uart.push(b"hello", now_s=1.0)
    assert uart.pop(1.001) == b""
    assert uart.pop(1.0 + 25 / 9600) == b"he"
    assert uart.next_due_s() == pytest.approx(1.0 + 50 / 9600)
    uart.push(b" world", now_s=1.003)
    assert uart.pop(1.0 + 110 / 9600) == b"llo world"
    assert (uart.next_due_s(), uart.n_waiting) == (None, 0)


@pytest.mark.parametrize("start_s", [0.0, 123.456, 9.9e6])
def test_a_uart_has_its_bytes_ready_at_every_time_that_it_names(start_s):
    uart, received = Uart(57_600), b""
    uart.push(bytes(1000), start_s)
    while (due_s := uart.next_due_s()) is not None:
        arrived = uart.pop(due_s)
        assert arrived
        received += arrived
    assert received == bytes(1000)


# --- RN2483
# ------------------------------------------------------------------------------------------


@pytest.fixture
def rn2483():
    """Two modules, set to SF7 and with LoRaWAN paused."""
    dialogue = Dialogue("rn2483-sf7")
    for end in "ab":
        assert dialogue.say("mac pause", end) == ["4294967245"]
        for line in RN2483_SETTINGS:
            assert dialogue.say(line, end) == ["ok"]
    return dialogue


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("sys get ver", "RN2483 1.0.5 Oct 31 2018 15:06:52"),
        ("radio set freq 869525000", "ok"),
        ("radio set freq 915000000", "invalid_param"),
        ("radio set freq fast", "invalid_param"),
        ("radio set pwr 15", "ok"),
        ("radio set pwr 20", "invalid_param"),
        ("radio set sf sf12", "ok"),
        ("radio set sf 12", "invalid_param"),
        ("radio set bw 250", "ok"),
        ("radio set bw 41.7", "invalid_param"),
        ("radio set cr 4/8", "ok"),
        ("radio set crc maybe", "invalid_param"),
        ("radio set sync 12", "ok"),
        ("radio set iqi off", "ok"),
        ("radio set prlen 8", "ok"),
        ("radio set mod fsk", "invalid_param"),
        ("radio set wdt 4294967296", "invalid_param"),
        ("radio set colour red", "invalid_param"),
        ("radio get snr", "-128"),
        ("radio get sf", "sf12"),
        ("radio get wdt", "15000"),
        ("radio rxstop", "ok"),
        ("radio rx 65536", "invalid_param"),
        ("radio tx xyz", "invalid_param"),
        ("radio tx 123", "invalid_param"),
        ("radio tx 00", "busy"),
        ("radio rx 0", "busy"),
        ("tell me", "invalid_param"),
    ],
)
def test_a_fresh_rn2483_answers_each_line_as_its_guide_says(line, answer):
    assert Dialogue("rn2483-sf7").say(line) == [answer]


def test_an_rn2483_says_ok_sends_for_the_airtime_and_then_says_so(rn2483):
    assert rn2483.say(f"radio tx {'5A' * 20}", within_s=0.03) == ["ok"]
    assert rn2483.say("radio tx 00", within_s=0.01) == ["busy"]
    assert rn2483.hear(0.06) == ["radio_tx_ok"]


def test_an_rn2483_that_receives_gives_two_blanks_and_capitals_and_then_receives_no_more(rn2483):
    assert rn2483.say("radio rx 0", "b") == ["ok"]
    rn2483.say("radio tx 48656c6c6f", within_s=0.2)
    assert rn2483.hear(0.0, "b") == ["radio_rx  48656C6C6F"]
    assert (
        int(rn2483.say("radio get rssi", "b")[0]) - int(rn2483.say("radio get snr", "b")[0]) == -117
    )
    rn2483.say("radio tx 00", within_s=0.2)
    assert rn2483.hear(0.0, "b") == []
    assert rn2483.line.statistics(1.0)["frames_missed"] == 1


def test_an_rn2483_that_begins_to_receive_within_a_frame_does_not_get_it(rn2483):
    rn2483.say(f"radio tx {bytes(100).hex()}", within_s=0.1)
    assert rn2483.say("radio rx 0", "b", within_s=0.01) == ["ok"]
    assert rn2483.hear(1.0, "b") == []


def test_an_rn2483_that_receives_is_too_busy_to_send_until_it_is_stopped(rn2483):
    assert rn2483.say("radio rx 0") == ["ok"]
    assert rn2483.say("radio tx 00") == ["busy"]
    assert rn2483.say("radio rx 0") == ["busy"]
    assert rn2483.say("radio rxstop") == ["ok"]
    assert rn2483.say("radio tx 00") == ["ok", "radio_tx_ok"]


def test_the_watchdog_of_an_rn2483_ends_what_takes_too_long(rn2483):
    rn2483.say("radio set wdt 500")
    assert rn2483.say("radio rx 0", within_s=0.4) == ["ok"]
    assert rn2483.hear(0.2) == ["radio_err"]
    rn2483.say("radio set sf sf12")
    assert rn2483.say("radio tx 00", within_s=0.4) == ["ok"]
    assert rn2483.hear(0.2) == ["radio_err"]
    assert rn2483.hear(5.0) == []


def test_a_receive_window_in_symbols_ends_with_an_error(rn2483):
    assert rn2483.say("radio rx 100", within_s=0.09) == ["ok"]  # a symbol of SF7 lasts 1.024 ms
    assert rn2483.hear(0.03) == ["radio_err"]


def test_reset_makes_an_rn2483_forget_everything_and_takes_its_time(rn2483):
    rn2483.say("radio rx 0")
    assert rn2483.say("sys reset") == []
    assert rn2483.say("sys get ver", within_s=0.05) == []
    assert rn2483.hear(0.2) == ["RN2483 1.0.5 Oct 31 2018 15:06:52"]
    assert rn2483.say("radio get sf") == ["sf12"]
    assert rn2483.say("radio tx 00") == ["busy"]


def test_rn2483s_on_different_frequencies_do_not_hear_each_other(rn2483):
    rn2483.say("radio set freq 869525000")
    rn2483.say("radio rx 0", "b")
    assert rn2483.say("radio tx 00") == ["ok", "radio_tx_ok"]
    assert rn2483.hear(1.0, "b") == []


def test_hexadecimal_digits_and_answers_take_their_time_on_the_uart(rn2483):
    rn2483.say("radio rx 0", "b")
    n_digits = 510
    assert rn2483.say(f"radio tx {'5A' * 255}", within_s=(n_digits + 10) * 10 / 57_600) == []
    assert rn2483.hear(0.01) == ["ok"]
    on_air_s = get_profile("rn2483-sf7").airtime_s(255)
    rn2483.line.pop("b", rn2483.now_s + on_air_s)
    # still coming
    assert len(rn2483.line.pop("b", rn2483.now_s + on_air_s + 0.05)) < 0.6 * n_digits


# --- RAK3172
# ------------------------------------------------------------------------------------------


@pytest.fixture
def rak3172():
    """Two modules in point-to-point mode."""
    dialogue = Dialogue("rak3172-sf7")
    for end in "ab":
        dialogue.say("AT+NWM=0", end, within_s=1.0)
        assert dialogue.say("AT+P2P=868100000:7:0:0:8:14", end) == ["OK"]
    return dialogue


def test_a_rak3172_starts_in_lorawan_and_starts_anew_for_point_to_point():
    dialogue = Dialogue("rak3172-sf7")
    assert dialogue.say("AT") == ["OK"]
    assert dialogue.say("AT+VER=?") == ["AT+VER=RUI_4.0.6_RAK3172-E", "OK"]
    assert dialogue.say("AT+NWM=?") == ["AT+NWM=1", "OK"]
    assert dialogue.say("AT+PSEND=00") == ["AT_BUSY_ERROR"]
    assert dialogue.say("AT+NWM=0") == ["OK"]
    assert dialogue.say("AT") == []
    assert dialogue.hear(0.5)[-1] == "Current Work Mode: LoRa P2P."
    assert dialogue.say("AT+NWM=0") == ["OK"]
    assert dialogue.hear(1.0) == []


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("AT+P2P=?", ["AT+P2P=868100000:7:0:0:8:14", "OK"]),
        ("AT+P2P=868100000:12:2:3:8:22", ["OK"]),
        ("AT+P2P=868100000:7:125:0:8:14", ["AT_PARAM_ERROR"]),
        ("AT+P2P=868100000:6:0:0:8:14", ["AT_PARAM_ERROR"]),
        ("AT+P2P=868100000:7:0:0:8:30", ["AT_PARAM_ERROR"]),
        ("AT+P2P=868100000:7:0:0:8", ["AT_PARAM_ERROR"]),
        ("AT+P2P=1:7:0:0:8:14", ["AT_PARAM_ERROR"]),
        ("AT+PRECV=65536", ["AT_PARAM_ERROR"]),
        ("AT+PRECV=-1", ["AT_PARAM_ERROR"]),
        ("AT+PRECV=?", ["AT+PRECV=0", "OK"]),
        ("AT+PSEND=", ["AT_PARAM_ERROR"]),
        ("AT+PSEND=0", ["AT_PARAM_ERROR"]),
        ("AT+PSEND=0g", ["AT_PARAM_ERROR"]),
        (f"AT+PSEND={'00' * 251}", ["AT_PARAM_ERROR"]),
        ("AT+NWM=2", ["AT_PARAM_ERROR"]),
        ("AT+NWM", ["AT_PARAM_ERROR"]),
        ("AT+NONSENSE=1", ["AT_ERROR"]),
    ],
)
def test_a_rak3172_answers_each_line_as_its_manual_says(rak3172, line, answer):
    assert rak3172.say(line) == answer


def test_a_rak3172_before_rui3_counts_bandwidth_in_khz():
    profile = get_profile("rak3172-sf7")
    modem = Rak3172(profile, Air(2), 0, ModemOptions(is_old_firmware=True))

    def say(text, now_s):
        modem.push(f"{text}\r\n".encode(), now_s)
        modem.advance(now_s + 0.1)
        modem.advance(now_s + 0.9)
        return modem.pop(now_s + 1.0).decode().split("\r\n")[:-1]

    say("AT+NWM=0", 0.0)
    assert say("AT+VER=?", 1.0) == ["AT+VER=V1.0.4", "OK"]
    assert say("AT+P2P=868100000:7:0:0:8:14", 2.0) == ["AT_PARAM_ERROR"]
    assert say("AT+P2P=868100000:7:250:0:8:14", 3.0) == ["OK"]
    assert say("AT+P2P=?", 4.0) == ["AT+P2P=868100000:7:250:0:8:14", "OK"]


def test_a_rak3172_sends_and_receives_with_events(rak3172):
    assert rak3172.say("AT+PRECV=65534", "b") == ["OK"]
    assert rak3172.say("AT+PSEND=48656c6c6f", within_s=0.2) == ["OK", "+EVT:TXP2P DONE"]
    [event] = rak3172.hear(0.0, "b")
    kind, name, rssi, snr, data = event.split(":")
    assert (kind, name, data) == ("+EVT", "RXP2P", "48656C6C6F")
    assert int(rssi) - int(snr) == -117
    rak3172.say("AT+PSEND=00", within_s=0.2)
    assert len(rak3172.hear(0.0, "b")) == 1  # it goes on receiving


def test_a_rak3172_must_stop_receiving_before_it_sends(rak3172):
    rak3172.say("AT+PRECV=65534")
    assert rak3172.say("AT+PSEND=00") == ["AT_BUSY_ERROR"]
    assert rak3172.say("AT+PRECV=65534") == ["AT_BUSY_ERROR"]
    assert rak3172.say("AT+PRECV=0") == ["OK"]
    assert rak3172.say("AT+PSEND=00") == ["OK", "+EVT:TXP2P DONE"]


def test_a_rak3172_told_so_sends_while_it_receives(rak3172):
    for end in "ab":
        rak3172.say("AT+PRECV=65533", end)
    assert rak3172.say("AT+PSEND=00") == ["OK", "+EVT:TXP2P DONE"]
    assert rak3172.say("AT+PSEND=01", "b")[0].startswith("+EVT:RXP2P")
    assert rak3172.hear(0.0)[0].endswith(":01")


def test_a_rak3172_that_waits_for_one_packet_stops_with_it_or_with_time(rak3172):
    rak3172.say("AT+PRECV=65535", "b")
    rak3172.say("AT+PSEND=00")
    rak3172.say("AT+PSEND=01")
    assert len(rak3172.hear(0.0, "b")) == 1
    rak3172.say("AT+PRECV=500", "b")
    assert rak3172.hear(0.5, "b") == ["+EVT:RXP2P RECEIVE TIMEOUT"]


# --- E22
# ------------------------------------------------------------------------------------------


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


# --- all
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lora-sf7", "rn2483-sf7", "rak3172-sf7", "e22-2400"])
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=600), st.floats(0, 2)), max_size=6)
)
@settings(max_examples=25, deadline=None)
def test_no_input_hangs_or_breaks_a_modem(name, writes):
    line, now_s = RadioLine(get_profile(name)), 0.0
    for end, data, pause_s in writes:
        line.push(end, data.replace(b"\n", b"\r\nradio tx 00\r\nAT+NWM=0\r\n"), now_s)
        now_s += pause_s
        line.pop(end, now_s)
    line.pop("a", now_s + 1e5)
    line.pop("b", now_s + 1e5)
    due_s = line.next_due_s()
    assert due_s is None or due_s > now_s + 1e5


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_radio_profile_has_its_modem(name):
    profile = PROFILES[name]
    if profile.is_radio:
        assert RadioLine(profile, n_ends=2).next_due_s() is None


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
