"""Modems that talk nonsense to a carrier, carriers that talk nonsense to a modem; both in virtual
time.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pytest

from link.carriers.carrier import PortError, Received
from link.emulator.modems import rn2483_mac
from link.emulator.radio import RadioLine
from link.lorawan.node.carrier import MacSettings, Rn2483Mac
from link.lorawan.wire import plain_packet
from link.medium.profiles import get_profile
from link.wire.packet import PacketType
from tests.studies.fuzz.harness import Surroundings, Target
from tests.worlds.lorawan_network import APP_KEY, EmulatedNetwork, ModuleLine
from tests.worlds.virtual import VirtualPort, VirtualWorld

C = TypeVar("C")

PAUSE_S = 60.0
"From one input to the next."
N_OPENINGS = 3

RN2483_SAYS = [
    b"radio_rx  8007000141\r\n",
    b"radio_rx 80\r\nradio_rx 81\r\n",
    b"ok\r\nradio_tx_ok\r\n",
    b"busy\r\n",
    b"-128\r\n",
    b"9" * 400 + b"\r\n",
]
RN2483_IS_TOLD = [
    *(
        b"radio tx 80070001\r\n",
        b"radio rxstop\r\nradio rx 0\r\n",
        b"mac pause\r\n",
        b"sys get ver\r\n",
    ),
    *(
        b"radio set freq 868100000\r\n",
        b"radio set sf sf7\r\nradio set bw 125\r\n",
        b"radio get snr\r\n",
    ),
]
RAK3172_SAYS = [
    b"+EVT:RXP2P:-90:7:80070001\r\n",
    b"OK\r\n+EVT:TXP2P DONE\r\n",
    b"AT_BUSY_ERROR\r\n",
    b"+EVT:RXP2P,-90,7,80\r\n",
    b"+EVT:RXP2P:-90:" + b"9" * 400 + b":80\r\n",
]
RAK3172_IS_TOLD = [
    *(
        b"AT+PSEND=80070001\r\n",
        b"AT+PRECV=0\r\nAT+PRECV=65534\r\n",
        b"AT\r\n",
        b"AT+NWM=?\r\n",
        b"AT+VER=?\r\n",
    ),
    *(b"AT+P2P=868100000:7:0:0:8:14\r\n", b"AT+NWM=0\r\n", b"AT+P2P=?\r\n"),
]


def events(parse: Callable[[str], object], seeds: list[str]) -> Callable[[Surroundings], Target]:
    """What a carrier makes of one line."""

    def make(_: Surroundings) -> Target:
        return Target(
            lambda data: parse(data.decode("latin-1")),
            [seed.encode() for seed in seeds],
            is_text=True,
        )

    return make


class LyingPort(VirtualPort):
    """A port at which nonsense breaks into what the modem says."""

    def __init__(self, world: "LyingWorld", end: str) -> None:
        super().__init__(world, end)
        self.arrived = self.lies = b""

    def read(self, timeout_s: float) -> bytes:
        """As at any port; what comes for the other end meanwhile stays there."""
        deadline_s = self.world.now_s + (0.0 if self.lies else timeout_s)
        while not self.world.hand_over(self.end):
            due_s = self.world.line.next_due_s()
            if due_s is None or due_s > deadline_s:
                self.world.now_s = max(self.world.now_s, deadline_s)
                break
            self.world.now_s = max(self.world.now_s, due_s)
        (truth, self.arrived), (lies, self.lies) = (self.arrived, b""), (self.lies, b"")
        cut = len(lies) % (len(truth) + 1)
        return truth[:cut] + lies + truth[cut:]


class LyingWorld(VirtualWorld):
    """Remembers the ports that were opened last."""

    def __init__(self, patch: pytest.MonkeyPatch, profile: str) -> None:
        self.ports: dict[str, LyingPort] = {}
        super().__init__(patch, profile)

    def open_port(self, path: str, bitrate_bps: int) -> VirtualPort:
        self.ports[path] = LyingPort(self, path)
        return self.ports[path]

    def reopened(self, opened: Callable[[], C]) -> C:
        """As a PortError says, and again after a while, as a program does: the modem may still be
        at something.
        """
        for _ in range(N_OPENINGS):
            self.now_s += PAUSE_S
            with suppress(PortError):
                return opened()
        return opened()

    def hand_over(self, end: str) -> bool:
        """Give every port what has come out there; whether this end now has something."""
        for port in self.ports.values():
            port.arrived += self.line.pop(port.end, self.now_s)
        return bool(self.ports[end].arrived)


def carrier(
    profile: str, seeds: list[bytes], is_text: bool = True
) -> Callable[[Surroundings], Target]:
    """A carrier whose modem talks nonsense in between, while it receives and sends."""

    def make(around: Surroundings) -> Target:
        world = LyingWorld(around.patch, profile)
        ends = [world.open("a"), world.open("b")]

        def read(data: bytes) -> list[Received]:
            world.now_s += PAUSE_S
            ends[1].receive(0.0)
            if len(data) % 2:
                ends[1].send(b"packet")
            received: list[Received] = []
            with suppress(PortError):
                if len(data) % 4 == 1:
                    received += ends[0].receive(1.0)
                world.ports["a"].lies = data
                if len(data) % 4 == 0:
                    ends[0].send(b"packet")
                for _ in range(2 + data.count(b"\n") + data.count(b"\r")):
                    received += ends[0].receive(0.1)
                return received
            ends[0].close()
            ends[0] = world.reopened(lambda: world.open("a"))
            return received

        return Target(read, seeds, refusals=(), is_text=is_text)

    return make


def modem(
    profile: str, seeds: list[bytes], is_text: bool = True
) -> Callable[[Surroundings], Target]:
    """An emulated modem, told nonsense by its computer."""

    def make(_: Surroundings) -> Target:
        line = RadioLine(get_profile(profile))
        clock = iter(range(1 << 40))

        def read(data: bytes) -> bytes:
            now_s = 10.0 * next(clock)
            line.push("a", data, now_s)
            return line.pop("a", now_s + 9) + line.pop("b", now_s + 9)

        return Target(read, seeds, refusals=(), is_text=is_text)

    return make


class LyingModule(LyingWorld):
    """A module that has a LoRaWAN stack, alone with its network."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(patch, "rn2483-sf7")
        self.network = EmulatedNetwork()
        self.line = ModuleLine(rn2483_mac.Rn2483Mac(self.profile, self.network))


def lorawan_carrier(around: Surroundings) -> Target:
    """The carrier that drives it, sending now and then."""
    world = LyingModule(around.patch)
    settings = MacSettings("a", 7, APP_KEY)
    ends = [Rn2483Mac(settings)]
    packet = plain_packet(7, PacketType.DATA, b"\x01\x02\x03chunk")

    def read(data: bytes) -> list[Received]:
        world.now_s += PAUSE_S
        world.network.delivered.clear()
        world.ports["a"].lies = data
        received: list[Received] = []
        with suppress(PortError):
            if len(data) % 2:
                ends[0].send(packet)
            for _ in range(2 + data.count(b"\n") + data.count(b"\r")):
                received += ends[0].receive(0.1)
            return received
        ends[0].close()
        ends[0] = world.reopened(lambda: Rn2483Mac(settings))
        return received

    says = [
        b"mac_rx 106 0005\r\n",
        b"mac_tx_ok\r\n",
        b"mac_err\r\n",
        b"busy\r\nnot_joined\r\n",
        b"ok\r\naccepted\r\n",
    ]
    # nobody else is on the air of this module, so what it transmits piles up there
    air_bytes = 16 << 20
    return Target(read, says, refusals=(), is_text=True, kept_bytes=air_bytes)
