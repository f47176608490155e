"""Spool: what a gateway heard, on its disk, until a worker says that it is dealt with.

    seqs = spool.put(uplinks)           there also after kill -9 of the gateway
    spool.after(seq, 10)                the next ones
    spool.remove(seqs)

It is not flushed for each packet: a power cut may cost what the last seconds brought, and nothing
of that was acknowledged to its node, since the node's REPORT comes from a worker that has stored.
Of more than it may hold the oldest is let go of, and counted.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from link.carriers.carrier import Received
from link.gateway.topics import Uplink
from link.wire.control import Quality

MOST = 100_000
"Packets of at most 255 bytes: some 40 MB."
SCHEMA = """
CREATE TABLE IF NOT EXISTS heard (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, unix_s REAL NOT NULL, packet BLOB NOT NULL,
    snr_db REAL, rssi_dbm REAL)
"""
BUSY_S = 2.0


class SpoolError(OSError):
    """The spool cannot be used; the message says what to do."""


class Spool:
    """One gateway's."""

    def __init__(self, path: Path, most: int = MOST) -> None:
        self._path, self._most = path, most
        self.n_dropped = 0
        "Since this start."
        with self._explained():
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(SCHEMA)
            [(self._n,)] = self._db.execute("SELECT count(*) FROM heard")

    def __len__(self) -> int:
        return self._n

    def put(self, heard: Sequence[Received], unix_s: float) -> list[Uplink]:
        """All of them, or SpoolError and none."""
        uplinks = []
        with self._transaction():
            for one in heard:
                row = unix_s, one.packet, one.quality.snr_db, one.quality.rssi_dbm
                cursor = self._db.execute(
                    "INSERT INTO heard (unix_s, packet, snr_db, rssi_dbm) VALUES (?, ?, ?, ?)", row
                )
                assert cursor.lastrowid is not None
                uplinks.append(Uplink(cursor.lastrowid, unix_s, one.packet, one.quality))
            n_over = max(0, self._n + len(uplinks) - self._most)
            if n_over:
                self._db.execute(
                    "DELETE FROM heard WHERE seq IN (SELECT seq FROM heard ORDER BY seq LIMIT ?)",
                    (n_over,),
                )
        self._n += len(uplinks) - n_over
        self.n_dropped += n_over
        return uplinks

    def after(self, seq: int, most: int) -> list[Uplink]:
        """The next ones, in the order in which they were heard."""
        with self._explained():
            rows = self._db.execute(
                "SELECT * FROM heard WHERE seq > ? ORDER BY seq LIMIT ?", (seq, most)
            ).fetchall()
        return [_uplink(row) for row in rows]

    def get(self, seqs: Sequence[int]) -> list[Uplink]:
        """Those of them that are there still."""
        rows = []
        with self._explained():
            for seq in sorted(seqs):
                rows += self._db.execute("SELECT * FROM heard WHERE seq = ?", (seq,)).fetchall()
        return [_uplink(row) for row in rows]

    def remove(self, seqs: Sequence[int]) -> None:
        with self._transaction():
            done = self._db.executemany("DELETE FROM heard WHERE seq = ?", [(seq,) for seq in seqs])
        self._n -= done.rowcount

    def close(self) -> None:
        with closing(self._db):
            pass

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SpoolError(
                f"the spool {self._path} cannot be used ({error}); see to its owner, its mode and "
                "the room on its disk"
            ) from error


def _uplink(row: tuple[int, float, bytes, float | None, float | None]) -> Uplink:
    seq, unix_s, packet, snr_db, rssi_dbm = row
    return Uplink(seq, unix_s, packet, Quality(snr_db, rssi_dbm))
