"""The store: every packet as it came and every answer, in one SQLite file.

A packet, its answer and the counter's high-water mark go into one transaction: after a crash either all three are there
or none, so a restarted host refuses what it has stored and nothing else. Write-ahead logging without a flush per packet
is enough for that: a power cut loses the last packets together with their marks.
The opened bitstreams are kept too, so a better decoder can go over the past without any key.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

from host_decoder.errors import HostError
from host_decoder.events import Answer

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE senders (          -- a node under one key: a new key starts new counters
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    highest_counter INTEGER NOT NULL,
    UNIQUE (node, key_id));
CREATE TABLE packets (          -- every packet whose seal was good
    sender INTEGER NOT NULL REFERENCES senders,
    counter INTEGER NOT NULL,
    received_s REAL NOT NULL,
    bundle TEXT NOT NULL,
    first_counter INTEGER,      -- names the image; NULL, as what follows, when the body is no chunk
    chunk INTEGER,
    is_last INTEGER,
    bitstream BLOB,
    verdict TEXT,               -- NULL, or why it gave no answer
    packet BLOB NOT NULL,       -- as it came, sealed
    PRIMARY KEY (sender, counter)) WITHOUT ROWID;
CREATE INDEX packets_by_image ON packets (bundle, sender, first_counter, chunk);
CREATE TABLE answers (
    sender INTEGER NOT NULL REFERENCES senders,
    counter INTEGER NOT NULL,   -- of the packet that led to it
    first_counter INTEGER NOT NULL,
    image INTEGER NOT NULL,
    received_s REAL NOT NULL,
    label TEXT NOT NULL,
    probabilities TEXT NOT NULL,
    symbols_known INTEGER NOT NULL,
    is_complete INTEGER NOT NULL,
    bitstream_bytes INTEGER NOT NULL,
    packet_bytes INTEGER NOT NULL,
    age_s REAL NOT NULL,
    PRIMARY KEY (sender, counter)) WITHOUT ROWID;
CREATE TABLE refusals (         -- what was not used, counted by reason, with the latest example
    reason TEXT PRIMARY KEY,
    n INTEGER NOT NULL,
    last_s REAL NOT NULL,
    last_sentence TEXT NOT NULL,
    last_packet BLOB) WITHOUT ROWID;
"""


class StoreError(HostError):
    """The store cannot be read or written; the message names the file and says what to do."""


@dataclass(frozen=True)
class ReceivedPacket:
    """A packet whose seal was good, with what was inside."""

    node: int
    key: bytes
    counter: int
    received_s: float
    bundle: str
    packet: bytes
    first_counter: int | None = None
    chunk: int | None = None
    is_last: bool = False
    bitstream: bytes = b""
    verdict: str | None = None


@dataclass(frozen=True)
class StoredImage:
    """The received prefix of one image's bitstream."""

    node: int
    first_counter: int
    image: int | None
    bitstream: bytes
    is_complete: bool


class Store:
    """One SQLite file, made when it is not there; every failure is a StoreError."""

    def __init__(self, path: Path | str, must_exist: bool = False) -> None:
        self.path = Path(path)
        if must_exist and not self.path.is_file():
            raise StoreError(f"there is no store at {path}; `python -m host_decoder listen` writes one")
        with self._explained():
            self._db = sqlite3.connect(self.path)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._open_schema()

    def _open_schema(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            self._db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise StoreError(
                f"store {self.path} has format {version}, this program has {SCHEMA_VERSION}; "
                "name another file, or use the version that made it"
            )

    def highest_counter(self, node: int, key: bytes) -> int:
        """The highest counter stored of this node under this key; -1 when none is."""
        rows = self._rows("SELECT highest_counter FROM senders WHERE node = ? AND key_id = ?", node, key_id(key))
        return rows[0]["highest_counter"] if rows else -1

    def add(self, received: ReceivedPacket, answer: Answer | None = None) -> None:
        """The packet, its mark and the answer it led to: all or nothing."""
        with self._explained(), self._db:
            (sender,) = self._db.execute(
                "INSERT INTO senders (node, key_id, highest_counter) VALUES (?, ?, ?) "
                "ON CONFLICT (node, key_id) DO UPDATE "
                "SET highest_counter = max(highest_counter, excluded.highest_counter) RETURNING id",
                (received.node, key_id(received.key), received.counter),
            ).fetchone()
            is_chunk = received.chunk is not None
            self._insert(
                "packets",
                sender=sender,
                counter=received.counter,
                received_s=received.received_s,
                bundle=received.bundle,
                first_counter=received.first_counter,
                chunk=received.chunk,
                is_last=received.is_last if is_chunk else None,
                bitstream=received.bitstream if is_chunk else None,
                verdict=received.verdict,
                packet=received.packet,
            )
            if answer is not None:
                self._insert(
                    "answers",
                    sender=sender,
                    counter=answer.counter,
                    first_counter=answer.first_counter,
                    image=answer.image,
                    received_s=answer.received_s,
                    label=answer.label,
                    probabilities=json.dumps([round(float(p), 6) for p in answer.probabilities]),
                    symbols_known=answer.n_known,
                    is_complete=answer.is_complete,
                    bitstream_bytes=answer.bitstream_bytes,
                    packet_bytes=answer.packet_bytes,
                    age_s=answer.age_s,
                )

    def count_refusal(self, reason: str, sentence: str, now_s: float, packet: bytes | None = None, n: int = 1) -> None:
        with self._explained(), self._db:
            self._db.execute(
                "INSERT INTO refusals VALUES (?, ?, ?, ?, ?) ON CONFLICT (reason) DO UPDATE SET n = n + excluded.n, "
                "last_s = excluded.last_s, last_sentence = excluded.last_sentence, last_packet = excluded.last_packet",
                (reason, n, now_s, sentence, packet),
            )

    def images(self, bundle: str) -> Iterator[StoredImage]:
        """Every image of a bundle whose first chunk is here, in the order of sending."""
        with self._explained():
            chunks = self._db.execute(
                "SELECT node, packets.sender, packets.first_counter, chunk, is_last, bitstream, image "
                "FROM packets JOIN senders ON senders.id = packets.sender LEFT JOIN answers "
                "ON answers.sender = packets.sender AND answers.counter = packets.first_counter "
                "WHERE bundle = ? AND chunk IS NOT NULL ORDER BY packets.sender, packets.first_counter, chunk",
                (bundle,),
            )
            for (node, _, first_counter), rows in groupby(chunks, key=lambda row: row[:3]):
                prefix = [row for index, row in enumerate(rows) if row[3] == index]
                if prefix:
                    bitstream = b"".join(row[5] for row in prefix)
                    yield StoredImage(node, first_counter, prefix[0][6], bitstream, bool(prefix[-1][4]))

    def bundles(self) -> dict[str, int]:
        """Number of stored packets by bundle."""
        rows = self._rows("SELECT bundle, count(*) AS n FROM packets GROUP BY bundle ORDER BY bundle")
        return {row["bundle"]: row["n"] for row in rows}

    def statistics(self) -> dict[str, Any]:
        """What is stored, by node, and what was refused, by reason."""
        nodes = self._rows(
            "SELECT node, key_id, highest_counter, count(*) AS packets, count(DISTINCT first_counter) AS images, "
            "sum(length(packet)) AS packet_bytes, min(received_s) AS first_s, max(received_s) AS last_s "
            "FROM packets JOIN senders ON senders.id = sender GROUP BY sender ORDER BY node, first_s"
        )
        labels = self._rows(
            "SELECT node, label, count(*) AS images FROM answers JOIN senders ON senders.id = sender WHERE counter = "
            "(SELECT max(counter) FROM answers AS later WHERE later.sender = answers.sender "
            "AND later.first_counter = answers.first_counter) GROUP BY node, label ORDER BY node, images DESC"
        )
        refusals = self._rows("SELECT reason, n, last_s, last_sentence FROM refusals ORDER BY n DESC")
        return {"store": str(self.path), "nodes": nodes, "labels": labels, "refusals": refusals}

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(self, table: str, **values: Any) -> None:
        """What is there already stays: a packet that comes twice is the same packet."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))

    def _rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with self._explained():
            cursor = self._db.execute(query, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"store {self.path} cannot be used ({error}); free some space, end other programs that use it, "
                "or name another file"
            ) from error


def key_id(key: bytes) -> str:
    """Tells keys apart without telling them."""
    return hashlib.sha256(b"latentlink key id" + key).hexdigest()[:16]
