"""The transmitter: packets leave through the serial port, each when it is its turn.

The node keeps the line's pace itself, airtime and duty cycle, so that nothing queues where it only grows old. A port
that vanishes is waited for, and the packet that was on its way is sent again: the host knows a packet that it has.
"""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from device.config import LinkConfig
from link.framing import DELIMITER, frame
from link.pacing import Pacer
from link.serial_port import PortError, SerialPort, open_port

RETRY_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Frame:
    """One packet as it leaves."""

    content: bytes
    "Written to the port."
    wire_bytes: int
    "What the line carries: on a radio the packet, since the modem takes the framing off; on a cable all."
    airtime_s: float


class Transmitter:
    """The node's end of the line."""

    def __init__(self, link: LinkConfig, is_patient: bool = True) -> None:
        """Opens the port, or PortError. When it vanishes later, a patient one waits and an impatient one gives up."""
        self.link = link
        self._is_patient = is_patient
        self._pacer = Pacer(link.profile.duty_cycle, link.profile.longest_airtime_s)
        self._usual_airtime_s = 0.0
        self._port: SerialPort | None = self._open()

    def frames(self, packets: Iterable[bytes]) -> list[Frame]:
        """The packets as they will leave, and what each costs the line."""
        profile = self.link.profile
        contents = [(packet, frame(packet)) for packet in packets]
        sizes = [len(packet) if profile.is_radio else len(content) for packet, content in contents]
        return [
            Frame(content, n_bytes, profile.medium.airtime_s(n_bytes))
            for (_, content), n_bytes in zip(contents, sizes, strict=True)
        ]

    def wait_for_turn(self) -> None:
        """Until the line could carry a packet such as the last one."""
        _sleep_until(self._pacer.start_s(self._usual_airtime_s, time.monotonic()))

    def send(self, frames: Iterable[Frame]) -> None:
        """Write them to the port, each as soon as the line is free for it."""
        for outgoing in frames:
            _sleep_until(self._pacer.start_s(outgoing.airtime_s, time.monotonic()))
            self._write(outgoing.content)
            self._pacer.occupy(outgoing.airtime_s, time.monotonic())
            self._usual_airtime_s = outgoing.airtime_s

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def __enter__(self) -> "Transmitter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> SerialPort:
        port = open_port(self.link.port, self.link.bitrate_bps)
        port.write(bytes([DELIMITER]))  # ends whatever half a frame the line still holds
        return port

    def _write(self, content: bytes) -> None:
        is_told = False
        while True:
            try:
                self._port = self._port or self._open()
                self._port.write(content)
                if is_told:
                    print(f"device: port {self.link.port} is back", file=sys.stderr, flush=True)
                return
            except PortError as error:
                self.close()
                if not self._is_patient:
                    raise
                if not is_told:
                    print(f"device: {error}; the image is kept until then", file=sys.stderr, flush=True)
                is_told = True
                time.sleep(RETRY_INTERVAL_S)


def _sleep_until(when_s: float) -> None:
    time.sleep(max(0.0, when_s - time.monotonic()))
