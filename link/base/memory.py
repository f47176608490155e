"""Memory: how much one thing may take before it is taken, so that a large file is refused and the
process lives on.
"""

import contextlib
import os
from pathlib import Path

MEMORY_INFO = Path("/proc/meminfo")
OWN_SIZE = Path("/proc/self/statm")
CONTAINER = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """What this process may still take: of the machine, of its container, and of its own address
    space.
    """
    limits = (_free_of_machine(), _free_of_container(), _free_of_process())
    return max(0, min(limit for limit in limits if limit is not None))


def _free_of_machine() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in MEMORY_INFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _free_of_container() -> int | None:
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: there is no limit
        limit = int((CONTAINER / "memory.max").read_text())
        return limit - int((CONTAINER / "memory.current").read_text())
    return None


def _free_of_process() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    with contextlib.suppress(OSError, ValueError, IndexError):
        return limit - int(OWN_SIZE.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return limit
