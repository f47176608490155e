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
        """Of a text such as 06:00-20:30."""
        found = re.fullmatch(
            r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", text
        )
        if not found:
            raise ValueError(
                f'"{shown(text)[1:-1]}" is no span of the day; write for example '
                '"06:00-20:30", in UTC'
            )
        begin_h, begin_min, end_h, end_min = map(int, found.groups())
        return cls(3600 * begin_h + 60 * begin_min, 3600 * end_h + 60 * end_min)

    def wait_s(self, unix_s: float) -> float:
        """How long until they begin; 0 within them."""
        since_begin_s = (unix_s - self.begin_s) % DAY_S
        length_s = (self.end_s - self.begin_s) % DAY_S or DAY_S
        return 0.0 if since_begin_s < length_s else DAY_S - since_begin_s
