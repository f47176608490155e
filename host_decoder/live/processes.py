"""Child processes: their output is read as it comes, so no pipe ever fills, and none is left
behind.

Those that a live run starts, the line and the nodes, are named here and nowhere else. They are
known by their command lines alone: nothing of `device` is imported.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from host_decoder.errors import HostError
from host_decoder.live.options import LiveOptions
from link.base import die_with_parent

KEPT_ERROR_LINES = 12
STOP_TIMEOUT_S = 5.0


class ChildError(HostError):
    """A child ended or went silent; the message ends with the last lines it wrote to stderr."""


def line_command(options: LiveOptions) -> list[str]:
    """An emulated line between pseudo-terminals, which it names in its first line of JSON."""
    settings = {
        "--link": options.link,
        "--loss": options.loss,
        "--bit-errors": str(options.bit_errors),
        "--seed": str(options.seed),
    }
    command = [sys.executable, "-m", "link", "emulate", *chain.from_iterable(settings.items())]
    if options.fog is not None:
        command += ["--ends", str(options.fog + 1), "--listen-before-talk"]
    return command


def node_command(config: Path) -> list[str]:
    """A node that sends every image of its source once and tells what it does in lines of JSON."""
    return [sys.executable, "-m", "device", str(config), "--console", "json", "--once"]


@dataclass(frozen=True)
class OutputLine:
    """A line that a child wrote, and when (Unix time)."""

    text: str
    at_s: float


class Child:
    """A process in a session of its own (a Ctrl-C reaches the parent alone, which then ends its
    children in order).

    As a context manager it is ended on leaving, whatever happened; on Linux also when this process
    is killed.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._lines: SimpleQueue[OutputLine] = SimpleQueue()
        self._errors: deque[str] = deque(maxlen=KEPT_ERROR_LINES)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent(),
            text=True,
            errors="replace",
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            _start_reader(
                self._process.stdout, lambda text: self._lines.put(OutputLine(text, time.time()))
            ),
            _start_reader(self._process.stderr, self._errors.append),
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def take_lines(self, wait_s: float = 0.0) -> list[OutputLine]:
        """The lines of stdout that have come since, waiting at most wait_s for the first."""
        lines: list[OutputLine] = []
        try:
            lines.append(self._lines.get(timeout=wait_s) if wait_s else self._lines.get_nowait())
            while True:
                lines.append(self._lines.get_nowait())
        except Empty:
            return lines

    def why_ended(self) -> str:
        """One sentence on a process that is no longer running, with what it said last."""
        self._join()
        code = self._process.returncode
        how = (
            f"was ended by signal {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )
        said = "\n  ".join(self._errors)
        return f"{self.name} {how}" + (f", saying:\n  {said}" if said else " without a word")

    def end(self) -> None:
        """Ask it to end."""
        if self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once, as a power cut would; what it wrote can still be taken."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._join()

    def stop(self) -> None:
        """End it and all it started; its last lines can still be taken."""
        if self.is_running:
            self.end()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        self.kill()  # usually nothing is left of its session

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(STOP_TIMEOUT_S)


def _start_reader(stream: IO[str], keep: Callable[[str], object]) -> threading.Thread:
    def read() -> None:
        with stream:
            for line in stream:
                keep(line.rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return reader
