"""Mail store: what a gateway keeps of each device: the link's state, pieces of what comes, and the
messages that wait, in one SQLite file; on the disk before the device is told that it came.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from link.host import NodeState

SCHEMA = """
CREATE TABLE IF NOT EXISTS device (
    node INTEGER PRIMARY KEY, salt BLOB, highest INTEGER, received TEXT, bundle BLOB,
    said BLOB, told BLOB, delivered BLOB);
CREATE TABLE IF NOT EXISTS piece (node INTEGER, content BLOB);
"""


@dataclass(frozen=True)
class Letters:
    """The messages of one device."""

    said: bytes = b""
    "By the device, last."
    told: bytes = b""
    "What it is being told; empty: nothing."
    delivered: bytes = b""
    "The name of what it was told last."


class MailStore:
    """One gateway's file; sqlite3.Error where it cannot be read or written."""

    def __init__(self, path: Path, run: bytes) -> None:
        """`run`: 8 bytes that name it; ValueError where the file is of another."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(SCHEMA)
        number = int.from_bytes(run[:4], "big") & 0x7FFFFFFF or 1
        [(known,)] = self._file.execute("PRAGMA user_version")
        if known not in (0, number):
            self._file.close()
            raise ValueError(f"{path} is of another run; give this one a state_dir of its own")
        self._file.execute(f"PRAGMA user_version = {number}")

    def state(self, node: int) -> NodeState | None:
        """The link's; None before the device was heard."""
        found = self._row(node, "salt, highest, received, bundle")
        if found is None or not found[0]:
            return None
        salt, highest, received, bundle = found
        return NodeState(salt, highest, int(received), bundle)

    def letters(self, node: int) -> Letters:
        """Its messages."""
        return Letters(*(self._row(node, "said, told, delivered") or ()))

    def pieces(self, node: int) -> list[bytes]:
        """What came of the next one, in order."""
        rows = self._file.execute(
            "SELECT content FROM piece WHERE node = ? ORDER BY rowid", (node,)
        )
        return [content for (content,) in rows]

    def _row(self, node: int, columns: str) -> tuple[Any, ...] | None:
        rows = self._file.execute(f"SELECT {columns} FROM device WHERE node = ?", (node,))
        found: tuple[Any, ...] | None = rows.fetchone()
        return found

    def keep(
        self, node: int, state: NodeState | None, letters: Letters, piece: bytes | None = None
    ) -> None:
        """All of it, at once; a message that is whole needs its pieces no more."""
        row = (
            (state.salt, state.highest, str(state.received), state.bundle_id)
            if state
            else (b"", -1, "0", b"")
        )
        self._file.execute("BEGIN IMMEDIATE")
        try:
            before = self._file.execute("SELECT said FROM device WHERE node = ?", (node,))
            is_whole = before.fetchone() not in (None, (letters.said,))
            self._file.execute(
                "INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (node, *row, letters.said, letters.told, letters.delivered),
            )
            if is_whole:
                self._file.execute("DELETE FROM piece WHERE node = ?", (node,))
            elif piece is not None:
                self._file.execute("INSERT INTO piece VALUES (?, ?)", (node, piece))
            self._file.execute("COMMIT")
        except BaseException:
            self._file.rollback()
            raise

    def close(self) -> None:
        self._file.close()
