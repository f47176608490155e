"""A carrier takes packets whole from one end to the other and may lose them; what it is made of is
its own affair.

    carrier = open_carrier(CarrierSettings(get_profile("rn2483-sf9"), "/dev/ttyUSB0"))
    carrier.send(packet)
    for received in carrier.receive(timeout_s=1.0): ...

Each kind is one file of link.carriers, loaded when it is asked for, so that what one of them needs
is needed by nobody else. A carrier belongs to one thread.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from link.medium.profiles import LinkProfile
from link.wire.control import NO_QUALITY, Quality

DEFAULT_FREQUENCY_HZ = 868_100_000
"The first channel of LoRaWAN in Europe, where these modems are when they start."


class PortError(OSError):
    """The port cannot be used; the message names it and says what to do."""


class NotSentError(PortError):
    """Nothing of this packet has left, and the port is as good as before: no airtime spent, no need
    to open anew.
    """


class DoesNotFit(NotSentError):  # noqa: N818 (it is no error of the port)
    """This packet is more than the medium takes at present; a smaller one may leave at once.

    LoRaWAN puts the answers to its network's commands in front of the next payload, so that for one
    uplink there is less room than the data rate promises.
    """

    def __init__(self, message: str, max_packet_bytes: int | None = None) -> None:
        super().__init__(message)
        self.max_packet_bytes = max_packet_bytes
        "The largest packet that fits, where the modem tells; None: not known."


@dataclass(frozen=True)
class Received:
    """A packet as it came in, and how well it was heard where the radio tells."""

    packet: bytes
    quality: Quality = NO_QUALITY
    origin: Hashable = None
    """Where it came from, for `send` of a carrier that has many at its other end; None: there is
    one way back only.
    """
    heard_unix_s: float | None = None
    "When, by the clock of a gateway that has forwarded it; None: now."


@dataclass
class CarrierStatistics:
    """What a carrier did and what it itself discarded."""

    n_sent: int = 0
    n_received: int = 0
    n_noise: int = 0
    "Pieces of input that were no packet: damaged frames, lines that no modem writes."
    n_refused: int = 0
    "Times that a modem said busy or error."


class Carrier(Protocol):
    """One end of a medium that carries packets."""

    @property
    def max_packet_bytes(self) -> int: ...

    @property
    def statistics(self) -> CarrierStatistics: ...

    def send(self, packet: bytes) -> None:
        """A modem: returns when the frame has left the antenna. A stream: when it is written, the
        line may lag behind.

        Raises PortError when the port or the modem fails, NotSentError when it is only this packet
        that cannot leave, ValueError when it is longer than max_packet_bytes. No call waits without
        end: whatever does not answer in its time is a PortError.
        """

    def receive(self, timeout_s: float) -> list[Received]:
        """What has arrived, waiting at most timeout_s for the first; PortError as send."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class CarrierSettings:
    """What open_carrier needs to know; None leaves it to the profile."""

    profile: LinkProfile
    port: str
    'Path of a serial port; for UDP the address to receive at, as "host:port".'
    kind: str | None = None
    "A name of CARRIERS."
    bitrate_bps: int | None = None
    "The bitrate of the serial port."
    frequency_hz: int | None = None
    "The frequency of modems that can be told; None: DEFAULT_FREQUENCY_HZ."
    power_dbm: int = 14
    peers: tuple[str, ...] = ()
    """UDP: where packets go, each "host:port"; none: each to where the packet came from that it
    answers.
    """
    multicast: str | None = None
    'UDP: "host:port" of the group that every packet goes to, in the place of peers.'
    place: int = 0
    "Bus: who speaks after how many others when several have something to say."


CARRIERS = {
    "serial": ("link.carriers.serial_line", "SerialLine"),
    "udp": ("link.carriers.udp", "Udp"),
    "rn2483": ("link.carriers.rn2483", "Rn2483"),
    "rak3172": ("link.carriers.rak3172", "Rak3172"),
    "e22": ("link.carriers.e22", "E22"),
    "bus": ("link.carriers.bus", "Bus"),
}
"Kind: where its class is."


def open_carrier(settings: CarrierSettings) -> Carrier:
    """The carrier that the settings name, ready to use.

    Raises PortError when it cannot be opened or does not answer as that modem does, ValueError when
    the settings do not suit it.
    """
    kind = settings.kind or settings.profile.carrier
    if kind not in CARRIERS:
        raise ValueError(f'there is no carrier "{kind}"; there are: {", ".join(CARRIERS)}')
    module, name = CARRIERS[kind]
    carrier: Carrier = getattr(import_module(module), name)(settings)
    return carrier


def check_packet(packet: bytes, max_packet_bytes: int) -> None:
    """ValueError when the packet is longer than the carrier takes."""
    if len(packet) > max_packet_bytes:
        raise ValueError(
            f"packet has {len(packet)} bytes, this carrier takes {max_packet_bytes}: cut the "
            "image smaller"
        )
