"""An emulated RAK3172: what it answers to each line, and its events. The clock is the test's."""

import pytest

from link.emulator.air import Air
from link.emulator.modems.modem import ModemOptions
from link.emulator.modems.rak3172 import Rak3172
from link.medium.profiles import get_profile
from tests.worlds.dialogue import Dialogue


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
