"""Clock of the host: whether nodes may be told its time.

A host that has just started may be hours or years off until it has asked the network (NTP), and
nodes that were told so capture in the wrong hours. So no time is told before the kernel calls its
clock synchronised. Where no kernel says (another system, a container), the clock counts as right
unless it stands before this program was written; one that a person sets is believed when host.toml
says so: clock = "trusted".
"""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

SYNCHRONISED_FILE = Path("/run/systemd/timesync/synchronized")
"systemd-timesyncd makes it when it has set the clock."
TIME_ERROR, STA_UNSYNC = 5, 0x0040
"What adjtimex(2) says of a clock that nobody set."
EARLIEST_UNIX_S = 1_767_225_600.0
"The beginning of 2026."
ASK_S = 1.0
"How long a clock that was right is taken for right: asking costs more than to open a packet."
CLOCKS = ("synchronised", "trusted")


class _Timex(ctypes.Structure):
    """The head of struct timex; the kernel writes the rest of it behind."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def is_synchronised() -> bool | None:
    """What the system says of its clock; None: nothing."""
    if SYNCHRONISED_FILE.exists():
        return True
    try:
        timex = _Timex(modes=0)  # only asks
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR and not timex.status & STA_UNSYNC


class WallClock:
    """Unix time, and whether nodes may be told it."""

    def __init__(
        self, is_trusted: bool = False, is_synchronised: Callable[[], bool | None] = is_synchronised
    ) -> None:
        self._is_trusted = is_trusted
        self._is_synchronised = is_synchronised
        self._right_until_s = float("-inf")

    def unix_s(self) -> float:
        """For what is stored and shown; it may be anything, and step both ways."""
        return time.time()

    @property
    def is_right(self) -> bool:
        """Whether nodes may be told."""
        if self._is_trusted or time.monotonic() < self._right_until_s:
            return True
        is_synchronised = self._is_synchronised()
        if is_synchronised is None:
            return time.time() >= EARLIEST_UNIX_S
        if is_synchronised:
            self._right_until_s = time.monotonic() + ASK_S
        return is_synchronised
