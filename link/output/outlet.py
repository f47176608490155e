"""Outlet: what a program says to whoever reads it, who may stop reading; the program goes on all
the same.

    with open_outlets("device"):      standard output and standard error, until the end

A terminal that was stopped by Ctrl-S, a program behind a pipe that hangs, a disk that is full: any
of them would hold up the loop that answers nodes, or captures and sends. So what is printed waits
in memory, and a thread hands it over. What does not fit in there is left out, whole lines of it,
and counted.
"""

import errno
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

MAX_WAITING_BYTES = 4 << 20
"Some ten thousand answers."
RETRY_S = 0.25
PASSING = frozenset({errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""A pipe that is full and does not wait, a disk that is full, a terminal that has gone: no reason
to end.
"""


class Outlet(io.TextIOBase):
    """Takes the place of a stream; writing never waits."""

    def __init__(self, stream: TextIO, left_out: Callable[[int], None]) -> None:
        """`left_out` is told, when there is room again, how many pieces did not fit."""
        stream.flush()
        self._stream = stream
        self._descriptor = stream.fileno()
        self._left_out = left_out
        self._waiting: deque[bytes] = deque()
        self._n_bytes = self._n_left_out = self._n_taken = 0
        self._failure: OSError | None = None
        self._is_closing = False
        self._change = threading.Condition()
        self._thread = threading.Thread(
            target=self._work, name=f"outlet {self._descriptor}", daemon=True
        )
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Raises OSError when nobody will ever read it, as of a pipe whose other end is closed."""
        content = text.encode(self._stream.encoding, self._stream.errors or "strict")
        with self._change:
            if self._failure is not None:
                raise self._failure
            if self._n_bytes + len(content) > MAX_WAITING_BYTES:
                self._n_left_out += 1
            else:
                self._waiting.append(content)
                self._n_bytes += len(content)
                self._change.notify_all()
        return len(text)

    def drain(self, patience_s: float | None = None) -> None:
        """Wait until all is read, or nobody has read for so long; raises OSError when it never will
        be.
        """
        with self._change:
            self._is_closing = True
            self._change.notify_all()
        n_taken = -1
        while self._thread.is_alive() and n_taken != self._n_taken:
            n_taken = self._n_taken
            self._thread.join(patience_s)
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while (content := self._next()) is not None:
            while content and self._failure is None:
                n_taken = self._hand_over(content)
                content, self._n_taken = content[n_taken:], self._n_taken + n_taken

    def _next(self) -> bytes | None:
        """What waits, all of it; None at the end."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._is_closing)
            n_left_out, self._n_left_out = self._n_left_out, 0
            content = b"".join(self._waiting) if self._waiting and self._failure is None else None
            self._waiting.clear()
            self._n_bytes = 0
        if n_left_out:
            self._left_out(n_left_out)
        return content

    def _hand_over(self, content: bytes) -> int:
        """How many bytes were taken."""
        try:
            return os.write(self._descriptor, content[: select.PIPE_BUF])
        except OSError as error:
            with self._change:
                is_over = self._is_closing and error.errno != errno.EAGAIN
                if is_over or error.errno not in PASSING:
                    self._failure = error
                else:
                    self._change.wait(RETRY_S)
            return 0


@contextmanager
def open_outlets(program: str, patience_s: float | None = None) -> Iterator[None]:
    """Standard output and standard error are outlets; `patience_s` as `drain` has it, None: without
    end.
    """

    def left_out(n_pieces: int) -> None:
        with suppress(OSError):
            sys.stderr.write(
                f"{program}: {n_pieces} lines or pictures were not shown, since nobody read what "
                "was printed before them; nothing else was held up\n"
            )

    with ExitStack() as resources:
        for stream, redirect in ((sys.stderr, redirect_stderr), (sys.stdout, redirect_stdout)):
            if _has_descriptor(stream):
                outlet = Outlet(stream, left_out)
                resources.callback(outlet.drain, patience_s)
                resources.enter_context(redirect(outlet))
        yield


def _has_descriptor(stream: TextIO | None) -> bool:
    """Whether it is one of the system, and not closed."""
    try:
        return stream is not None and stream.fileno() >= 0
    except (OSError, ValueError):
        return False
