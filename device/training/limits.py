"""Limits: when a node may learn, and for how long: hours of the day, heat, energy, time of a round.

They know no clock: times come in. Energy is an estimate, seconds at the computer's extra power
(device/energy.py), because no node has a meter.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from device.capture.schedule import DAY_S, Hours

ZONES = Path("/sys/class/thermal")
COOLER_CELSIUS = 5.0
"So much below the limit a node goes on."
COOLING_S = 10.0
"Until it is looked at again."
J_PER_WH = 3600.0


class Reason(Enum):
    """Why a node does not learn on."""

    ROUND = "the round's time is over"
    HOURS = "it is not the hour"
    ENERGY = "the day's energy is used up"
    HEAT = "it is too hot"


@dataclass(frozen=True)
class Stop:
    """Not now."""

    reason: Reason
    wait_s: float
    "How long until it is worth asking again."


@dataclass(frozen=True)
class Limits:
    """What a node may spend on learning; None: as much as it takes."""

    round_s: float | None = None
    hours: Hours | None = None
    max_celsius: float | None = None
    day_wh: float | None = None
    "From midnight to midnight, UTC."
    extra_w: float = 0.0
    "What the computer takes while it learns, above what it takes anyway."


def celsius(zones: Path = ZONES) -> float | None:
    """The hottest of the machine's thermal zones; None where it has none."""
    found = []
    for path in zones.glob("thermal_zone*/temp"):
        try:
            found.append(int(path.read_text()) / 1000)
        except (OSError, ValueError):  # a sensor that is switched off
            continue
    return max(found, default=None)


class Allowance:
    """What of the limits is left."""

    def __init__(
        self, limits: Limits, spent: tuple[int, float] = (0, 0.0), read_celsius=celsius
    ) -> None:
        """`spent`: a day, counted from 1970, and joules; as `spent` told them before."""
        self._limits = limits
        self._day, self._spent_j = spent
        self._round_s = 0.0
        self._is_cooling = False
        self._read_celsius: Callable[[], float | None] = read_celsius

    @property
    def spent(self) -> tuple[int, float]:
        """To be kept over a restart."""
        return self._day, self._spent_j

    def begin_round(self) -> None:
        self._round_s = 0.0

    def spend(self, seconds: float, unix_s: float) -> None:
        """It has learned for so long."""
        self._turn_day(unix_s)
        self._round_s += seconds
        self._spent_j += seconds * self._limits.extra_w

    def stop(self, unix_s: float) -> Stop | None:
        """Why not to learn on now; None: nothing speaks against it."""
        limits = self._limits
        self._turn_day(unix_s)
        if limits.round_s is not None and self._round_s >= limits.round_s:
            return Stop(Reason.ROUND, 0.0)
        if limits.hours is not None and (wait_s := limits.hours.wait_s(unix_s)):
            return Stop(Reason.HOURS, wait_s)
        if limits.day_wh is not None and self._spent_j >= limits.day_wh * J_PER_WH:
            return Stop(Reason.ENERGY, DAY_S - unix_s % DAY_S)
        return Stop(Reason.HEAT, COOLING_S) if self._is_too_hot() else None

    def _turn_day(self, unix_s: float) -> None:
        day = math.floor(unix_s / DAY_S)
        if day != self._day:
            self._day, self._spent_j = day, 0.0

    def _is_too_hot(self) -> bool:
        if self._limits.max_celsius is None:
            return False
        found = self._read_celsius()
        limit = self._limits.max_celsius - (COOLER_CELSIUS if self._is_cooling else 0.0)
        self._is_cooling = found is not None and found >= limit
        return self._is_cooling
