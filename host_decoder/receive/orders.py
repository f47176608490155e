"""Orders: what people ask of nodes, from any thread to the loop that speaks with them.

A node is told when it listens next; an order that this host does not live to tell is forgotten.
"""

from collections import deque
from threading import Lock
from typing import Protocol

from host_decoder.errors import HostError

ORDERS = "status", "renew"
"""Tell how you are; begin a new session, and say which bundle you have. As link.host calls them."""
MOST = 64
"That wait."


class Obeying(Protocol):
    """Who speaks with nodes."""

    def order(self, node: int, word: str) -> None:
        """To be told when it listens next; nothing, where it is not known."""


class Orders:
    """Those that wait."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, str]] = deque()
        self._lock = Lock()

    def put(self, node: int, word: str) -> None:
        """One of ORDERS; HostError where too many wait."""
        with self._lock:
            if len(self._waiting) >= MOST:
                raise HostError("the host is busy; ask again in a moment")
            if (node, word) not in self._waiting:
                self._waiting.append((node, word))

    def give(self, host: Obeying) -> None:
        """All of them, in the host's own thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for node, word in waiting:
            host.order(node, word)
