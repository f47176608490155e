"""Followed: what a fleet's workers store, told to whoever looks on at the same server (LISTEN and
NOTIFY): in the transaction that stores it, so all that is told is stored.

    with Follower(dsn) as follower:
        for line in follower.lines(timeout_s): ...      None: some may have been missed

A line is a JSON object. Whoever is away misses what is said; what is stored is in the tables.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, make_url, text

CHANNEL = "latentlink"
CONNECT_S = 5
MAX_BYTES = 7_900
"PostgreSQL takes 8,000."
_TELL = text("SELECT pg_notify(:channel, :lines)")


def tell(connection: Connection, lines: Sequence[str]) -> None:
    """Inside the transaction that stores what they are about; one that is too long is left out."""
    batch: list[str] = []
    n_bytes = 0
    for line in (*lines, None):
        size = 0 if line is None else len(line.encode()) + 1
        if batch and (line is None or n_bytes + size > MAX_BYTES):
            connection.execute(_TELL, {"channel": CHANNEL, "lines": "\n".join(batch)})
            batch, n_bytes = [], 0
        if line is not None and size <= MAX_BYTES:
            batch.append(line)
            n_bytes += size


class Follower:
    """A connection that listens; opened by the first question, and again after it was lost."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Any = None

    def lines(self, timeout_s: float) -> list[str | None]:
        """What was said meanwhile, waiting for the first; None where some may have been missed."""
        import psycopg

        try:
            missed: list[str | None] = []
            if self._connection is None:
                self._open()
                missed = [None]
            said = self._connection.notifies(timeout=timeout_s, stop_after=1)
            return missed + [line for one in said for line in one.payload.split("\n")]
        except (psycopg.Error, OSError):
            self.close()
            time.sleep(timeout_s)
            return []

    def _open(self) -> None:
        import psycopg

        dsn = make_url(self._dsn).set(drivername="postgresql").render_as_string(False)
        self._connection = psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_S)
        self._connection.execute(f"LISTEN {CHANNEL}")

    def close(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def __enter__(self) -> "Follower":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
