"""An emulated Ebyte E22 (or E32) in transparent mode: bytes in here, bytes out there, cut as the
module likes.

Source: E22-xxxT22S Series Product User Manual, §5 (transparent mode) and §7.2 (registers). The
module collects what its computer writes: a full sub-packet goes on the air at once, less than that
when the line has been quiet for the time of three bytes. So writes that follow closely travel
merged, and one that comes while the module sends is cut anew. What exceeds its buffer while AUX
says busy is lost. Each sub-packet is heard or lost whole; nothing tells where one ended.
"""

from link.emulator.air import Air, Reception
from link.emulator.modems.modem import Modem, ModemOptions
from link.medium.airtime import UartConfig
from link.medium.profiles import E22_HEAD_BYTES, E22_SUB_PACKET_BYTES, E22_UART_BPS, LinkProfile

MODULE_BUFFER_BYTES = 1000
QUIET_BYTES = 3
OUTPUT_DELAY_S = 0.003
"AUX announces output two to three milliseconds ahead."


class E22(Modem):
    """The module at the end of its UART."""

    uart_bitrate_bps = E22_UART_BPS

    def __init__(self, profile: LinkProfile, air: Air, station: int, options: ModemOptions) -> None:
        super().__init__(profile, air, station, options)
        self._buffer = bytearray()
        self._quiet_s = UartConfig(E22_UART_BPS).airtime_s(QUIET_BYTES)

    def take(self, data: bytes, now_s: float) -> None:
        n_free = MODULE_BUFFER_BYTES - len(self._buffer)
        self.statistics.bytes_overrun += max(0, len(data) - n_free)
        self._buffer += data[:n_free]
        self._timer_s = now_s + self._quiet_s
        self._cut(is_quiet=False)

    def ring(self, now_s: float) -> None:
        self._cut(is_quiet=True)

    def has_sent(self, now_s: float) -> None:
        self._cut(is_quiet=self._timer_s is None)

    def receive(self, heard: Reception, now_s: float) -> None:
        self.say_heard(heard.packet[E22_HEAD_BYTES:], now_s + OUTPUT_DELAY_S)

    @property
    def is_full(self) -> bool:
        """Never: nothing holds the computer back, since its cable has no flow control."""
        return False

    def _cut(self, is_quiet: bool) -> None:
        """The next sub-packet, when there is one and the radio is free for it."""
        is_sending = self._end_s is not None or self._outgoing
        if (
            is_sending
            or not self._buffer
            or (len(self._buffer) < E22_SUB_PACKET_BYTES and not is_quiet)
        ):
            return
        self._outgoing.append(bytes(E22_HEAD_BYTES) + self._buffer[:E22_SUB_PACKET_BYTES])
        del self._buffer[:E22_SUB_PACKET_BYTES]
        self.statistics.frames_in += 1
