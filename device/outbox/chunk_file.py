"""Chunk file: the chunks of images in a SQLite file that survives a power cut at any moment.

With a write-ahead log and synchronous = FULL a transaction is on the disk when it returns. One that
is not durable is in the file when it returns, which a killed process cannot undo, and on the disk
with the next that is, or once `Disk` has brought the log there. Each chunk carries a checksum: what
a node seals is believed, so it must not seal what a failing card made of it.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from device.outbox.disk import Disk
from link.wire import MAX_CHUNKS

WAL_BYTES = 1 << 20
"To which the write-ahead log is cut back."
DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""What SQLite answers when the file is not ours or not whole; all else is about the card, its space
or its rights.
"""
SCHEMA_VERSION = 1
SCHEMA = (
    """CREATE TABLE chunks (
    image INTEGER NOT NULL,
    place INTEGER NOT NULL,     -- index of the chunk in its image
    is_last INTEGER NOT NULL,
    captured_s REAL,            -- by the clock of the boot in `outbox`; NULL: an earlier one
    captured_unix_s REAL,
    checksum INTEGER NOT NULL,
    bitstream BLOB NOT NULL,
    PRIMARY KEY (image, place)) WITHOUT ROWID""",
    "CREATE TABLE outbox (boot_id TEXT NOT NULL, n_evicted INTEGER NOT NULL)",
    "INSERT INTO outbox VALUES ('', 0)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
COLUMNS = "image, place, is_last, captured_s, captured_unix_s, checksum, bitstream"


class OutboxError(OSError):
    """The outbox cannot be written or read; the message names the file and says what to do."""


class DamagedError(OutboxError):
    """The file is not what was written."""


@dataclass(frozen=True)
class QueuedChunk:
    """One chunk that waits."""

    image: int
    index: int
    is_last: bool
    bitstream: bytes
    captured_s: float | None
    "By the clock of this boot; None: captured before the machine was started."
    captured_unix_s: float | None
    "None: nobody has told the time."


class ChunkFile:
    """One file, made when it is not there; every failure is an OutboxError."""

    def __init__(self, path: Path | str, boot_id: str) -> None:
        """DamagedError when the file cannot be trusted; times of another boot are forgotten."""
        self.path = Path(path)
        self._is_durable = False
        self._disk: Disk | None = None
        with self._explained():
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                self._open(boot_id)
            except BaseException:
                self._db.close()
                raise

    @contextmanager
    def transaction(self, is_durable: bool = True) -> Iterator[None]:
        """All or nothing of what is done within."""
        with self._explained():
            self._be_durable(is_durable)
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def to_disk(self) -> int:
        """What was written so far is on its way to the disk; its number for `n_on_disk`."""
        if self._disk is None:
            # what is behind no name of a folder yet is on no disk, whatever is synchronised
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            log = self.path.with_name(self.path.name + "-wal")
            self._disk = Disk(os.open(log, os.O_RDWR | os.O_CLOEXEC))
        return self._disk.wrote()

    def n_on_disk(self, wait_for: int = 0) -> int:
        """All that `to_disk` numbered up to this one is on the disk; wait for that number first."""
        if self._disk is None:
            return 0
        try:
            self._disk.wait(wait_for)
            return self._disk.n_safe
        except OSError as error:
            raise OutboxError(
                f"outbox {self.path} cannot be used ({error}); the card may be failing"
            ) from error

    def insert(self, chunk: QueuedChunk) -> None:
        self._db.execute(
            f"INSERT INTO chunks ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                chunk.image,
                chunk.index,
                chunk.is_last,
                chunk.captured_s,
                chunk.captured_unix_s,
                _checksum(chunk.image, chunk.index, chunk.is_last, chunk.bitstream),
                chunk.bitstream,
            ),
        )

    def delete(self, image: int, index: int) -> int:
        """Returns how long the chunk's bitstream was."""
        deleted = self._db.execute(
            "DELETE FROM chunks WHERE image = ? AND place = ? RETURNING length(bitstream)",
            (image, index),
        ).fetchall()
        return deleted[0][0] if deleted else 0

    def read(self, chunks: Iterable[tuple[int, int]]) -> list[QueuedChunk]:
        """Chunks by image and index; DamagedError when one is not as it was written."""
        query = f"SELECT {COLUMNS} FROM chunks WHERE image = ? AND place = ?"
        with self._explained():
            return [self._whole(self._db.execute(query, chunk).fetchone()) for chunk in chunks]

    def read_all(self) -> Iterator[QueuedChunk]:
        """Every chunk, oldest image first; DamagedError at the first not as written."""
        with self._explained():
            for row in self._db.execute(f"SELECT {COLUMNS} FROM chunks ORDER BY image, place"):
                yield self._whole(row)

    def n_evicted(self) -> int:
        with self._explained():
            return self._db.execute("SELECT n_evicted FROM outbox").fetchone()[0]

    def set_n_evicted(self, n_evicted: int) -> None:
        self._db.execute("UPDATE outbox SET n_evicted = ?", (n_evicted,))

    def date_images(self, unix_offset_s: float) -> None:
        """Write Unix times beside those of this boot's clock, also where the host told another time
        before.
        """
        self._db.execute(
            "UPDATE chunks SET captured_unix_s = captured_s + ? WHERE captured_s IS NOT NULL",
            (unix_offset_s,),
        )

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()
        self._db.close()

    def _open(self, boot_id: str) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        self._be_durable(True)
        with self.transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0 and not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                version = SCHEMA_VERSION
                for statement in SCHEMA:
                    self._db.execute(statement)
            if version != SCHEMA_VERSION:
                raise DamagedError(
                    f"outbox {self.path} has format {version}, this program has {SCHEMA_VERSION}"
                )
        found = " ".join(row[0] for row in self._db.execute("PRAGMA quick_check(1)"))
        if found != "ok":
            raise DamagedError(f"outbox {self.path} is damaged ({' '.join(found.split())})")
        # a file that says it is read-only shows here, not at the first image
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("UPDATE outbox SET n_evicted = n_evicted")
        self._db.execute("ROLLBACK")
        stored = self._db.execute("SELECT boot_id FROM outbox").fetchall()
        if len(stored) != 1:
            raise DamagedError(
                f"outbox {self.path} is damaged (it does not say whose clock it has)"
            )
        if stored != [(boot_id,)]:
            with self.transaction():
                self._db.execute("UPDATE chunks SET captured_s = NULL WHERE captured_s IS NOT NULL")
                self._db.execute("UPDATE outbox SET boot_id = ?", (boot_id,))

    def _be_durable(self, is_durable: bool) -> None:
        if is_durable != self._is_durable:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._is_durable = is_durable

    def _whole(self, row: tuple[Any, ...] | None) -> QueuedChunk:
        chunk = None if row is None else chunk_of(row)
        if chunk is None:
            raise DamagedError(
                f"outbox {self.path} is damaged (a chunk has changed); start the node again: "
                "it sets the file aside and keeps what is whole"
            )
        return chunk

    def _says_read_only(self, error: Exception) -> bool:
        """Only the file itself says that it must not be written: its header changed."""
        is_read_only = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY
        return (
            is_read_only and os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if _is_damage(error) or self._says_read_only(error):
                raise DamagedError(
                    f"outbox {self.path} is damaged ({error}); start the node again: "
                    "it sets the file aside and keeps what is whole"
                ) from error
            is_held = getattr(error, "sqlite_errorcode", 0) & 0xFF in (
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_LOCKED,
            )
            remedy = "another program has it; end that one" if is_held else "free some space"
            raise OutboxError(f"outbox {self.path} cannot be used ({error}); {remedy}") from error


def _is_damage(error: Exception) -> bool:
    """What SQLite did not notice: Python cannot make a text of it, and the error has no code."""
    code = getattr(error, "sqlite_errorcode", None)
    is_no_text = code is None and isinstance(error, (sqlite3.OperationalError, UnicodeDecodeError))
    return is_no_text or (code is not None and code & 0xFF in DAMAGE)


def chunk_of(row: tuple[Any, ...]) -> QueuedChunk | None:
    """A row as it was written, or None: a damaged file can hold anything."""
    image, index, is_last, _, _, checksum, bitstream = row
    if not (
        isinstance(image, int)
        and isinstance(index, int)
        and is_last in (0, 1)
        and isinstance(bitstream, bytes)
    ):
        return None
    if not 0 <= index < MAX_CHUNKS or checksum != _checksum(image, index, bool(is_last), bitstream):
        return None
    times = [
        time_s if isinstance(time_s, float) and isfinite(time_s) else None for time_s in row[3:5]
    ]
    return QueuedChunk(image, index, bool(is_last), bitstream, *times)


def _checksum(image: int, index: int, is_last: bool, bitstream: bytes) -> int:
    return zlib.crc32(bitstream, zlib.crc32(b"%d %d %d" % (image, index, is_last)))
