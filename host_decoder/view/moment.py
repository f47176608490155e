"""Moments as a person says them: a date, or how long ago."""

import re
from datetime import datetime

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
AGO = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw])")


def parse_moment(text: str, now_s: float) -> float:
    """Unix time of "2h" or "3d" ago, of a date, or of a date and time (ISO 8601; in this computer's
    time zone without one); ValueError with a sentence for anything else.
    """
    if ago := AGO.fullmatch(text.strip()):
        return now_s - float(ago[1]) * SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no moment; write how long ago (90m, 2h, 3d, 1w), a date (2026-11-30) or "
            "a date and time (2026-11-30T14:05)"
        ) from None
