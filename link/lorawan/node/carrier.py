"""A node's side of LoRaWAN: an RN2483 with its own LoRaWAN stack, in EU868, joined over the air.

It carries packets of link.lorawan.wire.plain_packet. Every uplink asks the network for an
acknowledgement, and each `send` is one transmission: the sender decides what to repeat. What came
back is told by `receive`: a REPORT without a body when the network acknowledged the packet just
sent, RENEW when the module had to join anew before, and the downlinks of the host, which come
behind an uplink only. The module itself keeps the duty cycle of its channels; while none is free a
packet is simply not acknowledged.

Source: RN2483 LoRa Technology Module Command Reference User's Guide, DS40001784G, §2.4.
"""

from dataclasses import dataclass, field

from link.carriers.carrier import (
    CarrierStatistics,
    DoesNotFit,
    NotSentError,
    PortError,
    Received,
    check_packet,
)
from link.carriers.command_line import CommandLine
from link.lorawan.wire import FRAME_BYTES, plain_packet, port_of, type_of, unpack_packet
from link.medium.airtime import LoRaConfig
from link.medium.profiles import EU868_BYTES, RN2483_UART_BPS
from link.wire.control import Renew, pack_command
from link.wire.packet import HEADER_BYTES, PacketType

BANNER = "RN2483"
NO_ADDRESS = "00000000"
SILENCE_S = 0.05
JOIN_S = 20.0
"The request at SF12, and the second window 6 s behind it."
WINDOWS_S = 10.0
"""Behind an uplink: two windows, an answer at SF12 in the second, and the time-out of the
acknowledgement.
"""
LATE = 1.5
POWER_INDEX = "1"
"The most that the region allows."
EVENTS = ("mac_tx_ok", "mac_rx", "mac_err")
"mac_paused is an answer."
OUTCOMES = (*EVENTS, "invalid_data_len", "radio_err")
"""Outcomes of an uplink that the module had taken: the network may have changed its data rate in
between.
"""
ADVICE = {
    "no_free_ch": "its channels are closed by their duty cycle; try again later",
    "busy": "it is still busy with what it was told before; try again in a few seconds",
    "silent": (
        "the network has told it to be silent; ask there why, or allow it to speak with `mac "
        "forceENABLE`"
    ),
    "mac_paused": "its LoRaWAN part is paused; open it again",
    "keys_not_init": "it has no keys; check the EUIs and the application key",
}
"By what the module answers where it should say ok."
REJOIN = ("not_joined", "frame_counter_err_rejoin_needed")


@dataclass(frozen=True)
class MacSettings:
    """Which module, which network, which data rate."""

    port: str
    node: int
    app_key: str = field(repr=False)
    "32 hex digits, as the network server shows them."
    join_eui: str = "0" * 16
    dev_eui: str | None = None
    "16 hex digits; None: the one burnt into the module."
    spreading_factor: int = 7


class Rn2483Mac:
    """A carrier of packets; their header of 4 bytes stays here, the body goes on the air."""

    def __init__(self, settings: MacSettings) -> None:
        """Joins unless the module is joined; PortError when it does not answer or get in."""
        if settings.spreading_factor not in EU868_BYTES:
            raise ValueError(
                f"spreading factor is {settings.spreading_factor}; LoRaWAN has SF7 to SF12"
            )
        self.max_packet_bytes = HEADER_BYTES + EU868_BYTES[settings.spreading_factor]
        self.statistics = CarrierStatistics()
        self._settings = settings
        self._lora = LoRaConfig(settings.spreading_factor)
        self._waiting: list[Received] = []
        self._modem = CommandLine(
            settings.port, RN2483_UART_BPS, "the RN2483", EVENTS, BANNER, self.statistics
        )
        try:
            self._set_up()
            if self._modem.command("mac get devaddr") == NO_ADDRESS:
                self._join()
        except PortError:
            self._modem.close()
            raise

    def send(self, packet: bytes) -> None:
        """Returns when the windows behind the uplink are over."""
        check_packet(packet, self.max_packet_bytes)
        _, packet_type, body = unpack_packet(packet)
        answer = self._ask(port_of(packet_type), body)
        if answer in REJOIN:
            self._join()
            renew = plain_packet(self._settings.node, PacketType.COMMAND, pack_command(Renew()))
            self._waiting.append(Received(renew))
            answer = self._ask(port_of(packet_type), body)
        if answer == "no_free_ch":
            self.statistics.n_refused += 1
            raise NotSentError(
                f"the RN2483 at {self._modem.path} sends nothing now: its channels are closed by "
                "their duty cycle"
            )
        if answer == "invalid_data_len":
            raise self._no_room(body)
        if answer != "ok":
            raise PortError(
                f"the RN2483 at {self._modem.path} answers '{answer[:40]}' to an uplink of "
                f"{len(body)} bytes: {ADVICE.get(answer, 'open it again')}"
            )
        airtime_s = self._lora.airtime_s(FRAME_BYTES + len(body))
        outcome = self._modem.wait_for(OUTCOMES, LATE * airtime_s + WINDOWS_S)
        if outcome is None:
            raise PortError(
                f"the RN2483 at {self._modem.path} has not told how its uplink ended; open it again"
            )
        if outcome == "invalid_data_len":
            raise self._no_room(body)
        self.statistics.n_sent += 1
        self._waiting += self._results(outcome)

    def receive(self, timeout_s: float) -> list[Received]:
        if not self._waiting and (event := self._modem.event(timeout_s)) is not None:
            self._waiting += self._results(event)
        received, self._waiting = self._waiting, []
        self.statistics.n_received += len(received)
        return received

    def close(self) -> None:
        """The module stays joined."""
        self._modem.close()

    def _set_up(self) -> None:
        modem, settings = self._modem, self._settings
        modem.write("")  # ends what the last program may have left half written
        modem.settle(SILENCE_S)
        if not modem.command("sys get ver").startswith(BANNER):
            raise PortError(f"what answers at {modem.path} is no RN2483; name its port")
        modem.command("mac resume")
        values = {
            "dr": str(12 - settings.spreading_factor),
            "adr": "off",
            "retx": "0",
            "pwridx": POWER_INDEX,
        }
        for name, value in values.items():
            modem.insist(
                f"mac set {name} {value}", "ok", "this module cannot do that; change the settings"
            )

    def _join(self) -> None:
        modem, settings = self._modem, self._settings
        dev_eui = settings.dev_eui or modem.command("sys get hweui")
        for name, value in {"deveui": dev_eui, "appeui": settings.join_eui}.items():
            modem.insist(f"mac set {name} {value}", "ok", "an EUI has 16 hex digits")
        modem.write(f"mac set appkey {settings.app_key}")  # no message may show it
        if modem.answer() != "ok":
            raise PortError(
                f"the RN2483 at {modem.path} does not take the application key: it has 32 hex "
                "digits"
            )
        if (answer := modem.command("mac join otaa")) != "ok":
            advice = ADVICE.get(answer, "take its power away and try again")
            raise PortError(
                f"the RN2483 at {modem.path} answers '{answer[:40]}' to 'mac join otaa': {advice}"
            )
        if modem.answer(JOIN_S) != "accepted":
            raise PortError(
                f"the network does not let the module with DevEUI {dev_eui} in: is it registered "
                "there with this join EUI and application key, and is a gateway in reach?"
            )

    def _no_room(self, body: bytes) -> DoesNotFit:
        return DoesNotFit(
            f"the RN2483 at {self._modem.path} has no room for {len(body)} bytes: it has answers "
            "for the network to send first, or was told to use another data rate"
        )

    def _ask(self, port: int, body: bytes) -> str:
        return self._modem.command(f"mac tx cnf {port} {body.hex().upper()}")

    def _results(self, event: str) -> list[Received]:
        """What an event tells: an acknowledgement, and a downlink behind it."""
        words = event.split()
        if words[0] not in ("mac_tx_ok", "mac_rx"):
            self.statistics.n_refused += 1
            return []
        acknowledged = plain_packet(self._settings.node, PacketType.REPORT, b"")
        return [Received(acknowledged), *self._downlinks(words[1:])]

    def _downlinks(self, words: list[str]) -> list[Received]:
        if not words:
            return []
        try:
            packet_type = type_of(int(words[0]))
            body = bytes.fromhex(words[1])
        except (IndexError, ValueError):
            packet_type = None
        if packet_type is None or packet_type.is_uplink:
            self.statistics.n_noise += 1
            return []
        return [Received(plain_packet(self._settings.node, packet_type, body))]
