"""Interruption: Ctrl-C and SIGTERM set a flag that the loop asks for, so nothing is torn apart
half-way.

The loop may hang where no flag is asked for: at a terminal that takes nothing, at a disk that does
not answer. So a second signal ends the process at once, and where a patience is given so does its
end. A thread sees to that, told by the operating system itself, since Python's own handlers wait
for the call that hangs. What is stored stays stored, and what is not was not acknowledged either.
"""

import os
import select
import signal
import threading
from types import FrameType
from typing import Any

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While entered, an ending signal is only noted; a shell's exit code for it is 128 + its
    number.
    """

    def __init__(self, patience_s: float | None = None) -> None:
        """None: the loop has children to end in order, and takes the time that they need."""
        self._patience_s = patience_s
        self._signal: int | None = None
        self._previous: dict[int, Any] = {}
        self._is_over = threading.Event()

    def __call__(self) -> bool:
        """Has such a signal come."""
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        return 0 if self._signal is None else 128 + self._signal

    @property
    def name(self) -> str:
        return "" if self._signal is None else signal.Signals(self._signal).name

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = self._signal or number

    def _watch(self, signals: int) -> None:
        """Reads a byte for each signal, its number; no byte any more: it is over."""
        with open(signals, "rb", buffering=0) as stream:
            first = stream.read(1)
            select.select([stream], [], [], self._patience_s)
            if first and not self._is_over.is_set():
                os._exit(128 + first[0])

    def __enter__(self) -> "Interruption":
        signals, self._told = os.pipe()
        os.set_blocking(self._told, False)
        threading.Thread(
            target=self._watch, args=[signals], name="interruption", daemon=True
        ).start()
        self._previous = {number: signal.signal(number, self._note) for number in ENDING_SIGNALS}
        self._previous_told = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        signal.set_wakeup_fd(self._previous_told)
        os.close(self._told)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
