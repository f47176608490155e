"""A shared serial line: what one end writes arrives at all others, in a thread of its own.

Two ends that speak at once garble each other, as on a real one: a byte is on the line for its time.
"""

import select
import threading
import time

from link.emulator.terminals import Terminal

BYTE_S = 10 / 115_200


class PartyLine:
    """A context of so many ends, opened as serial ports are."""

    def __init__(self, n_ends: int) -> None:
        self._ends = [Terminal() for _ in range(n_ends)]
        self.paths = [end.path for end in self._ends]
        self.n_collisions = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> "PartyLine":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        for end in self._ends:
            end.close()

    def _carry(self) -> None:
        speaker, free_s = -1, 0.0
        while not self._is_over.is_set():
            for end in self._ends:
                end.allow()
            ready, _, _ = select.select(self._ends, [], [], 0.02)
            for end in ready:
                number, data = self._ends.index(end), end.read()
                now_s = time.monotonic()
                if number != speaker and now_s < free_s:
                    self.n_collisions += 1
                    data = bytes(byte ^ 0x55 for byte in data)
                speaker, free_s = number, max(now_s, free_s) + BYTE_S * len(data)
                for other in self._ends:
                    if other is not end:
                        other.write(data)
