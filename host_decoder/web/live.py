"""Live: what is new, gathered for a tenth of a second and told to everybody who looks on.

    hub.publish(event)              of a host, as it comes
    hub.flush()                     once in PERIOD_S: one message with the newest of each node
    onlooker = hub.join(last_id)    what it missed first, or `resync` where nobody knows any more
    await onlooker.next()           the text of a message; None: it was too slow, and is cut off

Neither clock nor socket. A browser that reads too slowly costs its own queue and nothing else.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

PERIOD_S = 0.1
KEPT_MESSAGES = 2000
"For browsers that were away for a moment."
MAX_BEHIND = 64
"Messages that wait for one browser, six seconds' worth; then it is cut off."
MAX_ONLOOKERS = 400
RESYNC = "resync"


def message(event: str, data: str, id: str = "") -> str:
    """An event of a `text/event-stream` (HTML Living Standard, 9.2)."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {event}\ndata: {data}\n\n"


class Onlooker:
    """One browser's queue."""

    def __init__(self, waiting: list[str]) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.is_cut = False
        for text in waiting:
            self._queue.put_nowait(text)

    def push(self, text: str) -> None:
        if self._queue.qsize() >= MAX_BEHIND:
            self.cut()
        elif not self.is_cut:
            self._queue.put_nowait(text)

    def cut(self) -> None:
        """It gets what waits no more."""
        if not self.is_cut:
            self.is_cut = True
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)

    @property
    def n_waiting(self) -> int:
        return self._queue.qsize()

    async def next(self) -> str | None:
        return await self._queue.get()


class Hub:
    """Who looks on, and what was said lately."""

    def __init__(self, start: str) -> None:
        """`start` tells this run's messages from those of an earlier one."""
        self._start = start
        self._n = 0
        self._ring: deque[tuple[int, str]] = deque(maxlen=KEPT_MESSAGES)
        self._newest: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._said: list[Mapping[str, Any]] = []
        self._n_results = 0
        self._has_gap = False
        self._onlookers: set[Onlooker] = set()

    def __len__(self) -> int:
        return len(self._onlookers)

    def publish(self, event: Mapping[str, Any]) -> None:
        """A result takes the place of an earlier one of its node; of sentences the newest few."""
        if event["event"] == "result":
            self._n_results += 1
            self._newest[event["site"], event["node"]] = event
        elif event["event"] == "gap":
            self._has_gap = True
        else:
            self._said = [*self._said[-9:], event]

    def flush(self) -> None:
        """What came since the last time, as one message to everybody; nothing came: none."""
        if self._has_gap:
            self._has_gap = False
            self._tell(RESYNC, "{}")
        if not self._newest and not self._said:
            return
        content = {
            "n": self._n_results,
            "results": list(self._newest.values()),
            "said": self._said,
        }
        self._newest, self._said, self._n_results = {}, [], 0
        self._tell("news", json.dumps(content, separators=(",", ":")))

    def _tell(self, event: str, data: str) -> None:
        self._n += 1
        text = message(event, data, f"{self._start}-{self._n}")
        self._ring.append((self._n, text))
        for onlooker in self._onlookers:
            onlooker.push(text)

    def join(self, last_id: str = "") -> Onlooker | None:
        """A browser that has seen messages up to `last_id`; None: too many look on already."""
        if len(self._onlookers) >= MAX_ONLOOKERS:
            return None
        onlooker = Onlooker(self._missed(last_id))
        self._onlookers.add(onlooker)
        return onlooker

    def leave(self, onlooker: Onlooker) -> None:
        self._onlookers.discard(onlooker)

    def _missed(self, last_id: str) -> list[str]:
        """First of all the id where it now stands, so that the next return knows it."""
        here = message("here", "{}", f"{self._start}-{self._n}")
        if not last_id:
            return [here]
        start, _, number = last_id.rpartition("-")
        seen = int(number) if number.isdecimal() and len(number) < 19 else -1
        oldest = self._ring[0][0] if self._ring else self._n + 1
        if start != self._start or not oldest - 1 <= seen <= self._n:
            return [message(RESYNC, "{}", f"{self._start}-{self._n}")]
        return ["".join(text for n, text in self._ring if n > seen) or here]
