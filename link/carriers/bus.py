"""Bus: a serial line that several share, each of which hears all others, packets framed as on a
cable.

Two that speak at once are not understood, so whoever has something to say waits until the line has
been quiet for a while, the longer the higher its place. What could not leave for too long is left
out: it is of no use any more. Nothing is written but from `receive`.
"""

import time
from collections import deque

from link.carriers.carrier import (
    CarrierSettings,
    CarrierStatistics,
    NotSentError,
    Received,
    check_packet,
)
from link.carriers.serial_port import open_port
from link.medium.airtime import UartConfig
from link.wire.framing import Deframer, frame

GAP_S = 0.003
"What a computer needs to hear that another has begun; a USB adapter may take most of it."
TOO_OLD_S = 1.0
MAX_WAITING = 64
"Packets that wait for the line."


class Bus:
    """One end of a shared line."""

    def __init__(self, settings: CarrierSettings) -> None:
        bitrate_bps = settings.bitrate_bps or settings.profile.bitrate_bps
        self.max_packet_bytes = settings.profile.max_packet_bytes
        self._uart = UartConfig(bitrate_bps)
        self._pause_s = GAP_S * (1 + settings.place)
        self._deframer = Deframer(self.max_packet_bytes)
        self._waiting: deque[tuple[float, bytes]] = deque()
        "Since when each waits, and its frame."
        self._n_sent = self._n_received = self._n_refused = 0
        self._port = open_port(settings.port, bitrate_bps)
        self._busy_until_s = time.monotonic()

    @property
    def statistics(self) -> CarrierStatistics:
        n_noise = self._deframer.noise + self._deframer.too_long
        return CarrierStatistics(self._n_sent, self._n_received, n_noise, self._n_refused)

    def send(self, packet: bytes) -> None:
        """It leaves when the line is quiet; NotSentError when too many wait for that."""
        check_packet(packet, self.max_packet_bytes)
        if len(self._waiting) >= MAX_WAITING:
            self._n_refused += 1
            raise NotSentError(f"{MAX_WAITING} packets wait for the line: is it ever quiet?")
        self._waiting.append((time.monotonic(), frame(packet)))

    def receive(self, timeout_s: float) -> list[Received]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            wait_s = deadline_s - time.monotonic()
            data = self._port.read(max(0.0, min(wait_s, self._start_s - time.monotonic())))
            packets = self._deframer.push(data)
            if data:
                self._busy_until_s = max(self._busy_until_s, time.monotonic())
            elif time.monotonic() >= self._start_s:
                self._speak()
            if packets or wait_s <= 0:
                break
        self._n_received += len(packets)
        return [Received(packet) for packet in packets]

    def close(self) -> None:
        self._port.close()

    @property
    def _start_s(self) -> float:
        """When this end may speak, unless somebody does before; inf: it has nothing to say."""
        if not self._waiting:
            return float("inf")
        return max(self._busy_until_s, self._waiting[0][0]) + self._pause_s

    def _speak(self) -> None:
        """What waits first, of which the line was just found quiet."""
        since_s, framed = self._waiting.popleft()
        if time.monotonic() > since_s + TOO_OLD_S:
            self._n_refused += 1
            return
        self._port.write(framed)
        self._n_sent += 1
        self._busy_until_s = time.monotonic() + self._uart.airtime_s(len(framed))
