"""An emulated RN2483: what it answers to each line, what comes when. The clock is the test's."""

import pytest

from link.medium.profiles import get_profile
from tests.worlds.dialogue import Dialogue

RN2483_SETTINGS = ["radio set sf sf7", "radio set wdt 0"]


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
