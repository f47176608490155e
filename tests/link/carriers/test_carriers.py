"""Carriers: packets through each of them, against emulated modems in virtual time, and UDP between
real sockets.
"""

import socket
from contextlib import suppress

import pytest

from link.carriers.carrier import (
    CarrierSettings,
    DoesNotFit,
    NotSentError,
    PortError,
    Received,
    open_carrier,
)
from link.carriers.command_line import parse_level
from link.emulator.channel import IidLoss, Impairments
from link.emulator.radio import RadioLine
from link.medium.governor import SHORTEST_LATENESS_S
from link.medium.profiles import get_profile
from link.wire.control import NO_QUALITY, Quality
from tests.worlds.virtual import Script, VirtualWorld

EVERY_KIND = ["serial-9600", "lora-sf7", "rn2483-sf7", "rn2483-sf12", "rak3172-sf9", "e22-2400"]
MODEMS_THAT_TELL = ["rn2483-sf9", "rak3172-sf9"]


@pytest.fixture
def world(monkeypatch):
    return lambda profile, **options: VirtualWorld(monkeypatch, profile, **options)


def packets(received):
    return [each.packet for each in received]


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


def test_a_stream_returns_at_once(world):
    here = world("serial-9600")
    node = here.open("a")
    assert here.elapsed_s(lambda: node.send(bytes(50))) == 0.0


@pytest.mark.parametrize("name", MODEMS_THAT_TELL)
def test_modems_tell_how_well_they_heard(world, name):
    here = world(name)
    node, host = here.open("a"), here.open("b")
    node.send(b"hello")
    [received] = host.receive(1.0)
    assert received.quality.rssi_dbm - received.quality.snr_db == -117


def test_streams_do_not_tell(world):
    here = world("lora-sf7")
    node, host = here.open("a"), here.open("b")
    node.send(b"hello")
    assert [received.quality for received in host.receive(1.0)] == [NO_QUALITY]


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


def test_an_rn2483_gives_the_others_time_to_hand_over_a_frame_before_it_sends_the_next(world):
    here = world("rn2483-sf7")
    node = here.open("a")
    node.send(bytes(255))
    waited_s = here.elapsed_s(lambda: node.send(bytes(1))) - here.profile.airtime_s(1)
    assert waited_s > 2 * 255 * 10 / 57_600
    here.sleep(1.0)
    assert here.elapsed_s(lambda: node.send(bytes(1))) - here.profile.airtime_s(1) < 0.02


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


def test_a_rak3172_of_before_rui3_tells_a_packet_in_two_lines(world):
    script = Script(*OLD_RAK3172_UP)
    host = world("rak3172-sf7", line=script).open("a")
    script.waiting += b"+EVT:RXP2P, RSSI -41, SNR 12\r\n+EVT:48656C6C6F\r\n"
    script.waiting += b"+EVT:RXP2P, RSSI -999, SNR 12\r\n+EVT:00\r\n"
    heard = [received for _ in range(4) for received in host.receive(0.1)]
    assert [(one.packet, one.quality) for one in heard] == [(b"Hello", Quality(12, -41))]
    assert host.statistics.n_noise == 2


def test_a_rak3172_that_answers_in_another_way_is_refused_by_its_version(world):
    script = Script(b"", b"OK\r\n", b"LoRaWAN\r\nAT_ERROR\r\n", b"V0.9\r\n")
    with pytest.raises(
        PortError, match=r"answers 'LoRaWAN' to 'AT\+NWM=\?', its firmware is 'V0.9': update that"
    ):
        world("rak3172-sf7", line=script).open("a")


class Babble:
    """A port that always has this to say, a moment after each look."""

    def __init__(self, world, said):
        self._world = world
        self._said = said

    def read(self, timeout_s):
        self._world.sleep(0.001)
        return self._said

    def write(self, data):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("name", MODEMS_THAT_TELL)
@pytest.mark.parametrize(
    "said", [b"hello\r\n", b"+EVT:X\r\n", b"radio_x\r\n", b"OK\r\n", b"ok\r\n", b"\xff"]
)
def test_however_much_a_modem_says_every_call_ends_in_its_time(world, monkeypatch, name, said):
    here = world(name)
    host = here.open("a")
    said *= 20
    host._modem._port = Babble(here, said)
    for work in (lambda: host.receive(0.2), lambda: host.send(b"hello")):
        began_s = here.now_s
        with suppress(PortError):
            work()
        assert here.now_s - began_s < 4.0
    assert len(host._modem.events) <= 64
    monkeypatch.setattr("link.carriers.command_line.open_port", lambda *_: Babble(here, said))
    began_s = here.now_s
    with pytest.raises(PortError):
        here.open("a")
    assert here.now_s - began_s < 10.0


def test_a_busy_modem_is_asked_again(world):
    script = Script(
        *RN2483_UP, b"ok\r\n", b"busy\r\n", b"busy\r\n", b"ok\r\nradio_tx_ok\r\n", b"ok\r\n"
    )
    node = world("rn2483-sf7", line=script).open("a")
    node.send(b"hello")
    assert (node.statistics.n_sent, node.statistics.n_refused) == (1, 2)


def test_lines_that_no_modem_writes_are_noise(world):
    for name, start, noise in [
        ("rn2483-sf7", RN2483_UP, b"radio_rx  0g\r\n\xff\xfe\r\n"),
        ("rak3172-sf7", RAK3172_UP, b"+EVT:RXP2P:-1:00\r\n+EVT:JOINED\r\n\xff\r\n"),
    ]:
        script = Script(*start, *[b"ok\r\n"] * 9)
        host = world(name, line=script).open("a")
        script.waiting += noise + bytes([65]) * 5000
        assert [host.receive(0.1) for _ in range(3)] == [[], [], []]
        assert host.statistics.n_noise >= 3


def test_a_command_may_repeat_what_the_module_said_whatever_that_was(world):
    assert (
        world("rn2483-sf7").open("a")._modem.command("radio set sync \xab\u20ac") == "invalid_param"
    )


@pytest.mark.parametrize("level", ["9" * 400, "1e3", "-999", ""])
def test_a_level_that_cannot_be_is_refused(level):
    with pytest.raises(ValueError, match=r"."):
        parse_level(level)


def test_firmware_that_counts_bandwidth_in_khz_is_told_so(world):
    refusal = [b"AT_PARAM_ERROR\r\n"]
    script = Script(*RAK3172_UP[:4], *refusal, b"OK\r\n", b"OK\r\n")
    world("rak3172-sf9", line=script).open("a", frequency_hz=869_525_000, power_dbm=22)
    assert b"AT+P2P=869525000:9:0:0:8:22\r\nAT+P2P=869525000:9:125:0:8:22\r\n" in script.written


def test_an_rn2483_is_told_everything_that_the_profile_says(world):
    script = Script(*RN2483_UP)
    world("rn2483-sf9", line=script).open("a", frequency_hz=869_525_000)
    told = script.written.decode().split("\r\n")
    settings = {line.split()[2]: line.split()[3] for line in told if line.startswith("radio set")}
    assert settings == {
        **{"mod": "lora", "freq": "869525000", "pwr": "14", "sf": "sf9", "bw": "125", "cr": "4/5"},
        **{"crc": "on", "prlen": "8", "sync": "12", "iqi": "off", "wdt": "0"},
    }
    assert told.index("mac pause") < told.index("radio set mod lora") < told.index("radio rx 0")


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


# --- UDP
# ------------------------------------------------------------------------------------------


def udp(port="127.0.0.1:0", peers=()):
    return open_carrier(CarrierSettings(get_profile("udp"), port, peers=peers))


def test_an_answer_goes_to_where_the_packet_came_from_and_to_nobody_else():
    host, stranger = udp(), udp()
    node, bystander = udp(peers=(f"127.0.0.1:{host.port}",)), udp(peers=(f"127.0.0.1:{host.port}",))
    bystander.send(b"who is there")
    node.send(b"hello")
    received: list[Received] = []
    while len(received) < 2:
        received += host.receive(5.0)
    [origin] = [one.origin for one in received if one.packet == b"hello"]
    host.send(b"REPORT", origin)
    assert packets(node.receive(5.0)) == [b"REPORT"]
    assert bystander.receive(0.01) == node.receive(0.01) == []
    for end in (host, stranger, node, bystander):
        end.close()


def test_a_packet_that_has_nobody_to_go_to_is_not_sent():
    host = udp()
    with pytest.raises(NotSentError, match="has nobody to go to: set peers"):
        host.send(b"REPORT")
    assert host.statistics.n_sent == 0
    host.close()


@pytest.mark.parametrize(
    "nowhere", [("127.0.0.1", 0), ("255.255.255.255", 4300), ("240.0.0.1", 4300)]
)
def test_an_address_to_which_nothing_can_leave_is_no_trouble_of_the_port(nowhere):
    host, node = udp(), udp()
    with pytest.raises(
        NotSentError, match=f"UDP packets to {nowhere[0]}:{nowhere[1]} cannot leave"
    ):
        host.send(b"REPORT", nowhere)
    host.send(b"REPORT", ("127.0.0.1", node.port))
    assert packets(node.receive(5.0)) == [b"REPORT"]
    assert (host.statistics.n_sent, host.statistics.n_refused) == (1, 1)
    host.close()
    node.close()


def test_a_peer_that_cannot_be_reached_takes_nothing_from_the_others():
    node = udp()
    gateway = udp(peers=("255.255.255.255:4300", f"127.0.0.1:{node.port}"))
    gateway.send(b"to both")
    assert packets(node.receive(5.0)) == [b"to both"]
    assert (gateway.statistics.n_sent, gateway.statistics.n_refused) == (1, 1)
    node.close()
    gateway.close()


def test_with_peers_named_strangers_are_not_listened_to_and_lengths_are_kept():
    node = udp(peers=("127.0.0.1:9",))
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.sendto(b"hello", ("127.0.0.1", node.port))
    assert node.receive(0.2) == []
    host = udp()
    stranger.sendto(bytes(256), ("127.0.0.1", host.port))
    stranger.sendto(bytes(255), ("127.0.0.1", host.port))
    assert packets(host.receive(5.0)) == [bytes(255)]
    assert (node.statistics.n_noise, host.statistics.n_noise) == (1, 1)
    stranger.close()
    node.close()
    host.close()


def test_a_peer_that_is_not_there_yet_is_no_failure():
    vacant = udp()
    address = f"127.0.0.1:{vacant.port}"
    vacant.close()
    node = udp(peers=(address,))
    for _ in range(5):
        node.send(b"hello")
        assert node.receive(0.02) == []
    host = udp(address)
    node.send(b"now")
    assert packets(host.receive(5.0)) == [b"now"]
    node.close()
    host.close()


def test_every_peer_gets_every_packet_and_many_are_handed_over_at_a_time():
    hosts = [udp() for _ in range(3)]
    gateway = udp(peers=tuple(f"127.0.0.1:{host.port}" for host in hosts))
    for number in range(20):
        gateway.send(bytes([number]))
    for host in hosts:
        received: list[bytes] = []
        while len(received) < 20 and (more := packets(host.receive(5.0))):
            received += more
        assert received == [bytes([number]) for number in range(20)]
        host.close()
    gateway.close()


def test_addresses_that_cannot_be_are_told_in_a_sentence():
    with pytest.raises(ValueError, match='"4300" is no UDP address: write host:port'):
        udp("4300")
    with pytest.raises(ValueError, match='"host:port" is no UDP address'):
        udp(peers=("host:port",))
    with pytest.raises(ValueError, match=r'nobody can be at "127.0.0.1:0"'):
        udp(peers=("127.0.0.1:0",))
    taken = udp()
    with pytest.raises(
        PortError, match=rf"UDP 127.0.0.1:{taken.port} cannot be used .*give an address of this"
    ):
        udp(f"127.0.0.1:{taken.port}")
    taken.close()
