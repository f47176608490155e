"""Ending: a node that is told to end does so within a second, whatever it waits for.

Python hands a signal to the program only between two of its own steps, and a call into a driver or
a name service may take minutes. So the number of the signal also goes into a pipe, at whose other
end a thread waits: what has not ended in time by itself is ended there. Nothing is lost by that:
images, counters and airtime are on the disk before they count.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable

WITHIN_S = 0.7
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """While entered, a signal to end is obeyed in time; `last` runs before the hard way."""

    def __init__(self, last: Callable[[], None] = lambda: None) -> None:
        self._last = last
        self._is_over = threading.Event()
        self._writer = -1

    def __enter__(self) -> "Ending":
        if threading.current_thread() is threading.main_thread():  # only it may ask for signals
            reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            threading.Thread(target=self._wait, args=(reader,), name="ending", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._writer >= 0:
            signal.set_wakeup_fd(-1)
            os.close(self._writer)

    def _wait(self, reader: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as signals:
            while number := signals.read(1):
                if number[0] in SIGNALS:
                    self._end()

    def _end(self) -> None:
        if self._is_over.wait(WITHIN_S):
            return
        try:
            self._last()
            print(
                "device: ended without waiting for what did not answer", file=sys.stderr, flush=True
            )
        finally:
            os._exit(1)
