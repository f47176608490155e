"""Carriers: packets through each of them, against emulated modems in virtual time, and UDP between
real sockets.
"""

import pytest

from link.carriers.carrier import (
    CarrierSettings,
    DoesNotFit,
    PortError,
    open_carrier,
)
from link.emulator.channel import IidLoss, Impairments
from link.emulator.radio import RadioLine
from link.medium.governor import SHORTEST_LATENESS_S
from link.medium.profiles import get_profile
from tests.link.carriers.conftest import packets
from tests.worlds.virtual import Script

EVERY_KIND = ["serial-9600", "lora-sf7", "rn2483-sf7", "rn2483-sf12", "rak3172-sf9", "e22-2400"]
MODEMS_THAT_TELL = ["rn2483-sf9", "rak3172-sf9"]


@pytest.mark.parametrize("name", EVERY_KIND)
def test_packets_of_every_length_pass_in_both_directions(world, name):
    here = world(name)
    node, host = here.open("a"), here.open("b")
    for n_bytes in (1, 2, 51, node.max_packet_bytes):
        packet = bytes(n_bytes - 1) + b"\xff"
        node.send(packet)
        assert packets(host.receive(30.0)) == [packet]
        host.send(b"REPORT")
        assert packets(node.receive(30.0)) == [b"REPORT"]
    assert node.receive(1.0) == []
    assert (node.statistics.n_sent, node.statistics.n_received, node.statistics.n_noise) == (
        4,
        4,
        0,
    )
    assert here.line.statistics(1.0).get("frames_missed", 0) == 0


@pytest.mark.parametrize("name", ["rn2483-sf9", "rak3172-sf9", "e22-2400"])
def test_a_modem_returns_from_sending_when_the_frame_has_left(world, name):
    here = world(name)
    node = here.open("a")
    elapsed_s = here.elapsed_s(lambda: node.send(bytes(50)))
    least_s = here.profile.to_air_s(50) + here.profile.airtime_s(50)
    assert least_s <= elapsed_s < least_s + 0.015


@pytest.mark.parametrize("name", ["lora-sf7", "rn2483-sf9", "rak3172-sf9", "e22-2400"])
@pytest.mark.parametrize("n_bytes", [1, 25, 200])
def test_the_profile_knows_when_a_packet_is_at_the_other_computer(world, name, n_bytes):
    here = world(name)
    node, host = here.open("a"), here.open("b")
    here.sleep(1.0)
    profile, began_s = here.profile, here.now_s
    node.send(bytes(n_bytes))
    node.receive(3.0)
    due_s = (
        began_s
        + profile.to_air_s(n_bytes)
        + profile.airtime_s(n_bytes)
        + profile.from_air_s(n_bytes)
    )
    assert here.arrived_s["b"] == pytest.approx(due_s, abs=0.005)
    assert packets(host.receive(0.1)) == [bytes(n_bytes)]


@pytest.mark.parametrize("name", MODEMS_THAT_TELL)
def test_modems_tell_how_well_they_heard(world, name):
    here = world(name)
    node, host = here.open("a"), here.open("b")
    node.send(b"hello")
    [received] = host.receive(1.0)
    assert received.quality.rssi_dbm - received.quality.snr_db == -117


@pytest.mark.parametrize("name", EVERY_KIND)
def test_what_is_too_long_is_refused_in_a_sentence_and_what_is_lost_is_not_there(world, name):
    here = world(name, **({"impairments": Impairments(loss=IidLoss(1.0))}))
    node, host = here.open("a"), here.open("b")
    with pytest.raises(ValueError, match=r"packet has \d+ bytes, this carrier takes \d+"):
        node.send(bytes(node.max_packet_bytes + 1))
    node.send(b"lost")
    assert host.receive(5.0) == []


@pytest.mark.parametrize("name", EVERY_KIND)
def test_receiving_waits_as_long_as_asked_and_no_longer(world, name):
    here = world(name)
    host = here.open("b")
    assert here.elapsed_s(lambda: host.receive(2.5)) == pytest.approx(2.5, abs=1e-3)
    assert here.elapsed_s(lambda: host.receive(0.0)) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("name", MODEMS_THAT_TELL)
def test_a_packet_that_comes_in_just_before_sending_is_not_forgotten(world, name):
    here = world(name)
    node, host = here.open("a"), here.open("b")
    node.send(b"first")
    host.send(b"answer, sent before anybody has looked")
    assert packets(host.receive(1.0)) == [b"first"]
    assert packets(node.receive(1.0)) == [b"answer, sent before anybody has looked"]
    node.send(b"second")
    assert packets(host.receive(1.0)) == [b"second"]


@pytest.mark.parametrize("name", MODEMS_THAT_TELL)
def test_whoever_had_the_port_before_leaves_no_trace(world, name):
    here = world(name)
    node = here.open("a")
    here.open("b").send(b"for the one before")
    here.line.push("a", b"radio rx 0\r\nAT+PRECV=65534\r\nradio tx 0", here.now_s)
    assert node.statistics.n_received == 0
    again, host = here.open("a"), here.open("b")
    assert again.receive(0.5) == []
    again.send(b"hello")
    assert packets(host.receive(1.0)) == [b"hello"]


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        (
            "rn2483-sf7",
            {"frequency_hz": 915_000_000},
            "answers 'invalid_param' to 'radio set freq 915000000': this",
        ),
        (
            "rn2483-sf7",
            {"power_dbm": 27},
            "answers 'invalid_param' to 'radio set pwr 27': this module cannot do that",
        ),
        (
            "rak3172-sf7",
            {"power_dbm": 27},
            r"answers 'AT_PARAM_ERROR' to 868100000 Hz, SF7 and 27 dBm: it cannot",
        ),
    ],
)
def test_settings_that_the_module_refuses_are_told_in_a_sentence(world, name, settings, sentence):
    with pytest.raises(PortError, match=sentence):
        world(name).open("a", **settings)


@pytest.mark.parametrize(
    ("kind", "module"), [("rn2483", "RN2483 or RN2903"), ("rak3172", "RAK3172")]
)
def test_a_port_at_which_something_else_answers_is_told_in_a_sentence(world, kind, module):
    here = world("serial-9600")
    here.profile = get_profile(f"{kind}-sf7")
    with pytest.raises(
        PortError, match=rf"no {module} answers at a with \d+ bit/s: is it the right port"
    ):
        here.open("a")


def test_a_modem_that_starts_anew_is_noticed(world):
    here = world("rn2483-sf7")
    node = here.open("a")
    here.line.push("a", b"sys reset\r\n", here.now_s)  # as when its power fails for a moment
    with pytest.raises(PortError, match="the RN2483 at a has started anew: mind its power supply"):
        node.receive(5.0)


def test_a_modem_that_falls_silent_is_noticed(world, monkeypatch):
    here = world("rak3172-sf7")
    node = here.open("a")
    monkeypatch.setattr(here.line, "push", lambda *_: None)
    with pytest.raises(
        PortError, match=r"the RAK3172 at a does not answer 'AT\+PRECV=0': has it power"
    ):
        node.send(b"hello")


RN2483_UP = [b"", b"RN2903 1.0.5\r\n", b"4294967245\r\n", *[b"ok\r\n"] * 12]
RAK3172_UP = [b"", b"OK\r\n", b"AT+NWM=0\r\nOK\r\n", b"OK\r\n", b"OK\r\n", b"OK\r\n"]


@pytest.mark.parametrize(
    ("name", "start", "later", "sentence"),
    [
        (
            "rn2483-sf7",
            RN2483_UP,
            [b"ok\r\n", b"invalid_param\r\n", b"ok\r\n"],
            "answers 'invalid_param' to 'radio tx",
        ),
        (
            "rn2483-sf7",
            RN2483_UP,
            [b"ok\r\n", *[b"busy\r\n"] * 99],
            "answers 'busy' to 'radio tx .*: open it again",
        ),
        (
            "rn2483-sf7",
            RN2483_UP,
            [b"ok\r\n", b"ok\r\nradio_err\r\n"],
            r"not sent a frame of 0.\d\d s \(radio_err\)",
        ),
        (
            "rn2483-sf7",
            RN2483_UP,
            [b"ok\r\n", b"ok\r\n"],
            r"not sent a frame of 0.\d\d s \(no word of it\)",
        ),
        (
            "rak3172-sf7",
            RAK3172_UP,
            [b"OK\r\n", b"AT_PARAM_ERROR\r\n", b"OK\r\n"],
            r"'AT_PARAM_ERROR' to 'AT\+PSEND=00",
        ),
        ("rak3172-sf7", RAK3172_UP, [b"OK\r\n", b"OK\r\n"], r"says no word of a frame of 0.\d\d s"),
    ],
)
def test_a_modem_that_does_not_send_is_told_in_a_sentence(world, name, start, later, sentence):
    node = world(name, line=Script(*start, *later)).open("a")
    with pytest.raises(PortError, match=sentence):
        node.send(bytes(10))


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("rn2483-sf7", [*RN2483_UP, b"ok\r\n", b"invalid_param\r\n", b"ok\r\n"]),
        ("rak3172-sf7", [*RAK3172_UP, b"OK\r\n", b"AT_PARAM_ERROR\r\n", b"OK\r\n"]),
    ],
)
def test_a_packet_that_a_modem_does_not_take_is_no_trouble_of_the_port(world, name, script):
    """It listens again, and takes the next."""
    ok, sent = (
        (b"ok\r\n", b"radio_tx_ok\r\n")
        if name.startswith("rn")
        else (b"OK\r\n", b"+EVT:TXP2P DONE\r\n")
    )
    node = world(name, line=Script(*script, ok, ok + sent, ok)).open("a")
    with pytest.raises(DoesNotFit):
        node.send(bytes(10))
    node.send(bytes(5))
    assert node.statistics.n_sent == 1


def test_a_frame_that_a_modem_does_not_begin_is_given_up_while_its_airtime_is_charged_for_now(
    world,
):
    here = world("rn2483-sf7", line=Script(*RN2483_UP, b"ok\r\n", *[b"busy\r\n"] * 999))
    node, began_s = here.open("a"), here.now_s
    with pytest.raises(PortError, match="answers 'busy'"):
        node.send(bytes(10))
    assert here.now_s - began_s < SHORTEST_LATENESS_S


@pytest.mark.parametrize("name", MODEMS_THAT_TELL)
def test_an_echo_is_passed_over(world, name):
    here = world(name, line=Echo(get_profile(name)))
    node, host = here.open("a"), here.open("b")
    node.send(b"hello")
    assert packets(host.receive(1.0)) == [b"hello"]
    assert (node.statistics.n_noise, host.statistics.n_noise) == (0, 0)


class Echo(RadioLine):
    """Modems that say each line again before they answer it."""

    def __init__(self, profile):
        super().__init__(profile)
        self._asked = dict.fromkeys(self.ends, b"")

    def push(self, end, data, now_s):
        super().push(end, data, now_s)
        self._asked[end] += data

    def pop(self, end, now_s):
        asked, self._asked[end] = self._asked[end], b""
        return asked + super().pop(end, now_s)

    def next_due_s(self):
        return float("-inf") if any(self._asked.values()) else super().next_due_s()


OLD_RAK3172_UP = [
    b"",
    b"OK\r\n",
    b"0\r\nOK\r\n",
    b"OK\r\n",
    b"AT_PARAM_ERROR\r\n",
    b"OK\r\n",
    b"OK\r\n",
]


def test_kinds_and_profiles_that_do_not_go_together_are_told_in_a_sentence():
    for profile, kind, sentence in [
        (
            "lora-sf7",
            "carrier-pigeon",
            'there is no carrier "carrier-pigeon"; there are: serial, udp, rn2483',
        ),
        (
            "fsk-50k-eu868",
            "rn2483",
            "an RN2483 speaks LoRa, and profile fsk-50k-eu868 is something else",
        ),
        ("e22-300", "rak3172", None),
        (
            "serial-9600",
            "rak3172",
            "a RAK3172 speaks LoRa of 125, 250 or 500 kHz, and profile serial-9600",
        ),
    ]:
        with pytest.raises((ValueError, PortError), match=sentence or "does not exist"):
            open_carrier(CarrierSettings(get_profile(profile), "/dev/ttyNOWHERE", kind))
