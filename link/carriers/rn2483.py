"""RN2483 and RN2903: Microchip's LoRa modules, told by `radio tx` and `radio rx` to leave LoRaWAN
aside.

Source: RN2483 LoRa Technology Module Command Reference User's Guide, DS40001784G; firmware 1.0.5 or
later, for `radio rxstop`. The module does one thing at a time and has to be set to receive again
after every packet; while it hands a packet over it hears nothing. So after a packet of ours the
next waits until others have had time for that.
"""

import time

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
from link.wire.control import NO_QUALITY, Quality

BANNER = "RN2"
RECEIVED = "radio_rx "
SYNC_WORD = "12"
"LoRa's for private networks: LoRaWAN gateways, which use 34, do not even demodulate our frames."
RESET_S = 1.0
N_RESETS = 3
DEAF_BYTES = 70
"""What goes over the serial port of a receiver beside the packet's digits, from the end of a frame
until the module hears the next one: events, signal values, `radio rx 0`.
"""
SLACK_S = 0.050
"For the receiver's computer to react: three answers, each as late as a slow USB adapter makes it."
UNKNOWN_LEVEL = "-128"


class Rn2483:
    """A module at a serial port, always receiving when it does not send."""

    def __init__(self, settings: CarrierSettings) -> None:
        medium = settings.profile.medium
        if not isinstance(medium, LoRaConfig):
            raise ValueError(
                f"an RN2483 speaks LoRa, and profile {settings.profile.name} is something else"
            )
        self.max_packet_bytes = settings.profile.max_packet_bytes
        self.statistics = CarrierStatistics()
        self._lora = medium
        self._ready_s = float("-inf")
        "When all others receive again."
        self._waiting: list[Received] = []
        bitrate_bps = settings.bitrate_bps or settings.profile.bitrate_bps
        self._modem = CommandLine(
            settings.port, bitrate_bps, "the RN2483", "radio_", BANNER, self.statistics
        )
        try:
            self._reset()
            self._set_up(settings)
            self._listen()
        except PortError:
            self._modem.close()
            raise

    def send(self, packet: bytes) -> None:
        check_packet(packet, self.max_packet_bytes)
        command = f"radio tx {packet.hex().upper()}"
        _sleep_until(self._ready_s - self._modem.uart.airtime_s(len(command)))
        self._modem.insist("radio rxstop", "ok", "update its firmware to 1.0.5 or later")
        while self._modem.events:  # came while we asked
            self._waiting += self._packets(self._modem.events.popleft(), NO_QUALITY)
        try:
            self._modem.obey(command, "ok", "busy", unfit="invalid_param")
        except DoesNotFit:
            self._listen()
            raise
        airtime_s = self._lora.airtime_s(len(packet))
        event = self._modem.wait_for(("radio_tx_ok", "radio_err"), LATE[0] * airtime_s + LATE[1])
        if event != "radio_tx_ok":
            raise PortError(
                f"the RN2483 at {self._modem.path} has not sent a frame of {airtime_s:.2f} s "
                f"({event or 'no word of it'}); open it again"
            )
        self.statistics.n_sent += 1
        deaf_s = self._modem.uart.airtime_s(2 * len(packet) + DEAF_BYTES)
        self._ready_s = time.monotonic() + deaf_s + SLACK_S
        self._listen()

    def receive(self, timeout_s: float) -> list[Received]:
        waiting, self._waiting = self._waiting, []
        event = self._modem.event(0.0 if waiting else timeout_s)
        if event is None:
            return waiting
        quality = (
            Quality(self._signal("snr"), self._signal("rssi"))
            if event.startswith(RECEIVED)
            else NO_QUALITY
        )
        self._listen()
        return waiting + self._packets(event, quality)

    def close(self) -> None:
        self._modem.close()

    def _reset(self) -> None:
        """Whatever the module was doing, and half a command of whoever had the port before, is
        over.
        """
        for _ in range(N_RESETS):
            self._modem.write("")
            self._modem.write("sys reset")
            if self._modem.is_answered(BANNER, RESET_S):
                self._modem.events.clear()
                return
        raise PortError(
            f"no RN2483 or RN2903 answers at {self._modem.path} with "
            f"{self._modem.uart.bitrate_bps} bit/s: is it the right port, and has the module power?"
        )

    def _set_up(self, settings: CarrierSettings) -> None:
        modem, lora = self._modem, self._lora
        if not modem.command("mac pause").isdigit():
            raise PortError(
                f"the RN2483 at {modem.path} does not leave LoRaWAN: take its power away and try "
                "again"
            )
        values = {
            "mod": "lora",
            "freq": str(settings.frequency_hz or DEFAULT_FREQUENCY_HZ),
            "pwr": str(settings.power_dbm),
            "sf": f"sf{lora.spreading_factor}",
            "bw": str(lora.bandwidth_hz // 1000),
            "cr": f"4/{lora.coding_rate_denominator}",
            "crc": "on" if lora.has_crc else "off",
            "prlen": str(lora.n_preamble_symbols),
            "sync": SYNC_WORD,
            "iqi": "off",
            "wdt": "0",  # it would end our receiving after 15 s
        }
        for name, value in values.items():
            modem.insist(
                f"radio set {name} {value}", "ok", "this module cannot do that; change the settings"
            )

    def _listen(self) -> None:
        """Set the module to receive."""
        self._modem.insist("radio rx 0", "ok", "open it again")

    def _signal(self, name: str) -> float | None:
        answer = self._modem.command(f"radio get {name}")
        try:
            return None if answer == UNKNOWN_LEVEL else parse_level(answer)
        except ValueError:
            return None  # firmware before 1.0.5 knows no RSSI

    def _packets(self, event: str, quality: Quality) -> list[Received]:
        return self._modem.read(lambda: Received(parse_event(event), quality))


def parse_event(line: str) -> bytes:
    """The packet of `radio_rx  <digits>`; ValueError when the line is something else."""
    if not line.startswith(RECEIVED):
        raise ValueError(f"'{line[:40]}' tells of no packet")
    return parse_packet(line.removeprefix(RECEIVED))


def _sleep_until(when_s: float) -> None:
    time.sleep(max(0.0, when_s - time.monotonic()))
