"""The emulated radio line: computers at their modems, and the modems on one air.

Like a Line it has neither clock nor pseudo-terminal: bytes and now_s come in, bytes and the next
due time go out.
"""

from dataclasses import asdict
from string import ascii_lowercase
from typing import Any

from link.emulator.air import HOUR_S, Air
from link.emulator.channel import UNIMPAIRED, Impairments
from link.emulator.modems import make_modem
from link.emulator.modems.modem import Modem, ModemOptions
from link.medium.airtime import UartConfig
from link.medium.profiles import LinkProfile


class RadioLine:
    """Ends "a", "b", "c", …, each with the modem that the profile names; the same seed loses the
    same frames.
    """

    def __init__(
        self,
        profile: LinkProfile,
        impairments: Impairments = UNIMPAIRED,
        seed: int = 0,
        n_ends: int = 2,
        listens_before_talking: bool = False,
    ) -> None:
        if isinstance(profile.medium, UartConfig):
            raise ValueError(f"{profile.name} is no radio")
        if not 2 <= n_ends <= len(ascii_lowercase):
            raise ValueError(f"a radio line has 2 to {len(ascii_lowercase)} ends, not {n_ends}")
        self.profile = profile
        self.ends = tuple(ascii_lowercase[:n_ends])
        self._air = Air(n_ends, impairments, seed)
        options = ModemOptions(listens_before_talking, impairments.delay_s)
        self._modems: dict[str, Modem] = {
            end: make_modem(profile, self._air, station, options)
            for station, end in enumerate(self.ends)
        }

    def push(self, end: str, data: bytes, now_s: float) -> None:
        """Bytes that the computer at this end writes."""
        self._advance(now_s)
        self._modems[end].push(data, now_s)
        self._modems[end].advance(now_s)

    def pop(self, end: str, now_s: float) -> bytes:
        """Bytes that have come out at this end by now_s."""
        self._advance(now_s)
        return self._modems[end].pop(now_s)

    def is_full(self, end: str) -> bool:
        """So much waits at this end that its computer must wait too."""
        return self._modems[end].is_full

    def next_due_s(self) -> float | None:
        """When something next happens or comes out; None while all is idle."""
        return _earliest(
            self._next_event_s(), *(modem.next_output_s() for modem in self._modems.values())
        )

    def statistics(self, duration_s: float) -> dict[str, Any]:
        """Sums over all ends, then each; busy_ratio is the share of the time in which somebody
        spoke.

        busiest_hour_share is what an end used of the hour in which it spoke most: what a duty cycle
        limits.
        """
        counted = {
            end: asdict(modem.statistics) | asdict(said)
            for (end, modem), said in zip(self._modems.items(), self._air.statistics, strict=True)
        }
        total = {
            name: sum(counts[name] for counts in counted.values()) for name in counted[self.ends[0]]
        }
        for end, hour in zip(self.ends, self._air.busiest_hours, strict=True):
            counted[end]["busiest_hour_share"] = round(hour.airtime_s / HOUR_S, 6)
        return {
            "profile": self.profile.name,
            "duration_s": round(duration_s, 3),
            "busy_ratio": round(total["airtime_s"] / duration_s, 6) if duration_s > 0 else 0.0,
            **total,
            "ends": counted,
        }

    def _advance(self, now_s: float) -> None:
        """Let everything happen that is due by now_s, in the order of its time."""
        while (due_s := self._next_event_s()) is not None and due_s <= now_s:
            for station, heard in self._air.pop(due_s):
                self._modems[self.ends[station]].hear(heard, due_s)
            for modem in self._modems.values():
                modem.advance(due_s)

    def _next_event_s(self) -> float | None:
        """When next something happens inside; only pop cares for what has come out."""
        return _earliest(
            self._air.next_due_s(), *(modem.next_event_s() for modem in self._modems.values())
        )


def _earliest(*times_s: float | None) -> float | None:
    return min((time_s for time_s in times_s if time_s is not None), default=None)
