"""RAK3172: RAKwireless's LoRa module in its point-to-point mode, `AT+PSEND` and `AT+PRECV`.

Source: RAKwireless, RUI3 AT Command Manual, and the release notes of RUI3 3.4.0. The module has to
stop receiving before it sends (newer firmware knows an AT+PRECV=65533 that spares this; 0 and 65534
serve all). Of the bandwidth firmware before RUI3 wants kHz and RUI3 a number: the number is tried
first, and the module refuses what it is not. A packet heard is told in one line since RUI3 3.2.0,
in two before; both are read, and an echo (ATE) is passed over.
"""

import re

from link.carriers.carrier import (
    DEFAULT_FREQUENCY_HZ,
    CarrierSettings,
    CarrierStatistics,
    DoesNotFit,
    PortError,
    Received,
    check_packet,
)
from link.carriers.command_line import LATE, CommandLine, parse_level, parse_packet
from link.medium.airtime import LoRaConfig
from link.wire.control import Quality

BANDWIDTHS_HZ = (125_000, 250_000, 500_000)
"By RUI3's number."
UNTIL_STOPPED = 65534
BANNER = "Current Work Mode"
ANNOUNCED = re.compile(r"\+EVT:RXP2P, *RSSI *(-?\d+), *SNR *(-?\d+)")
"What older firmware says: the packet follows in a line of its own."
DIGITS = re.compile(r"\+EVT:([0-9A-Fa-f]+)")
GREETING_S = 0.3
SILENCE_S = 0.05
N_GREETINGS = 20
"A module that starts needs a few seconds."


class Rak3172:
    """A module at a serial port, always receiving when it does not send."""

    def __init__(self, settings: CarrierSettings) -> None:
        medium = settings.profile.medium
        if not isinstance(medium, LoRaConfig) or medium.bandwidth_hz not in BANDWIDTHS_HZ:
            raise ValueError(
                "a RAK3172 speaks LoRa of 125, 250 or 500 kHz, and profile "
                f"{settings.profile.name} is something else"
            )
        self.max_packet_bytes = settings.profile.max_packet_bytes
        self.statistics = CarrierStatistics()
        self._lora = medium
        self._announced: Quality | None = None
        bitrate_bps = settings.bitrate_bps or settings.profile.bitrate_bps
        self._modem = CommandLine(
            settings.port, bitrate_bps, "the RAK3172", "+EVT:", BANNER, self.statistics
        )
        try:
            self._greet()
            self._leave_lorawan()
            self._obeyed("AT+PRECV=0")
            self._tune(settings)
            self._obeyed(f"AT+PRECV={UNTIL_STOPPED}")
        except PortError:
            self._modem.close()
            raise

    def send(self, packet: bytes) -> None:
        check_packet(packet, self.max_packet_bytes)
        self._obeyed("AT+PRECV=0")
        try:
            self._modem.obey(
                f"AT+PSEND={packet.hex().upper()}", "OK", "AT_BUSY_ERROR", unfit="AT_PARAM_ERROR"
            )
        except DoesNotFit:
            self._obeyed(f"AT+PRECV={UNTIL_STOPPED}")
            raise
        airtime_s = self._lora.airtime_s(len(packet))
        if self._modem.wait_for(("+EVT:TXP2P",), LATE[0] * airtime_s + LATE[1]) is None:
            raise PortError(
                f"the RAK3172 at {self._modem.path} says no word of a frame of {airtime_s:.2f} s; "
                "open it again"
            )
        self.statistics.n_sent += 1
        self._obeyed(f"AT+PRECV={UNTIL_STOPPED}")

    def receive(self, timeout_s: float) -> list[Received]:
        event = self._modem.event(timeout_s)
        return [] if event is None else self._packets(event)

    def _packets(self, event: str) -> list[Received]:
        """What an event tells, the second of two with the quality that the first told."""
        announced, self._announced = self._announced, None
        if found := ANNOUNCED.fullmatch(event):
            try:
                self._announced = Quality(parse_level(found[2]), parse_level(found[1]))
            except ValueError:
                self.statistics.n_noise += 1
            return []
        if announced is not None and (digits := DIGITS.fullmatch(event)):
            return self._modem.read(lambda: Received(parse_packet(digits[1]), announced))
        return self._modem.read(lambda: parse_event(event))

    def close(self) -> None:
        self._modem.close()

    def _greet(self) -> None:
        """Until the module answers, whatever it was doing; half a command of whoever had the port
        before is over.
        """
        self._modem.write("")
        for _ in range(N_GREETINGS):
            self._modem.write("AT")
            if self._modem.is_answered("OK", GREETING_S):
                self._modem.settle(SILENCE_S)
                return
        raise PortError(
            f"no RAK3172 answers at {self._modem.path} with {self._modem.uart.bitrate_bps} bit/s: "
            "is it the right port, and has the module power?"
        )

    def _leave_lorawan(self) -> None:
        mode = self._ask("AT+NWM=?")
        if mode != "0":
            self._obeyed("AT+NWM=0")
            self._greet()

    def _tune(self, settings: CarrierSettings) -> None:
        lora, frequency_hz = self._lora, settings.frequency_hz or DEFAULT_FREQUENCY_HZ
        for bandwidth in (BANDWIDTHS_HZ.index(lora.bandwidth_hz), lora.bandwidth_hz // 1000):
            where = f"{frequency_hz}:{lora.spreading_factor}:{bandwidth}"
            how = (
                f"{lora.coding_rate_denominator - 5}:{lora.n_preamble_symbols}:{settings.power_dbm}"
            )
            answer = self._modem.command(f"AT+P2P={where}:{how}")
            if answer == "OK":
                return
        raise PortError(
            f"the RAK3172 at {self._modem.path} answers '{answer}' to {frequency_hz} Hz, "
            f"SF{lora.spreading_factor} and {settings.power_dbm} dBm: it cannot do that; "
            "change the settings"
        )

    def _ask(self, command: str) -> str:
        """The value that the module tells."""
        answer = self._modem.command(command)
        if self._modem.answer() != "OK":
            version = self._modem.command("AT+VER=?")
            raise PortError(
                f"the RAK3172 at {self._modem.path} answers '{answer[:60]}' to '{command}', its "
                f"firmware is '{version[:60]}': update that to RUI3 4 or later"
            )
        return answer.rpartition("=")[2]

    def _obeyed(self, command: str) -> None:
        self._modem.obey(command, "OK", "AT_BUSY_ERROR")


def parse_event(line: str) -> Received:
    """The packet of `+EVT:RXP2P:<rssi>:<snr>:<digits>`; ValueError for any other line."""
    match line.split(":"):
        case ["+EVT", "RXP2P", rssi, snr, digits]:
            return Received(parse_packet(digits), Quality(parse_level(snr), parse_level(rssi)))
        case _:
            raise ValueError(f"'{line[:40]}' tells of no packet")
