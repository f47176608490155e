"""Salvage: a damaged chunk file is set aside, and what is whole in it is read."""

import fcntl
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from device.outbox.chunk_file import COLUMNS, OutboxError, QueuedChunk, chunk_of
from link.base import durable


def set_damaged_aside(path: Path) -> Path:
    """Its new path; OutboxError when another process has it open and would write on."""
    try:
        with path.open("rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # SQLite's locks are of the same kind
            return durable.set_aside(path, companions=("-shm", "-wal"))
    except BlockingIOError:
        raise OutboxError(
            f"outbox {path} cannot be used (another process has it open); end that one"
        ) from None
    except OSError as error:
        raise OutboxError(
            f"outbox {path} is damaged and cannot be set aside ({error}); remove it"
        ) from None


def whole_chunks(path: Path) -> list[QueuedChunk]:
    """What a damaged file still holds: from both ends, each chunk by its checksum."""
    found: dict[tuple[int, int], QueuedChunk] = {}
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error, UnicodeDecodeError), closing(sqlite3.connect(path)) as db:
            for row in db.execute(
                f"SELECT {COLUMNS} FROM chunks ORDER BY image {order}, place {order}"
            ):
                chunk = chunk_of(row)
                if chunk is not None:
                    found[chunk.image, chunk.index] = chunk
    return list(found.values())
