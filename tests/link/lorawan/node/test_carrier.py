"""A module's LoRaWAN stack and the node's carrier that drives it, in virtual time."""

import select
import threading
import time

import pytest

from link.carriers.carrier import DoesNotFit, NotSentError, PortError
from link.emulator.modems import rn2483_mac
from link.emulator.modems.rn2483_mac import HARDWARE_EUI, Downlink
from link.emulator.terminals import Terminal
from link.lorawan.node.carrier import MacSettings, Rn2483Mac
from link.lorawan.wire import plain_packet, unpack_packet
from link.medium.airtime import LoRaConfig
from link.medium.profiles import get_profile
from link.wire.control import Renew, pack_command
from link.wire.packet import PacketType
from tests.worlds.lorawan_network import APP_KEY, EmulatedNetwork, ModuleLine
from tests.worlds.virtual import Script, VirtualWorld

PROFILE = "rn2483-sf7"
DATA = plain_packet(7, PacketType.DATA, b"\x01\x02\x03chunk")
ACKNOWLEDGED = plain_packet(7, PacketType.REPORT, b"")


class World(VirtualWorld):
    """A module with its network, and a clock that moves when somebody waits."""

    def __init__(self, monkeypatch, network=None, channel_off=0):
        self.network = network or EmulatedNetwork()
        self.modem = rn2483_mac.Rn2483Mac(
            get_profile(PROFILE), self.network, channel_off=channel_off
        )
        super().__init__(monkeypatch, PROFILE, ModuleLine(self.modem))

    def carrier(self, app_key=APP_KEY, spreading_factor=7):
        return Rn2483Mac(MacSettings("a", 7, app_key, spreading_factor=spreading_factor))

    def ask(self, *lines):
        """What the module says to these lines, until it has been silent for a minute."""
        for line in lines:
            self.line.push("a", f"{line}\r\n".encode(), self.now_s)
        port, said = self.open_port("a", 57_600), b""
        while data := port.read(60):
            said += data
        return said.decode().split("\r\n")[:-1]


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def packets(received):
    return [one.packet for one in received]


def test_the_module_speaks_as_its_guide_says(world):
    assert world.ask("sys get hweui", "mac get devaddr") == [HARDWARE_EUI, "00000000"]
    assert world.ask("mac tx cnf 101 00") == ["not_joined"]
    assert world.ask("mac join otaa") == ["keys_not_init"]
    keys = [f"mac set deveui {HARDWARE_EUI}", f"mac set appkey {APP_KEY}", "mac set dr 5"]
    assert world.ask(*keys, "mac join otaa") == ["ok", "ok", "ok", "ok", "accepted"]
    assert world.ask("mac get devaddr", "mac get dr") == ["260B0001", "5"]
    assert world.ask("mac tx cnf 101 0102") == ["ok", "mac_tx_ok"]
    assert world.ask("mac tx uncnf 101 0102") == ["ok", "mac_tx_ok"]
    assert world.ask("mac tx cnf 101 0102", "mac tx cnf 101 0102") == ["ok", "busy", "mac_tx_ok"]
    world.network.queue.append(Downlink(106, b"\x00\x05"))
    assert world.ask("mac tx cnf 101 0102") == ["ok", "mac_rx 106 0005"]
    world.network.answer_loss = 1.0
    assert world.ask("mac tx cnf 101 0102") == ["ok", "mac_err"]
    assert [one.frame_counter for one in world.network.delivered] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "line",
    [
        "mac tx cnf 0 00",
        "mac tx cnf 224 00",
        "mac tx cnf 101 0",
        "mac tx cnf 101",
        "mac tx maybe 101 00",
        "mac set dr 6",
        "mac set dr x",
        "mac set appkey 00",
        "mac set deveui 000000000000000g",
        "mac set colour 1",
        "mac get appkey",
        "mac join wep",
        "mac",
    ],
)
def test_what_the_module_does_not_understand(world, line):
    assert world.ask(line) == ["invalid_param"]


def test_a_frame_takes_its_airtime_and_the_answer_a_second_more(world):
    carrier = world.carrier()
    elapsed_s = world.elapsed_s(lambda: carrier.send(DATA))
    on_the_line_s = 10 * (len("mac tx cnf 101 \r\n") + 16 + len("ok\r\nmac_tx_ok\r\n")) / 57_600
    assert elapsed_s == pytest.approx(
        LoRaConfig(7).airtime_s(13 + 8) + 1.0 + on_the_line_s, abs=1e-3
    )


def test_a_channel_that_was_used_is_closed_until_its_duty_cycle_allows(monkeypatch):
    world = World(monkeypatch, channel_off=rn2483_mac.CHANNEL_OFF)
    carrier = world.carrier()
    for _ in range(2):  # the join had the third
        carrier.send(DATA)
        assert packets(carrier.receive(0)) == [ACKNOWLEDGED]
    with pytest.raises(
        NotSentError, match="sends nothing now: its channels are closed by their duty cycle"
    ):
        carrier.send(DATA)
    assert carrier.receive(0) == []
    assert (carrier.statistics.n_sent, carrier.statistics.n_refused) == (2, 1)
    world.sleep(302 * LoRaConfig(7).airtime_s(23))
    carrier.send(DATA)
    assert packets(carrier.receive(0)) == [ACKNOWLEDGED]


def test_an_uplink_that_the_network_acknowledged_is_reported(world):
    carrier = world.carrier()
    assert carrier.max_packet_bytes == 4 + 222
    carrier.send(DATA)
    assert packets(carrier.receive(0)) == [ACKNOWLEDGED]
    assert carrier.receive(0) == []
    [uplink] = world.network.delivered
    assert (uplink.port, uplink.body, uplink.is_confirmed) == (101, b"\x01\x02\x03chunk", True)


def test_one_that_was_lost_is_not(world):
    carrier = world.carrier()
    world.network.uplink_loss = 1.0
    carrier.send(DATA)
    assert carrier.receive(0) == []
    assert (carrier.statistics.n_sent, carrier.statistics.n_refused) == (1, 1)


def test_downlinks_come_behind_an_uplink(world):
    carrier = world.carrier()
    world.network.queue += [
        Downlink(106, b"\x00\x05"),
        Downlink(2, b"\x00"),
        Downlink(101, b"\x00"),
    ]
    carrier.send(DATA)
    assert packets(carrier.receive(0)) == [
        ACKNOWLEDGED,
        plain_packet(7, PacketType.REPORT, b"\x00\x05"),
    ]
    for _ in range(2):  # other people's ports
        carrier.send(DATA)
        assert packets(carrier.receive(0)) == [ACKNOWLEDGED]
    assert carrier.statistics.n_noise == 2


def test_a_program_that_starts_again_finds_the_module_joined(world):
    world.carrier().close()
    world.line.push("a", b"mac tx cn", world.now_s)  # and half a line of its predecessor
    carrier = world.carrier()
    carrier.send(DATA)
    assert packets(carrier.receive(0)) == [ACKNOWLEDGED]
    assert world.network.n_joined == 1


def test_a_module_that_lost_its_power_joins_anew(world):
    carrier = world.carrier()
    world.modem._reset()
    carrier.send(DATA)
    assert packets(carrier.receive(0)) == [
        plain_packet(7, PacketType.COMMAND, pack_command(Renew())),
        ACKNOWLEDGED,
    ]
    assert world.network.n_joined == 2


def test_one_that_is_not_let_in_is_told_what_to_look_at_and_no_key_is_shown(world):
    with pytest.raises(
        PortError, match=f"with DevEUI {HARDWARE_EUI} in: is it registered there"
    ) as caught:
        world.carrier(app_key="F" * 32)
    assert "FFFF" not in str(caught.value)
    with pytest.raises(PortError, match="does not take the application key: it has 32 hex digits"):
        world.carrier(app_key="F" * 31)
    assert "FFFF" not in repr(MacSettings("a", 7, "F" * 32))


def test_what_does_not_fit_is_refused_before_it_is_sent(world):
    carrier = world.carrier(spreading_factor=12)
    with pytest.raises(ValueError, match="packet has 56 bytes, this carrier takes 55"):
        carrier.send(plain_packet(7, PacketType.DATA, bytes(52)))
    with pytest.raises(ValueError, match="LoRaWAN has SF7 to SF12"):
        world.carrier(spreading_factor=6)


def test_a_port_without_a_module(world):
    world.line.push = lambda end, data, now_s: None
    with pytest.raises(PortError, match="the RN2483 at a does not answer 'sys get ver'"):
        world.carrier()


def test_a_packet_comes_out_as_it_went_in(world):
    carrier = world.carrier()
    for packet_type in PacketType:
        carrier.send(plain_packet(7, packet_type, bytes([packet_type])))
    sent = [(one.port - 101, one.body) for one in world.network.delivered]
    assert sent == [(kind, bytes([kind])) for kind in PacketType]
    assert unpack_packet(DATA)[2] == b"\x01\x02\x03chunk"


def test_at_a_real_pseudo_terminal():
    network = EmulatedNetwork()
    line = ModuleLine(
        rn2483_mac.Rn2483Mac(get_profile(PROFILE), network, window_s=0.02, channel_off=0)
    )
    terminal = Terminal()
    should_stop = threading.Event()

    def carry():
        while not should_stop.is_set():
            if select.select([terminal], [], [], 0.002)[0]:
                line.push("a", terminal.read(), time.monotonic())
            terminal.write(line.pop("a", time.monotonic()))

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        carrier = Rn2483Mac(MacSettings(terminal.path, 7, APP_KEY))
        network.queue.append(Downlink(106, b"\x00\x05"))
        carrier.send(DATA)
        assert packets(carrier.receive(0)) == [
            ACKNOWLEDGED,
            plain_packet(7, PacketType.REPORT, b"\x00\x05"),
        ]
        assert [one.body for one in network.delivered] == [b"\x01\x02\x03chunk"]
        carrier.close()
    finally:
        should_stop.set()
        thread.join()
        terminal.close()


def answering(monkeypatch, *answers):
    """A carrier whose module is set up and joined, and then gives these answers, one to each
    line.
    """
    up = [b"", b"RN2483 1.0.5\r\n", *[b"ok\r\n"] * 5, b"26011234\r\n"]
    world = World(monkeypatch)
    world.line = Script(*up, *answers)
    return world, world.carrier()


@pytest.mark.parametrize("answer", [b"invalid_data_len\r\n", b"ok\r\ninvalid_data_len\r\n"])
def test_a_payload_for_which_there_is_no_room_at_present_is_told_from_a_broken_port(
    monkeypatch, answer
):
    world, carrier = answering(monkeypatch, answer, b"ok\r\nmac_tx_ok\r\n")
    began_s = world.now_s
    with pytest.raises(
        DoesNotFit, match="has no room for 8 bytes: it has answers for the network to send first"
    ):
        carrier.send(DATA)
    assert world.now_s - began_s < 1.0
    carrier.send(DATA)
    assert (carrier.statistics.n_sent, packets(carrier.receive(0))) == (1, [ACKNOWLEDGED])


@pytest.mark.parametrize("outcome", [b"mac_err", b"radio_err"])
def test_an_uplink_that_failed_on_the_air_is_not_acknowledged_and_known_at_once(
    monkeypatch, outcome
):
    world, carrier = answering(monkeypatch, b"ok\r\n" + outcome + b"\r\n")
    began_s = world.now_s
    carrier.send(DATA)
    assert world.now_s - began_s < 1.0
    assert (packets(carrier.receive(0)), carrier.statistics.n_refused) == ([], 1)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            b"mac_paused",
            (
                "answers 'mac_paused' to an uplink of 8 bytes: its LoRaWAN part is paused; open "
                "it again"
            ),
        ),
        (b"silent", "'silent' to an uplink of 8 bytes: the network has told it to be silent"),
        (b"busy", "'busy' to an uplink of 8 bytes: it is still busy with what it was told before"),
        (b"invalid_param", "'invalid_param' to an uplink of 8 bytes: open it again"),
    ],
)
def test_each_answer_to_an_uplink_has_its_own_advice(monkeypatch, answer, sentence):
    _, carrier = answering(monkeypatch, answer + b"\r\n")
    with pytest.raises(PortError, match=sentence):
        carrier.send(DATA)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (b"no_free_ch", "its channels are closed by their duty cycle"),
        (b"busy", "it is still busy with what it was told before"),
        (b"silent", "the network has told it to be silent"),
        (b"mac_paused", "its LoRaWAN part is paused"),
        (b"keys_not_init", "it has no keys"),
        (b"strange", "take its power away and try again"),
    ],
)
def test_each_answer_to_a_join_has_its_own_advice(monkeypatch, answer, advice):
    up = [
        b"",
        b"RN2483 1.0.5\r\n",
        *[b"ok\r\n"] * 5,
        b"00000000\r\n",
        HARDWARE_EUI.encode() + b"\r\n",
    ]
    world = World(monkeypatch)
    world.line = Script(*up, *[b"ok\r\n"] * 3, answer + b"\r\n")
    with pytest.raises(
        PortError, match=f"answers '{answer.decode()}' to 'mac join otaa': {advice}"
    ):
        world.carrier()
