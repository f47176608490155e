"""Exchange: how messages of a run's server reach the process that learns, and updates leave it: a
Unix socket of this user alone.

A connection carries one message and one answer, each behind its length in 4 bytes, big-endian; a
message of length 0 says that there is nothing new, an answer of length 0 that there is nothing to
say. Whoever is slower than the deadlines, or says a longer message than there can be, is left
without an answer. A few are served at once, and the others wait in the socket's queue.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LENGTH = struct.Struct(">I")
READ_S, WRITE_S = 10.0, 10.0
"For a whole message, and a whole answer."
N_AT_ONCE, N_WAITING = 4, 16
MAX_PATH_BYTES = 107
"Linux's bound of a Unix socket's path."
Answer = Callable[[bytes, Callable[[], bool]], bytes]
"What to say to a message; it may take its time, and ask whether the other end still waits."


class ExchangeError(ValueError):
    """The socket cannot be opened; the message says why and what to do."""


class Exchange:
    """The socket, in a context; connections are answered by threads."""

    def __init__(self, path: Path, max_message_bytes: int, answer: Answer) -> None:
        self._path, self._max_message_bytes, self._answer = path, max_message_bytes, answer
        self._free = threading.BoundedSemaphore(N_AT_ONCE)
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise ExchangeError(
                f"the socket's path {path} is longer than {MAX_PATH_BYTES} bytes; give a shorter "
                "one, as in /run/latentlink"
            )
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_socket():  # what a kill left; the state_dir's lock says that nobody is there
                path.unlink()
            self._listener.bind(os.fspath(path))
            path.chmod(0o600)
            self._listener.listen(N_WAITING)
        except OSError as error:
            self._listener.close()
            raise ExchangeError(
                f"the socket {path} cannot be opened ({error.strerror}); give a path where there "
                "is nothing yet, in a folder that this user may write into"
            ) from None

    def __enter__(self) -> "Exchange":
        threading.Thread(target=self._accept, name="exchange", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        with suppress(OSError):
            self._path.unlink()

    def _accept(self) -> None:
        while True:
            self._free.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: the program ends
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError, EOFError):
                message = self._read(connection)
                answer = self._answer(message, lambda: _is_there(connection))
                connection.settimeout(WRITE_S)
                connection.sendall(LENGTH.pack(len(answer)) + answer)
        finally:
            self._free.release()

    def _read(self, connection: socket.socket) -> bytes:
        """A whole message; OSError or EOFError where there comes none."""
        until_s = time.monotonic() + READ_S
        (length,) = LENGTH.unpack(_receive(connection, LENGTH.size, until_s))
        if length > self._max_message_bytes:
            raise EOFError
        return _receive(connection, length, until_s)


def _receive(connection: socket.socket, length: int, until_s: float) -> bytes:
    content = bytearray()
    while len(content) < length:
        connection.settimeout(max(until_s - time.monotonic(), 0.001))
        part = connection.recv(min(length - len(content), 1 << 16))
        if not part:
            raise EOFError
        content += part
    return bytes(content)


def _is_there(connection: socket.socket) -> bool:
    """Whether the other end has not closed the connection."""
    with suppress(BlockingIOError):
        connection.setblocking(False)
        try:
            return connection.recv(1, socket.MSG_PEEK) != b""
        except ConnectionError:
            return False
    return True
