"""The emulated cable: bytes go in at one end and come out at the other as late, as few and as
damaged as on a real one.

The byte is the unit: both directions run at once, and bytes are lost and damaged one by one.
Neither clock nor pseudo-terminal here: bytes and now_s come in, bytes and the next due time go out.
Radios are in link.emulator.radio.
"""

from collections import deque
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from link.emulator.channel import UNIMPAIRED, BitErrors, Impairments
from link.medium.profiles import LinkProfile

BUFFER_BYTES = 1024
"""What an end accepts ahead of the line; beyond it its computer has to wait, as with hardware flow
control.
"""


@dataclass
class LineStatistics:
    """What happened to the bytes that entered at one end."""

    bytes_in: int = 0
    bytes_out: int = 0
    bytes_lost: int = 0
    bits_flipped: int = 0
    duplicates: int = 0
    airtime_s: float = 0.0


class _Direction:
    """From one end to the other: what waits, what is on its way, what the channel does."""

    def __init__(self, name: str, byte_s: float, impairments: Impairments, seed: int) -> None:
        def random(purpose: str) -> Random:
            return Random(f"{seed}/{name}/{purpose}")

        self.statistics = LineStatistics()
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.arriving: deque[tuple[float, bytes]] = deque()
        self._byte_s = byte_s
        self._free_s = float("-inf")
        self._impairments = impairments
        self._losses = impairments.loss.losses(random("loss"))
        self._bit_errors = BitErrors(impairments.bit_error_rate, random("bits"))
        self._duplicates = random("duplicates")

    def accept(self, data: bytes, now_s: float) -> None:
        self.statistics.bytes_in += len(data)
        self.waiting += [(now_s, data[i : i + 1]) for i in range(len(data))]

    def start_s(self) -> float:
        """When the byte that waits first starts; only asked while one waits."""
        return max(self.waiting[0][0], self._free_s)

    def advance(self, now_s: float) -> None:
        """Let every byte leave that may have started by now_s."""
        while self.waiting and (start_s := self.start_s()) <= now_s:
            _, byte = self.waiting.popleft()
            self._free_s = start_s + self._byte_s
            self.statistics.airtime_s += self._byte_s
            for survivor in self._survivors(byte):
                self.arriving.append((self._free_s + self._impairments.delay_s, survivor))

    def _survivors(self, byte: bytes) -> list[bytes]:
        """What the channel lets through of a byte: nothing, it, or it twice."""
        received, n_flipped = self._bit_errors.damage(byte)
        is_lost = next(self._losses)
        n_copies = 1 + (self._duplicates.random() < self._impairments.duplicate_probability)
        if is_lost:
            self.statistics.bytes_lost += 1
            return []
        self.statistics.duplicates += n_copies - 1
        self.statistics.bits_flipped += n_flipped
        return n_copies * [received]

    def deliver(self, now_s: float) -> bytes:
        due = bytearray()
        while self.arriving and self.arriving[0][0] <= now_s:
            due += self.arriving.popleft()[1]
        self.statistics.bytes_out += len(due)
        return bytes(due)


class Cable:
    """Two ends, "a" and "b", joined by a cable; the same seed loses and damages the same bytes."""

    ends = ("a", "b")

    def __init__(
        self, profile: LinkProfile, impairments: Impairments = UNIMPAIRED, seed: int = 0
    ) -> None:
        if profile.is_radio:
            raise ValueError(f"{profile.name} is no cable")
        self.profile = profile
        byte_s = profile.medium.airtime_s(1)
        self._from = {end: _Direction(end, byte_s, impairments, seed) for end in self.ends}

    def push(self, end: str, data: bytes, now_s: float) -> None:
        """Bytes that the computer at this end writes."""
        self._from[end].accept(data, now_s)
        self._from[end].advance(now_s)

    def pop(self, end: str, now_s: float) -> bytes:
        """Bytes that have come out at this end by now_s."""
        coming = self._from[self.ends[1 - self.ends.index(end)]]
        coming.advance(now_s)
        return coming.deliver(now_s)

    def is_full(self, end: str) -> bool:
        """So much waits at this end that its computer must wait too."""
        return len(self._from[end].waiting) >= BUFFER_BYTES

    def next_due_s(self) -> float | None:
        """When something next starts or comes out; None while the line is idle."""
        starts = [direction.start_s() for direction in self._from.values() if direction.waiting]
        arrivals = [
            direction.arriving[0][0] for direction in self._from.values() if direction.arriving
        ]
        return min(starts + arrivals, default=None)

    def statistics(self, duration_s: float) -> dict[str, Any]:
        """Sums over both directions, then each; busy_ratio is that of the busier direction."""
        directions = {"a_to_b": self._from["a"].statistics, "b_to_a": self._from["b"].statistics}
        counted = [asdict(direction) for direction in directions.values()]
        total = {name: sum(counts[name] for counts in counted) for name in counted[0]}
        busy_s = max(direction.airtime_s for direction in directions.values())
        return {
            "profile": self.profile.name,
            "duration_s": round(duration_s, 3),
            "busy_ratio": round(busy_s / duration_s, 6) if duration_s > 0 else 0.0,
            **total,
            **{name: asdict(direction) for name, direction in directions.items()},
        }
