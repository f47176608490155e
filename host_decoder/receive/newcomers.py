"""Newcomers: nodes that are flashed, or written into host.toml, while their host runs."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from host_decoder.config import KnownNode, read_further_nodes
from host_decoder.events import Notice
from host_decoder.store.database.file import StoreError
from link.settings import host_folder

LOOK_S = 2.0
"""How often it is seen whether there are any; a file that is copied there is whole by the next
time.
"""


class Welcoming(Protocol):
    """Whose nodes they become: a host, or a worker of a fleet."""

    def add_nodes(self, nodes: Sequence[KnownNode]) -> None:
        """They are heard from now on."""


class Newcomers:
    """What a host folder gains; a node that is taken out is heard until the host starts again."""

    def __init__(self, path: Path, known: set[int]) -> None:
        self._path, self._known = path, known
        self._seen = self._looks()
        self._next_s = 0.0
        self._said: set[str] = set()

    def welcome(self, host: Welcoming) -> Iterator[Notice]:
        """To be called often: those that have come are heard from now on."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + LOOK_S
        looks = self._looks()
        if looks == self._seen:
            return
        nodes, faults = read_further_nodes(self._path, self._known)
        try:
            host.add_nodes(nodes)
        except StoreError:  # said of the next packet; it is seen again
            return
        self._seen = looks
        self._known |= {node.number for node in nodes}
        yield from (Notice(_welcome(node)) for node in nodes)
        yield from (Notice(fault, is_problem=True) for fault in faults if fault not in self._said)
        self._said |= set(faults)

    def _looks(self) -> tuple[int, ...]:
        """What changes with whatever is added."""
        places = self._path, self._path.parent / host_folder.NODES
        return tuple(place.stat().st_mtime_ns if place.exists() else 0 for place in places)


def _welcome(node: KnownNode) -> str:
    return f"node {node.number} is known from now on"
