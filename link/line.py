"""The emulated line: bytes go in at one end and come out at the other as late, as few and as damaged as on a real line.

Over a radio profile each end is a modem: it takes the framing off its computer's bytes and puts only the packet on the
air, one at a time for both ends, and the air loses it whole. Over a UART profile the byte is the unit: both directions
run at once, and bytes are lost and damaged one by one. Neither clock nor pseudo-terminal here: bytes and now_s come in,
bytes and the next due time go out.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from random import Random

from link.channel import UNIMPAIRED, BitErrors, Impairments
from link.framing import Deframer, frame
from link.pacing import Pacer
from link.profiles import LinkProfile

ENDS = ("a", "b")
BUFFER_BYTES = 1024
"What an end accepts ahead of the line; beyond it its computer has to wait, as with hardware flow control."


@dataclass
class LineStatistics:
    """What happened to the bytes that entered at one end. Frames are counted on radio profiles only."""

    bytes_in: int = 0
    bytes_out: int = 0
    bytes_lost: int = 0
    bits_flipped: int = 0
    frames_in: int = 0
    frames_out: int = 0
    frames_lost: int = 0
    frames_refused: int = 0
    "Longer than the profile allows: a modem refuses them."
    duplicates: int = 0
    airtime_s: float = 0.0


class _Direction:
    """From one end to the other: what waits, what is on its way, and what the channel does to it."""

    def __init__(self, name: str, profile: LinkProfile, impairments: Impairments, seed: int) -> None:
        def random(purpose: str) -> Random:
            return Random(f"{seed}/{name}/{purpose}")

        self.profile = profile
        self.statistics = LineStatistics()
        self.pacer = Pacer(profile.duty_cycle, profile.longest_airtime_s)
        self.deframer = Deframer()
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.waiting_bytes = 0
        self.arriving: deque[tuple[float, bytes]] = deque()
        self._impairments = impairments
        self._losses = impairments.loss.losses(random("loss"))
        self._bit_errors = BitErrors(impairments.bit_error_rate, random("bits"))
        self._duplicates = random("duplicates")

    def units(self, data: bytes) -> Iterable[bytes]:
        """What the line carries at a time: a packet on a radio, a byte on a cable."""
        if not self.profile.is_radio:
            return [data[i : i + 1] for i in range(len(data))]
        packets = self.deframer.push(data)
        carried = [packet for packet in packets if len(packet) <= self.profile.max_packet_bytes]
        self.statistics.frames_in += len(packets)
        self.statistics.frames_refused += len(packets) - len(carried)
        return carried

    def accept(self, data: bytes, now_s: float) -> None:
        self.statistics.bytes_in += len(data)
        for unit in self.units(data):
            self.waiting.append((now_s, unit))
            self.waiting_bytes += len(unit)

    def start_s(self) -> float:
        """When the unit that waits first may start; only asked while one waits."""
        accepted_s, unit = self.waiting[0]
        return self.pacer.start_s(self.profile.medium.airtime_s(len(unit)), accepted_s)

    def transmit(self, start_s: float) -> float:
        """The first unit leaves at start_s; returns when the medium is free again."""
        _, unit = self.waiting.popleft()
        self.waiting_bytes -= len(unit)
        airtime_s = self.profile.medium.airtime_s(len(unit))
        end_s = self.pacer.occupy(airtime_s, start_s)
        self.statistics.airtime_s += airtime_s
        for survivor in self._survivors(unit):
            self.arriving.append((end_s + self._impairments.delay_s, survivor))
        return end_s

    def _survivors(self, unit: bytes) -> list[bytes]:
        """What the channel lets through of a unit: nothing, it, or it twice."""
        received, n_flipped = self._bit_errors.damage(unit)
        is_lost = next(self._losses)
        n_copies = 1 + (self._duplicates.random() < self._impairments.duplicate_probability)
        if self.profile.is_radio and n_flipped:  # the radio's own CRC discards a damaged frame
            is_lost = True
        if is_lost:
            self.statistics.frames_lost += self.profile.is_radio
            self.statistics.bytes_lost += len(unit)
            return []
        self.statistics.duplicates += n_copies - 1
        self.statistics.frames_out += n_copies * self.profile.is_radio
        self.statistics.bits_flipped += n_flipped
        return n_copies * [frame(received) if self.profile.is_radio else received]

    def deliver(self, now_s: float) -> bytes:
        due = bytearray()
        while self.arriving and self.arriving[0][0] <= now_s:
            due += self.arriving.popleft()[1]
        self.statistics.bytes_out += len(due)
        return bytes(due)


class Line:
    """Two ends, "a" and "b", joined by what a profile names; the same seed loses and damages the same units."""

    def __init__(self, profile: LinkProfile, impairments: Impairments = UNIMPAIRED, seed: int = 0) -> None:
        self.profile = profile
        self._from = {end: _Direction(end, profile, impairments, seed) for end in ENDS}

    def push(self, end: str, data: bytes, now_s: float) -> None:
        """Bytes that the computer at this end writes."""
        self._from[end].accept(data, now_s)
        self._advance(now_s)

    def pop(self, end: str, now_s: float) -> bytes:
        """Bytes that have come out at this end by now_s."""
        self._advance(now_s)
        return self._from[_other(end)].deliver(now_s)

    def is_full(self, end: str) -> bool:
        """So much waits at this end that its computer must wait too."""
        return self._from[end].waiting_bytes >= BUFFER_BYTES

    def next_due_s(self) -> float | None:
        """When something next starts or comes out; None while the line is idle."""
        starts = [direction.start_s() for direction in self._from.values() if direction.waiting]
        arrivals = [direction.arriving[0][0] for direction in self._from.values() if direction.arriving]
        return min(starts + arrivals, default=None)

    def statistics(self, duration_s: float) -> dict[str, object]:
        """Sums over both directions, then each; busy_ratio is the share of the time that the medium was in use.

        A cable is two media, one for each direction: there the busier one counts.
        """
        directions = {"a_to_b": self._from["a"].statistics, "b_to_a": self._from["b"].statistics}
        counted = [asdict(direction) for direction in directions.values()]
        total: dict[str, object] = {name: sum(counts[name] for counts in counted) for name in counted[0]}
        airtimes_s = [direction.airtime_s for direction in directions.values()]
        busy_s = sum(airtimes_s) if self.profile.is_radio else max(airtimes_s)
        return {
            "profile": self.profile.name,
            "duration_s": round(duration_s, 3),
            "busy_ratio": round(busy_s / duration_s, 6) if duration_s > 0 else 0.0,
            **total,
            **{name: asdict(direction) for name, direction in directions.items()},
        }

    def _advance(self, now_s: float) -> None:
        """Let every transmission start that may have started by now_s, the earliest first."""
        while True:
            starts = {end: direction.start_s() for end, direction in self._from.items() if direction.waiting}
            if not starts:
                return
            end = min(starts, key=lambda end: (starts[end], self._from[end].waiting[0]))
            if starts[end] > now_s:
                return
            end_s = self._from[end].transmit(starts[end])
            if self.profile.is_radio:  # one channel for both ends: while one speaks the other waits
                self._from[_other(end)].pacer.hold(end_s)


def _other(end: str) -> str:
    return ENDS[1 - ENDS.index(end)]
