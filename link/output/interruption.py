"""Interruption: Ctrl-C ends a program by a sentence, also while its libraries are still loading."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + signal.SIGINT


@contextmanager
def loading(program: str) -> Iterator[None]:
    """Ctrl-C ends the process at once: nothing is lost yet, and many a library takes an exception
    for its own fault.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os.write(
            sys.stderr.fileno(),
            f"{program}: interrupted before it began; nothing is lost\n".encode(),
        )
        os._exit(EXIT_CODE)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
