"""Ledger: the airtime an end has used, when, so that no hour ever holds more than it may.

In memory every frame stands with the moment of its end. In the file stand the same, ten seconds to
an entry, and a block of airtime reserved ahead: it is on the disk before the first of it is used,
so that a frame costs the disk nothing and a crash can only waste a block, never give airtime back.
What was reserved counts after a crash as used just now. Time in which the machine was off does not
count as passed, because nobody knows how long it was.
"""

import math
from bisect import bisect_left, bisect_right
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from link.base import durable
from link.base.lock import FileLock, HeldError, hold_file

LEDGER_FORMAT = 1
ENTRY_S = 10.0
"Frames of so much time share an entry of the file."
KEEP_TIME_S = 300.0
KEPT_ENTRIES = 4096
"How many outdated entries may lie in memory before they are removed."
SAME_MOMENT_S = 1e-6
SAME_AIRTIME_S = 1e-9
"Times, and sums of airtimes, that differ by less are the same: they are floats."


class LedgerError(OSError):
    """Airtime cannot be charged, so nothing may be sent; the message says why and what to do."""


class Ledger:
    """Airtime used, in memory. `window_s` is how long an entry matters."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.notice: str | None = None
        "What had to be done about the file, in a sentence."
        self._ends: list[float] = []
        "Ascending: when each frame ended."
        self._sums: list[float] = []
        "Airtime of all frames up to this one."
        self._forgotten_s = 0.0
        "Airtime of the frames that were removed."

    def charge(self, airtime_s: float, end_s: float) -> None:
        """A frame of this airtime ends at end_s; entered before it is sent."""
        self._enter(airtime_s, end_s)

    def take_back(self, airtime_s: float) -> None:
        """The frame charged last, of this airtime, was not sent after all."""
        self._sums.pop()
        self._ends.pop()

    def postpone(self, end_s: float) -> None:
        """The frame charged last ended at end_s and no earlier: it left later than it was to."""
        if self._ends:
            self._ends[-1] = max(self._ends[-1], end_s)

    def keep_time(self, now_s: float) -> None:
        """Time has passed without a frame; said now and then, a later start knows of it."""

    def used_s(self, since_s: float) -> float:
        """Airtime of all frames that ended later than since_s."""
        return self._total_s - self._sum_before(bisect_right(self._ends, since_s + SAME_MOMENT_S))

    def end_of_use_s(self, kept_s: float) -> float:
        """The moment since when at most kept_s >= 0 of airtime were used; -inf: ever since."""
        passed_s = self._total_s - kept_s - SAME_AIRTIME_S
        return (
            self._ends[bisect_left(self._sums, passed_s)]
            if passed_s > self._forgotten_s
            else -math.inf
        )

    @property
    def _total_s(self) -> float:
        return self._sums[-1] if self._sums else self._forgotten_s

    def _sum_before(self, place: int) -> float:
        return self._sums[place - 1] if place else self._forgotten_s

    def _enter(self, airtime_s: float, end_s: float) -> None:
        self._sums.append(self._total_s + airtime_s)
        self._ends.append(max(end_s, self._ends[-1]) if self._ends else end_s)
        n_outdated = bisect_right(self._ends, end_s - self.window_s)
        if n_outdated > KEPT_ENTRIES:
            self._forgotten_s = self._sums[n_outdated - 1]
            del self._ends[:n_outdated], self._sums[:n_outdated]


class StoredLedger(Ledger):
    """A ledger that a crash or a restart cannot refill; one process at a time uses a file."""

    def __init__(
        self,
        path: Path | str,
        window_s: float,
        block_s: float,
        full_s: float,
        boot_id: str,
        now_s: float,
    ) -> None:
        """Raises HeldError when another process uses the file.

        `full_s` is taken as used just now when the file is damaged or cannot be read, since nobody
        knows what was.

        Times, also now_s, are those of the clock that began with the boot named by boot_id.
        """
        super().__init__(window_s)
        self._path = Path(path)
        self._block_s = block_s
        self._boot_id = boot_id
        self._lock = _hold(self._path)
        self._reserve_s = 0.0
        "The part of the block in the file: what is not used yet."
        self._written_s = now_s
        try:
            self._read(now_s)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._enter(full_s, now_s)
            self.notice = (
                f"airtime ledger {self._path} cannot be read ({error.strerror}), and this end "
                "counts its airtime as used up; see to the file's owner and mode, or move it away"
            )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            self._ends = []
            self._sums = []
            self._enter(full_s, now_s)
            self.notice = (
                f"airtime ledger {self._path} is damaged ({error}); it is now "
                f"{durable.set_aside(self._path).name}, and this end counts its airtime as used up"
            )

    def charge(self, airtime_s: float, end_s: float) -> None:
        """On the disk when it returns. Raises LedgerError, and charges nothing, when that fails."""
        if airtime_s > self._reserve_s + SAME_AIRTIME_S:
            block_s = max(self._block_s, airtime_s)
            self._write(block_s, end_s)
            self._reserve_s = block_s
        self._reserve_s -= airtime_s
        self._enter(airtime_s, end_s)

    def take_back(self, airtime_s: float) -> None:
        super().take_back(airtime_s)
        self._reserve_s += airtime_s

    def keep_time(self, now_s: float) -> None:
        """Writes the file when it is KEEP_TIME_S old; without it a node that starts often would
        never see an hour.
        """
        if self._ends and now_s >= self._written_s + KEEP_TIME_S:
            with suppress(LedgerError):  # nothing is lost: the time then counts as not passed
                self._write(self._reserve_s, now_s)

    def _read(self, now_s: float) -> None:
        state = durable.read_state(self._path, LEDGER_FORMAT)
        time_s, reserved_s = _number(state["time_s"]), _number(state["reserved_s"])
        is_same_clock = state["boot_id"] == self._boot_id and time_s <= now_s + self.window_s
        later_s = 0.0 if is_same_clock else now_s - time_s
        for end_s, airtime_s in state["used"]:
            if _number(airtime_s) < 0 or _number(end_s) > time_s:
                raise ValueError(
                    f"it holds {airtime_s} s of airtime up to {end_s}, and was written at {time_s}"
                )
            self._enter(airtime_s, end_s + later_s)
        self._enter(max(0.0, reserved_s), max(now_s, time_s + later_s))

    def _write(self, reserved_s: float, now_s: float) -> None:
        time_s = max(now_s, self._ends[-1]) if self._ends else now_s
        first = bisect_right(self._ends, time_s - self.window_s)
        state = {
            "format": LEDGER_FORMAT,
            "boot_id": self._boot_id,
            "time_s": time_s,
            "used": self._entries(first),
            "reserved_s": reserved_s,
        }
        try:
            durable.write_state(self._path, state)
        except OSError as error:
            raise LedgerError(
                f"airtime ledger {self._path} cannot be written ({error}), so nothing is sent; "
                "free some space, or make its folder writable"
            ) from error
        self._written_s = time_s

    def _entries(self, first: int) -> list[tuple[float, float]]:
        """What was used, ENTRY_S to an entry, each dated by its latest frame."""
        lasts = [
            place
            for place in range(first, len(self._ends))
            if place + 1 == len(self._ends)
            or self._ends[place] // ENTRY_S != self._ends[place + 1] // ENTRY_S
        ]
        sums = [self._sum_before(first), *(self._sums[place] for place in lasts)]
        used = [later - earlier for earlier, later in pairwise(sums)]
        return [
            (self._ends[place], airtime_s) for place, airtime_s in zip(lasts, used, strict=True)
        ]


def _hold(path: Path) -> FileLock | None:
    """None where files cannot be made; the first charge says so."""
    try:
        return hold_file(path)
    except HeldError:
        raise
    except (OSError, RuntimeError):  # the latter of a link that leads to itself
        return None


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"it holds {value!r} in the place of a time")
    return value
