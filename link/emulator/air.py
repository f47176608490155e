"""The air: one radio channel that any number of stations share; all hear what one says, unless two
speak at once.

A station is deaf while it speaks, since two transmissions that overlap destroy each other at every
receiver. What is left of a frame each receiver then loses by itself, as its impairments say. The
air forbids nothing: how long a station may speak is the affair of its computer, and the air only
counts. Times come in, frames go out; no clock here.
"""

from collections import deque
from dataclasses import dataclass
from math import log10
from random import Random

from link.emulator.channel import UNIMPAIRED, BitErrors, Impairments
from link.medium.airtime import FskConfig, LoRaConfig
from link.wire.control import Quality

HOUR_S = 3600.0
THERMAL_NOISE_DBM_PER_HZ = -174.0
RECEIVER_NOISE_DB = 6.0
MEAN_SNR_DB, SNR_DEVIATION_DB = 6.0, 2.5
"Comfortable for SF7, which is heard from -7.5 dB on (SX1276 datasheet)."
FSK_BANDWIDTH_HZ = 50_000
BACK_OFF_SLOTS = 8


@dataclass(frozen=True)
class Tuning:
    """How a radio is set; those set differently neither hear nor disturb each other."""

    medium: LoRaConfig | FskConfig
    frequency_hz: int | None = None
    sync_word: int | None = None


@dataclass(frozen=True)
class Reception:
    """A frame as one receiver has it at its end."""

    packet: bytes
    start_s: float
    quality: Quality
    tuning: Tuning


class BusiestHour:
    """The most airtime that one station used within any hour so far."""

    def __init__(self) -> None:
        self._spoken: deque[tuple[float, float]] = deque()
        self._sum_s = 0.0
        self.airtime_s = 0.0

    def add(self, start_s: float, end_s: float) -> None:
        """A transmission, none before the one added last."""
        self._spoken.append((start_s, end_s))
        self._sum_s += end_s - start_s
        while self._spoken[0][1] <= end_s - HOUR_S:
            first_start_s, first_end_s = self._spoken.popleft()
            self._sum_s -= first_end_s - first_start_s
        outside_s = max(0.0, end_s - HOUR_S - self._spoken[0][0])
        self.airtime_s = max(self.airtime_s, self._sum_s - outside_s)


@dataclass
class _Transmission:
    station: int
    packet: bytes
    tuning: Tuning
    start_s: float
    end_s: float
    is_collided: bool = False


class _Path:
    """From one station to another; what gets lost there depends on nobody else."""

    def __init__(self, name: str, impairments: Impairments, seed: int) -> None:
        def random(purpose: str) -> Random:
            return Random(f"{seed}/{name}/{purpose}")

        self._losses = impairments.loss.losses(random("loss"))
        self._bit_errors = BitErrors(impairments.bit_error_rate, random("bits"))
        self._duplicates = random("duplicates")
        self._duplicate_probability = impairments.duplicate_probability
        self._fading = random("quality")

    def copies(self, packet: bytes) -> int:
        """How often this frame arrives: the radio's own CRC discards a damaged one."""
        _, n_flipped = self._bit_errors.damage(packet)
        is_lost = next(self._losses) or n_flipped > 0
        is_repeated = self._duplicates.random() < self._duplicate_probability
        return 0 if is_lost else 1 + is_repeated

    def quality(self, medium: LoRaConfig | FskConfig) -> Quality:
        bandwidth_hz = medium.bandwidth_hz if isinstance(medium, LoRaConfig) else FSK_BANDWIDTH_HZ
        noise_dbm = THERMAL_NOISE_DBM_PER_HZ + 10 * log10(bandwidth_hz) + RECEIVER_NOISE_DB
        snr_db = round(self._fading.gauss(MEAN_SNR_DB, SNR_DEVIATION_DB))
        return Quality(snr_db, round(noise_dbm + snr_db))


@dataclass
class StationStatistics:
    """What became of what one station said; a frame counts once for every receiver."""

    frames_out: int = 0
    "Heard, copies included."
    frames_lost: int = 0
    frames_collided: int = 0
    bytes_lost: int = 0
    duplicates: int = 0
    airtime_s: float = 0.0


class Air:
    """The channel between stations 0 … n_stations - 1; a seed says which frames are lost."""

    def __init__(
        self, n_stations: int, impairments: Impairments = UNIMPAIRED, seed: int = 0
    ) -> None:
        self.n_stations = n_stations
        self.statistics = [StationStatistics() for _ in range(n_stations)]
        self.busiest_hours = [BusiestHour() for _ in range(n_stations)]
        self._paths = {
            (sender, receiver): _Path(f"{sender}-{receiver}", impairments, seed)
            for sender in range(n_stations)
            for receiver in range(n_stations)
            if sender != receiver
        }
        self._back_off = Random(f"{seed}/back-off")
        self._on_air: list[_Transmission] = []

    def transmit(self, station: int, packet: bytes, tuning: Tuning, start_s: float) -> float:
        """The station speaks from start_s, which is not before anything that has happened; returns
        when it ends.
        """
        new = _Transmission(
            station, packet, tuning, start_s, start_s + tuning.medium.airtime_s(len(packet))
        )
        for other in self._on_air:
            if other.end_s > start_s and other.tuning == tuning:
                other.is_collided = new.is_collided = True
        self._on_air.append(new)
        self.statistics[station].airtime_s += new.end_s - start_s
        self.busiest_hours[station].add(start_s, new.end_s)
        return new.end_s

    def clear_s(self, tuning: Tuning, now_s: float) -> float:
        """When a station that listens before it talks tries next: now, or after who speaks."""
        busy_until_s = max(
            (frame.end_s for frame in self._on_air if frame.tuning == tuning), default=now_s
        )
        if busy_until_s <= now_s:
            return now_s
        slot_s = tuning.medium.airtime_s(0) / BACK_OFF_SLOTS
        return busy_until_s + self._back_off.randint(1, BACK_OFF_SLOTS) * slot_s

    def next_due_s(self) -> float | None:
        """When the next frame ends; None while the air is silent."""
        return min((frame.end_s for frame in self._on_air), default=None)

    def pop(self, now_s: float) -> list[tuple[int, Reception]]:
        """Which stations have heard what by now_s."""
        ended = [frame for frame in self._on_air if frame.end_s <= now_s]
        self._on_air = [frame for frame in self._on_air if frame.end_s > now_s]
        return [arrival for frame in ended for arrival in self._arrivals(frame)]

    def _arrivals(self, frame: _Transmission) -> list[tuple[int, Reception]]:
        arrivals = []
        counted = self.statistics[frame.station]
        for receiver in range(self.n_stations):
            if receiver == frame.station:
                continue
            path = self._paths[frame.station, receiver]
            n_copies = path.copies(frame.packet)
            heard = Reception(
                frame.packet, frame.start_s, path.quality(frame.tuning.medium), frame.tuning
            )
            if frame.is_collided or not n_copies:
                counted.frames_collided += frame.is_collided
                counted.frames_lost += not frame.is_collided
                counted.bytes_lost += len(frame.packet)
                continue
            counted.frames_out += n_copies
            counted.duplicates += n_copies - 1
            arrivals += n_copies * [(receiver, heard)]
        return arrivals
