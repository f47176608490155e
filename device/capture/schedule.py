"""Schedule: the hours of the day in which a node captures, in UTC: its host's TIME is the only
clock it has.
"""

import re
from dataclasses import dataclass

from link.settings import shown

DAY_S = 86_400


@dataclass(frozen=True)
class Hours:
    """From begin_s to end_s of each day; over midnight when it ends before it begins."""

    begin_s: int
    end_s: int

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Reads a text such as 06:00-20:30."""
        found = re.fullmatch(
            r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", text
        )
        if not found:
            raise ValueError(
                f'"{shown(text)[1:-1]}" is no span of the day; write for example "06:00-20:30", in '
                "UTC"
            )
        begin_h, begin_min, end_h, end_min = map(int, found.groups())
        return cls(3600 * begin_h + 60 * begin_min, 3600 * end_h + 60 * end_min)

    def wait_s(self, unix_s: float) -> float:
        """How long until they begin; 0 within them."""
        since_begin_s = self.since_begin_s(unix_s)
        length_s = (self.end_s - self.begin_s) % DAY_S or DAY_S
        return 0.0 if since_begin_s < length_s else DAY_S - since_begin_s

    def since_begin_s(self, unix_s: float) -> float:
        """How long ago they began last."""
        return (unix_s - self.begin_s) % DAY_S


class Timetable:
    """When an image is due: at intervals, within the hours of capture.

    Times are of the caller's clock, and `unix_offset_s` leads from it to Unix time; while nobody
    has told the time (None) all hours are good.
    """

    def __init__(self, interval_s: float, hours: Hours | None, now_s: float) -> None:
        """The first image is due now."""
        self._interval_s = interval_s
        self._hours = hours
        self._due_s = now_s

    def due_s(self, now_s: float, unix_offset_s: float | None) -> float:
        if self._hours is None or unix_offset_s is None:
            return self._due_s
        wait_s = self._hours.wait_s(now_s + unix_offset_s)
        return max(self._due_s, now_s + wait_s) if wait_s else self._due_s

    def taken(self, now_s: float, unix_offset_s: float | None) -> None:
        """An image came, or cannot be read: the next is due an interval after this one was."""
        due_s = self._due_s
        if self._hours is not None and unix_offset_s is not None:
            due_s = max(due_s, now_s - self._hours.since_begin_s(now_s + unix_offset_s))
        self._due_s = max(now_s, due_s + self._interval_s)
