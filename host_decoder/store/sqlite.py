"""The store: what came, what it led to and where each node's session stands, in one SQLite file.

All that one packet leads to is a `Receipt`, and goes into one transaction that is on the disk when
`add` returns. So the host can acknowledge what it has stored: a node deletes only what survives a
power cut here, and a restarted host refuses what it has stored and nothing else. The opened
bitstreams are kept chunk by chunk, so a better decoder can go over the past without any key.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from host_decoder.events import Answer, said_of_strangeness
from host_decoder.store.file import (
    StoreError,
    explained,
    file_of,
    open_for_reading,
    open_for_writing,
)
from host_decoder.store.receipt import Receipt, ReceivedPacket, Totals
from link.host import NodeState
from link.wire import Chunk

SCHEMA_VERSION = 5
SCHEMA = """
CREATE TABLE senders (          -- a node under one key, for as long as its counters run on
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    salt BLOB NOT NULL,         -- of its present session
    highest INTEGER NOT NULL,   -- counter received
    received BLOB NOT NULL,     -- the 64 up to it, one bit each
    bundle_id BLOB NOT NULL DEFAULT x''); -- of its images; empty: not known
CREATE INDEX senders_by_key ON senders (node, key_id, id);
CREATE TABLE packets (          -- every packet whose seal was good
    sender INTEGER NOT NULL REFERENCES senders,
    counter INTEGER NOT NULL,
    received_s REAL NOT NULL,
    gateway TEXT NOT NULL,
    snr_db REAL,
    rssi_dbm REAL,
    reason TEXT,                -- why it gave no answer; NULL where it gave one
    packet BLOB,                -- as it came, sealed; NULL where it came before or was rebuilt
    PRIMARY KEY (sender, counter)) WITHOUT ROWID;
CREATE TABLE chunks (           -- each once, however often it came
    sender INTEGER NOT NULL REFERENCES senders,
    bundle TEXT NOT NULL,
    image INTEGER NOT NULL,
    version BLOB NOT NULL,      -- of a team's: the session whose card made it; else empty
    chunk INTEGER NOT NULL,
    counter INTEGER NOT NULL,   -- of the packet that brought it
    is_last INTEGER NOT NULL,
    bitstream BLOB NOT NULL,
    age_s REAL,                 -- from capture to sending, of chunk 0
    PRIMARY KEY (sender, bundle, image, version, chunk)) WITHOUT ROWID;
CREATE TABLE answers (
    sender INTEGER NOT NULL REFERENCES senders,
    image INTEGER NOT NULL,
    counter INTEGER NOT NULL,   -- of the packet that led to it
    received_s REAL NOT NULL,
    label TEXT NOT NULL,
    probabilities TEXT NOT NULL,
    confidence REAL,            -- calibrated
    anomaly_score REAL,         -- NULL while symbols are missing, or without a score
    is_anomaly INTEGER,         -- it shows none of the classes
    symbols_known INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    is_complete INTEGER NOT NULL,
    is_enough INTEGER NOT NULL, -- the verdict
    bitstream_bytes INTEGER NOT NULL,
    packet_bytes INTEGER NOT NULL,
    age_s REAL,
    alive TEXT,                 -- of a team: 1 or 0 for each group, whether its latents came
    PRIMARY KEY (sender, image, chunks)) WITHOUT ROWID;
CREATE TABLE refusals (         -- what was not used, counted by reason, with the latest example
    reason TEXT PRIMARY KEY,
    n INTEGER NOT NULL,
    last_s REAL NOT NULL,
    last_sentence TEXT NOT NULL,
    last_packet BLOB) WITHOUT ROWID;
CREATE TABLE statistics (       -- of a node since a start of the host (link.host.statistics)
    node INTEGER NOT NULL,
    started_s REAL NOT NULL,
    figures TEXT NOT NULL,
    PRIMARY KEY (node, started_s)) WITHOUT ROWID;
"""
IMAGES = """
SELECT node, chunks.sender, chunks.image, chunk, is_last, bitstream, chunks.age_s, {version},
    chunks.counter, packets.received_s, answers.packet_bytes, answers.is_enough
FROM chunks JOIN senders ON senders.id = chunks.sender
JOIN packets ON packets.sender = chunks.sender AND packets.counter = chunks.counter
LEFT JOIN answers
    ON answers.sender = chunks.sender AND answers.image = chunks.image
    AND answers.chunks = chunk + 1
WHERE bundle = ? ORDER BY chunks.sender, chunks.image, chunks.counter
"""
"Chunks as they came, each with its packet, and with the answer that there was with it."
FIRST_WITH_TEAMS = 5
"The format that first tells versions and who was alive."
LATEST = """chunks = (SELECT max(chunks) FROM answers AS later
    WHERE later.sender = answers.sender AND later.image = answers.image)"""
"The answer on an image by most chunks."
TABLES = set(re.findall(r"CREATE TABLE (\w+)", SCHEMA))
MIGRATIONS = {
    2: """
CREATE TABLE senders_3 (
    id INTEGER PRIMARY KEY, node INTEGER NOT NULL, key_id TEXT NOT NULL, salt BLOB NOT NULL,
    highest INTEGER NOT NULL, received BLOB NOT NULL, bundle_id BLOB NOT NULL DEFAULT x'');
INSERT INTO senders_3 SELECT id, node, key_id, salt, highest, received, x'' FROM senders;
DROP TABLE senders;
ALTER TABLE senders_3 RENAME TO senders;
CREATE INDEX senders_by_key ON senders (node, key_id, id);
ALTER TABLE answers ADD COLUMN anomaly_score REAL;
ALTER TABLE answers ADD COLUMN is_anomaly INTEGER;
""",
    3: "ALTER TABLE packets RENAME COLUMN verdict TO reason;",
    4: """
CREATE TABLE chunks_5 (
    sender INTEGER NOT NULL REFERENCES senders, bundle TEXT NOT NULL, image INTEGER NOT NULL,
    version BLOB NOT NULL, chunk INTEGER NOT NULL, counter INTEGER NOT NULL,
    is_last INTEGER NOT NULL, bitstream BLOB NOT NULL, age_s REAL,
    PRIMARY KEY (sender, bundle, image, version, chunk)) WITHOUT ROWID;
INSERT INTO chunks_5 SELECT sender, bundle, image, x'', chunk, counter, is_last, bitstream, age_s
    FROM chunks;
DROP TABLE chunks;
ALTER TABLE chunks_5 RENAME TO chunks;
ALTER TABLE answers ADD COLUMN alive TEXT;
""",
}
"From each earlier version to the next. What is only read is read as it is."
BITMAP_BYTES = 8


@dataclass(frozen=True)
class StoredImage:
    """The received prefix of one image's bitstream."""

    node: int
    image: int
    bitstream: bytes
    is_complete: bool
    n_chunks: int = 1
    counter: int = 0
    "The counter of the packet that brought the last of it."
    received_s: float = 0.0
    "When that came, Unix time."
    age_s: float | None = None
    packet_bytes: int | None = None
    "Bytes of all packets behind it; None where nothing was answered then."
    is_enough: bool = False
    "The verdict on it, as it was told."


class Store:
    """One SQLite file, made when it is not there; every failure is a StoreError."""

    def __init__(self, path: Path | str, must_exist: bool = False) -> None:
        """`must_exist`: it is only read. Otherwise this is its one writer, and a second one is
        refused by name.
        """
        self.path = Path(path)
        with ExitStack() as resources:
            opened = open_for_reading if must_exist else open_for_writing
            self._db = opened(self.path, resources)
            resources.callback(self._db.close)
            self._file = file_of(self.path)
            self._log: tuple[int, int] | None = None
            with explained(self.path):
                is_new = self._is_new()
                if is_new and must_exist:
                    raise StoreError(
                        f"store {self.path} has no table: nothing was ever stored there"
                    )
                if not must_exist:
                    self._make_durable(is_new)
                [[self._format]] = self._db.execute("PRAGMA user_version")
            self._resources = resources.pop_all()

    def _is_new(self) -> bool:
        """Raises StoreError when it is no store of this format or one before it; nothing is
        written.
        """
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = {
            name
            for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if version == 0 and not tables:
            return True
        if tables and not tables & TABLES:
            raise StoreError(f"{self.path} is a database of another program; name another file")
        if version not in (SCHEMA_VERSION, *MIGRATIONS) or not tables >= TABLES:
            raise StoreError(
                f"store {self.path} has format {version}, this program has {SCHEMA_VERSION}; "
                "name another file, or use the version that made it"
            )
        return False

    def _make_durable(self, is_new: bool) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if is_new:
            self._db.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        while (version := self._db.execute("PRAGMA user_version").fetchone()[0]) in MIGRATIONS:
            step = (
                f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA user_version = {version + 1}; "
                "COMMIT;"
            )
            self._db.executescript(step)

    def state(self, node: int, key: bytes) -> NodeState | None:
        """Where the session of this node under this key stands; None when nothing of it is
        stored.
        """
        rows = self._rows(
            "SELECT salt, highest, received, bundle_id FROM senders WHERE node = ? AND key_id = ? "
            "ORDER BY id DESC LIMIT 1",
            node,
            key_id(key),
        )
        if not rows:
            return None
        [row] = rows
        return NodeState(
            row["salt"], row["highest"], int.from_bytes(row["received"], "big"), row["bundle_id"]
        )

    def add(self, receipt: Receipt, totals: Totals | None = None) -> None:
        """Everything, or nothing; on the disk when it returns."""
        with self._writing():
            sender = self._keep_state(receipt)
            for packet in receipt.packets:
                self._keep_packet(sender, packet, receipt.received_s)
            for answer in receipt.answers:
                self._keep_answer(sender, answer)
            if totals is not None:
                self._keep_totals(totals)

    def count(self, totals: Totals) -> None:
        """Counts alone, when no packet takes them along."""
        with self._writing():
            self._keep_totals(totals)

    def chunks_of(self, node: int, key: bytes, bundle: str, image: int) -> list[Chunk]:
        """The stored chunks of an image, as they came."""
        rows = self._rows(
            "SELECT chunk, is_last, bitstream, age_s, version FROM chunks WHERE sender = (SELECT "
            "max(id) FROM senders WHERE node = ? AND key_id = ?) AND bundle = ? AND image = ? "
            "ORDER BY counter",
            node,
            key_id(key),
            bundle,
            image,
        )
        return [
            Chunk(image, row.pop("chunk"), bool(row.pop("is_last")), **row)  # bitstream to version
            for row in rows
        ]

    def newest_image(self, node: int, key: bytes, bundle: str) -> int | None:
        """The image of the chunk stored last that was made with this bundle; None when there is
        none.
        """
        rows = self._rows(
            "SELECT image FROM chunks WHERE sender = (SELECT max(id) FROM senders WHERE node = ? "
            "AND key_id = ?) AND bundle = ? ORDER BY counter DESC, image DESC LIMIT 1",
            node,
            key_id(key),
            bundle,
        )
        return rows[0]["image"] if rows else None

    def images(self, bundle: str, since_s: float = 0.0) -> Iterator[StoredImage]:
        """Every image of a bundle whose first chunk is here, in the order of capture, if it grew
        since then.
        """
        with explained(self.path):
            query = IMAGES.format(version="version" if self._has_teams else "x''")
            rows = self._db.execute(query, (bundle,))
            for (node, _, image), came in groupby(rows, key=lambda row: row[:3]):
                found = {
                    Chunk(row[2], row[3], bool(row[4]), row[5], row[6], row[7]): row[8:]
                    for row in came
                }
                prefix = Chunk.prefix_of(found)
                if not prefix:
                    continue
                counter, received_s, packet_bytes, is_enough = found[prefix[-1]]
                if received_s >= since_s:
                    yield StoredImage(
                        node,
                        image,
                        b"".join(chunk.bitstream for chunk in prefix),
                        prefix[-1].is_last,
                        n_chunks=len(prefix),
                        counter=counter,
                        received_s=received_s,
                        age_s=prefix[0].age_s,
                        packet_bytes=packet_bytes,
                        is_enough=bool(is_enough),
                    )

    @property
    def _has_teams(self) -> bool:
        return self._format >= FIRST_WITH_TEAMS

    def bundles(self) -> dict[str, int]:
        """Number of stored chunks by bundle."""
        rows = self._rows(
            "SELECT bundle, count(*) AS n FROM chunks GROUP BY bundle ORDER BY bundle"
        )
        return {row["bundle"]: row["n"] for row in rows}

    def statistics(self) -> dict[str, Any]:
        """What is stored, by node, what was refused, by reason, and what links counted since the
        host's last start.
        """
        nodes = self._rows(
            "SELECT node, key_id, highest AS highest_counter, count(*) AS packets, (SELECT "
            "count(DISTINCT image) FROM chunks WHERE chunks.sender = packets.sender) AS images, "
            "sum(length(packet)) AS packet_bytes, min(received_s) AS first_s, max(received_s) AS "
            "last_s FROM packets JOIN senders ON senders.id = sender GROUP BY sender ORDER BY "
            "node, first_s"
        )
        labels = self._rows(
            "SELECT node, label, count(*) AS images FROM answers JOIN senders ON senders.id = "
            f"sender WHERE {LATEST} GROUP BY node, label ORDER BY node, images DESC"
        )
        alive = (
            self._rows(
                "SELECT node, length(replace(alive, '0', '')) AS alive, length(alive) AS members, "
                "count(*) AS images FROM answers JOIN senders ON senders.id = sender WHERE alive "
                f"NOT NULL AND {LATEST} GROUP BY 1, 2, 3 ORDER BY node, alive DESC"
            )
            if self._has_teams
            else []
        )
        refusals = self._rows(
            "SELECT reason, n, last_s, last_sentence FROM refusals ORDER BY n DESC"
        )
        latest = self._rows(
            "SELECT node, started_s, figures FROM statistics AS one WHERE started_s = (SELECT "
            "max(started_s) FROM statistics WHERE node = one.node) ORDER BY node"
        )
        link = [
            {"node": row["node"], "started_s": row["started_s"], **json.loads(row["figures"])}
            for row in latest
        ]
        return {
            "store": str(self.path),
            "nodes": nodes,
            "labels": labels,
            "alive": alive,
            "refusals": refusals,
            "link": link,
        }

    def close(self) -> None:
        self._resources.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep_state(self, receipt: Receipt) -> int:
        """The sender's row; a new one where counters began anew, as they may at a node that hears
        nobody.
        """
        state, names = receipt.state, (receipt.node, key_id(receipt.key))
        values = (
            state.salt,
            state.highest,
            state.received.to_bytes(BITMAP_BYTES, "big"),
            state.bundle_id,
        )
        known = self._db.execute(
            (
                "SELECT id, highest FROM senders WHERE node = ? AND key_id = ? ORDER BY id DESC "
                "LIMIT 1"
            ),
            names,
        ).fetchone()
        if known is None or state.highest < known[1]:
            added = self._db.execute(
                "INSERT INTO senders VALUES (NULL, ?, ?, ?, ?, ?, ?)", (*names, *values)
            )
            assert added.lastrowid is not None
            return added.lastrowid
        self._db.execute(
            "UPDATE senders SET salt = ?, highest = ?, received = ?, bundle_id = ? WHERE id = ?",
            (*values, known[0]),
        )
        return int(known[0])

    def _keep_packet(self, sender: int, packet: ReceivedPacket, received_s: float) -> None:
        self._insert(
            "packets",
            sender=sender,
            counter=packet.counter,
            received_s=received_s,
            gateway=packet.gateway,
            snr_db=packet.quality.snr_db,
            rssi_dbm=packet.quality.rssi_dbm,
            reason=packet.reason,
            packet=packet.packet,
        )
        for chunk in packet.chunks:
            self._insert(
                "chunks",
                sender=sender,
                bundle=packet.bundle,
                image=chunk.image,
                version=chunk.version,
                chunk=chunk.index,
                counter=packet.counter,
                is_last=chunk.is_last,
                bitstream=chunk.bitstream,
                age_s=chunk.age_s,
            )

    def _keep_answer(self, sender: int, answer: Answer) -> None:
        if answer.alive is not None:
            # another card's bitstream may have taken the place of one of which more came
            self._db.execute(
                "DELETE FROM answers WHERE sender = ? AND image = ? AND chunks >= ?",
                (sender, answer.image, answer.n_chunks),
            )
        self._insert(
            "answers",
            sender=sender,
            image=answer.image,
            counter=answer.counter,
            received_s=answer.received_s,
            label=answer.label,
            probabilities=json.dumps([round(float(p), 6) for p in answer.probabilities]),
            confidence=answer.confidence,
            **said_of_strangeness(answer.strangeness),
            symbols_known=answer.n_known,
            chunks=answer.n_chunks,
            is_complete=answer.is_complete,
            is_enough=answer.is_enough,
            bitstream_bytes=answer.bitstream_bytes,
            packet_bytes=answer.packet_bytes,
            age_s=answer.age_s,
            alive=None if answer.alive is None else "".join(str(int(a)) for a in answer.alive),
        )

    def _keep_totals(self, totals: Totals) -> None:
        self._db.executemany(
            "INSERT INTO refusals VALUES (?, ?, ?, ?, ?) ON CONFLICT (reason) DO UPDATE SET n = n "
            "+ excluded.n, last_s = excluded.last_s, last_sentence = excluded.last_sentence, "
            "last_packet = excluded.last_packet",
            [
                (count.last.reason, count.n, count.last_s, count.last.sentence, count.packet)
                for count in totals.rejected
            ],
        )
        # A start that was later by the clock was before it all the same: somebody has set the clock
        # since.
        self._db.executemany(
            "DELETE FROM statistics WHERE node = ? AND started_s > ?",
            [(node, totals.started_s) for node in totals.figures],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO statistics VALUES (?, ?, ?)",
            [
                (node, totals.started_s, json.dumps(figures))
                for node, figures in totals.figures.items()
            ],
        )

    def _insert(self, table: str, **values: Any) -> None:
        """What is there already stays: a chunk that comes twice is the same chunk."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._db.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING",
            tuple(values.values()),
        )

    def _rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with explained(self.path):
            cursor = self._db.execute(query, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction, on the disk behind it; in a file without a name it would be lost with this
        process.
        """
        log = self.path.with_name(self.path.name + "-wal")
        if file_of(self.path) != self._file or (
            self._log is not None and file_of(log) != self._log
        ):
            raise StoreError(
                f"store {self.path} or its log was moved, deleted or replaced while it was open; "
                "put it back, or start this host again to go on with what is there now",
                is_passing=True,
            )
        with explained(self.path), self._db:
            yield
        self._log = self._log or file_of(log)


def key_id(key: bytes) -> str:
    """Tells keys apart without telling them."""
    return hashlib.sha256(b"latentlink key id" + key).hexdigest()[:16]
