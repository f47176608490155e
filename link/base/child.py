"""Child: a process that ends when this one is killed, so that none is left behind."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
"linux/prctl.h: the signal that a process gets when its parent is gone."


def die_with_parent() -> Callable[[], None] | None:
    """What a child does before it begins (`preexec_fn`), so that not even SIGKILL of its parent
    leaves it behind; None where there is no such thing.
    """
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before it could be watched
            os._exit(1)

    return prepare
