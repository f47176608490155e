"""Viewers: many who look on at a page at once, as their browsers do: a stream each that says what
is new, read to the end.
"""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

PATIENCE_S = 30.0


class Viewers:
    """So many streams of one page."""

    def __init__(self, port: int, n: int) -> None:
        self.n_bytes = [0] * n
        "What each has read."
        self._stack, self._over = ExitStack(), threading.Event()
        self._streams = [self._opened(port) for _ in range(n)]
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._stack.close()

    @property
    def n_cut(self) -> int:
        """Those whom the page has cut off."""
        return sum(n < 0 for n in self.n_bytes)

    def _opened(self, port: int) -> socket.socket:
        stream = self._stack.enter_context(
            socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        )
        stream.sendall(f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert b"200" in stream.recv(4096).splitlines()[0]
        return stream

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            for place, stream in enumerate(self._streams):
                selector.register(stream, selectors.EVENT_READ, place)
            while not self._over.is_set():
                for key, _ in selector.select(0.2):
                    came = self._streams[key.data].recv(1 << 16)
                    self.n_bytes[key.data] += len(came)
                    if not came:
                        self.n_bytes[key.data] = -1
                        selector.unregister(key.fileobj)


@contextmanager
def viewers(port: int, n: int) -> Iterator[Viewers]:
    looking = Viewers(port, n)
    try:
        yield looking
    finally:
        looking.close()
