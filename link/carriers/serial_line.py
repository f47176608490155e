"""Serial line: packets framed on a stream of bytes, a cable or a modem that takes the frames off by
itself.
"""

import time

from link.carriers.carrier import (
    CarrierSettings,
    CarrierStatistics,
    PortError,
    Received,
    check_packet,
)
from link.carriers.serial_port import open_port
from link.wire.framing import DELIMITER, Deframer, frame


class SerialLine:
    """A port that carries COBS frames."""

    def __init__(self, settings: CarrierSettings) -> None:
        self.max_packet_bytes = settings.profile.max_packet_bytes
        self._deframer = Deframer(self.max_packet_bytes)
        self._n_sent = self._n_received = 0
        self._port = open_port(settings.port, settings.bitrate_bps or settings.profile.bitrate_bps)
        try:
            self._begin()
        except PortError:
            self._port.close()
            raise

    @property
    def statistics(self) -> CarrierStatistics:
        n_noise = self._deframer.noise + self._deframer.too_long
        return CarrierStatistics(self._n_sent, self._n_received, n_noise)

    def send(self, packet: bytes) -> None:
        check_packet(packet, self.max_packet_bytes)
        self._port.write(frame(packet))
        self._n_sent += 1

    def receive(self, timeout_s: float) -> list[Received]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            wait_s = deadline_s - time.monotonic()
            packets = self._deframer.push(self._port.read(max(0.0, wait_s)))
            if packets or wait_s <= 0:
                break
        self._n_received += len(packets)
        return [Received(packet) for packet in packets]

    def fileno(self) -> int:
        """To be waited for together with others; whatever waits to be received is behind it."""
        return self._port.fileno()

    def close(self) -> None:
        self._port.close()

    def _begin(self) -> None:
        self._port.write(bytes([DELIMITER]))  # ends whatever half a frame the line still holds
