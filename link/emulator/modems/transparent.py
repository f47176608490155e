"""A modem without quirks: it takes frames off a stream of bytes, sends their packets and gives back
what it hears.

No such module is sold; it is the shortest way from a computer to the air, on a port that takes no
time.
"""

from link.emulator.air import Air, Reception
from link.emulator.modems.modem import Modem, ModemOptions
from link.medium.profiles import LinkProfile
from link.wire.framing import Deframer, frame


class Transparent(Modem):
    """Frames in, frames out; it always listens."""

    def __init__(self, profile: LinkProfile, air: Air, station: int, options: ModemOptions) -> None:
        super().__init__(profile, air, station, options)
        self._deframer = Deframer()

    def take(self, data: bytes, now_s: float) -> None:
        packets = self._deframer.push(data)
        carried = [packet for packet in packets if len(packet) <= self.profile.max_packet_bytes]
        self.statistics.frames_in += len(packets)
        self.statistics.frames_refused += len(packets) - len(carried)
        self._outgoing += carried

    def receive(self, heard: Reception, now_s: float) -> None:
        self.say_heard(frame(heard.packet), now_s)
