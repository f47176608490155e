"""What is stored, asked in SQL."""

import sqlite3
from typing import Any

from sqlalchemy import text

from host_decoder.store.database.access import rows
from host_decoder.store.database.sqlite_file import SqliteFile
from host_decoder.store.store import Store


def read(store: Store, query: str) -> list[dict[str, Any]]:
    """What a query finds, each row a dict."""
    return rows(store.database, text(query))


def raw(store: Store) -> sqlite3.Connection:
    """The file, as SQLite itself has it open."""
    assert isinstance(store.database, SqliteFile)
    return store.database.raw
