"""Ebyte E22 and E32 in transparent mode: a stream of bytes that the module cuts and joins as it
likes, so it is framed.

Source: E22-xxxT22S Series Product User Manual, §5 and §7.2. The module cannot be set up through its
data line; before use set with Ebyte's program: 9600 8N1, transparent transmission, sub-packets of
240 bytes, the air rate of the profile, the same channel, address and network at all ends; pins M0
and M1 low.

Its AUX pin says when a frame has left; without it the time tells as well, since the module is given
one frame at a time, never more than one sub-packet, and is left alone until that has left.
"""

import time
from dataclasses import replace

from link.carriers.carrier import CarrierSettings
from link.carriers.serial_line import SerialLine
from link.medium.profiles import E22_SUB_PACKET_BYTES, framed_bytes

MODULE_S = 0.010
"What the module needs for itself."


class E22(SerialLine):
    """A module at a serial port; it always receives when it does not send."""

    def __init__(self, settings: CarrierSettings) -> None:
        super().__init__(settings)
        self.max_packet_bytes = min(self.max_packet_bytes, E22_SUB_PACKET_BYTES - framed_bytes(0))
        self._profile = replace(
            settings.profile, port_bitrate_bps=settings.bitrate_bps or settings.profile.bitrate_bps
        )

    def send(self, packet: bytes) -> None:
        super().send(packet)
        time.sleep(
            self._profile.to_air_s(len(packet)) + self._profile.airtime_s(len(packet)) + MODULE_S
        )

    def _begin(self) -> None:
        """Nothing: whatever is written is sent, and nobody has counted its airtime."""
