"""Clock: seconds since the machine started, which no one sets, and a name for that start.

A node has no clock of the day until it is told, but it can always tell how long ago something was,
sleep included, until it is started again; the boot's id tells whether that happened.
"""

import time
import uuid
from functools import cache
from pathlib import Path

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


def boot_s() -> float:
    """Seconds since boot, also those asleep; only differences within one boot mean something."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@cache
def boot_id() -> str:
    """Tells this boot from all others; without such an id each process counts as a boot."""
    try:
        return BOOT_ID_FILE.read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid.uuid4())
