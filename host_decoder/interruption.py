"""Interruption: Ctrl-C and SIGTERM set a flag that the loop asks for, so nothing is torn apart half-way."""

import signal
from types import FrameType, TracebackType
from typing import Any

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While entered, an ending signal is only noted; a shell's exit code for it is 128 + its number."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._previous: dict[int, Any] = {}

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

    def __enter__(self) -> "Interruption":
        self._previous = {number: signal.signal(number, self._note) for number in ENDING_SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
