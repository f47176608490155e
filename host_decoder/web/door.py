"""Door: who may do what at the page, and who did: tokens, hashed, and an audit of everything that
changed something, in a small SQLite file of its own beside the store.

It is written seldom, each time in a transaction that is on the disk when the call returns, and any
number of processes may have it open.
"""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_decoder.errors import HostError

NAME = "page.sqlite"
WAIT_S = 2.0
MAX_TOKENS = 1000
MAX_LABEL_LETTERS = 64
SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    hash TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, made_s REAL NOT NULL,
    expires_s REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY, at_s REAL NOT NULL, who TEXT NOT NULL, role TEXT NOT NULL,
    what TEXT NOT NULL);
"""


class DoorError(HostError):
    """What people do at the page cannot be kept; the message says what to do."""


@dataclass(frozen=True)
class Person:
    """Who asks."""

    name: str
    role: str


class Door:
    """One file, opened for a moment each time: any number of processes may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_made = False

    # Tokens

    def add_token(self, name: str, role: str, days: float | None = None) -> str:
        """A new token, which is nowhere else; DoorError where the name is taken."""
        token = secrets.token_urlsafe(32)
        now_s = time.time()
        expires_s = None if days is None else now_s + days * 86_400
        with self._writing() as db:
            if db.execute("SELECT count(*) FROM tokens").fetchone()[0] >= MAX_TOKENS:
                raise DoorError(f"there are {MAX_TOKENS} tokens; take some out first")
            try:
                db.execute(
                    "INSERT INTO tokens VALUES (?, ?, ?, ?, ?)",
                    (_hash(token), name, role, now_s, expires_s),
                )
            except sqlite3.IntegrityError:
                raise DoorError(
                    f"there is a token for {name} already; take it out first, or name another"
                ) from None
            _note(db, Person(name, role), "token made")
        return token

    def revoke(self, name: str) -> None:
        with self._writing() as db:
            if not db.execute("DELETE FROM tokens WHERE name = ?", (name,)).rowcount:
                raise DoorError(f"there is no token for {name}; without a name they are listed")
            _note(db, Person(name, ""), "token revoked")

    def tokens(self) -> list[dict[str, Any]]:
        """Whose there are; none of them can be read back."""
        return self._rows("SELECT name, role, made_s, expires_s FROM tokens ORDER BY name")

    def has_tokens(self) -> bool:
        return bool(self._rows("SELECT 1 FROM tokens LIMIT 1"))

    def person(self, token: str) -> Person | None:
        """Whose it is; None: nobody's, or its time is over."""
        query = (
            "SELECT name, role FROM tokens WHERE hash = ? AND (expires_s IS NULL OR expires_s > ?)"
        )
        rows = self._rows(query, _hash(token), time.time())
        return Person(**rows[0]) if rows else None

    # The audit

    def note(self, person: Person, what: str) -> None:
        """Something was changed."""
        with self._writing() as db:
            _note(db, person, what)

    def audit(self, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """What was changed, the newest first."""
        return self._rows(
            "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", before or 1 << 62, limit
        )

    def _rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        if not self._is_made and not self.path.exists():
            return []
        with self._open() as db:
            cursor = db.execute(query, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._open() as db, db:
            yield db

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.touch(mode=0o600)
            db = sqlite3.connect(self.path, timeout=WAIT_S)
            try:
                if not self._is_made:
                    db.execute("PRAGMA journal_mode = WAL")
                    db.executescript(SCHEMA)
                    self._is_made = True
                yield db
            finally:
                db.close()
        except (OSError, sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            raise DoorError(
                f"{self.path} cannot be used ({error}); see to its owner, mode and disk"
            ) from error


def _note(db: sqlite3.Connection, person: Person, what: str) -> None:
    db.execute(
        "INSERT INTO audit VALUES (NULL, ?, ?, ?, ?)", (time.time(), person.name, person.role, what)
    )


def _hash(token: str) -> str:
    """A token has 256 random bits: a plain hash keeps it."""
    return hashlib.sha256(token.encode()).hexdigest()
