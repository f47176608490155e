"""Database: what a SQLite file and a PostgreSQL server have in common.

    with database.transaction() as connection: ...    on the disk behind it, or not at all
    rows(database, select(...))                       each a dict

Nothing is open between two calls: no transaction waits for anybody.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Connection, Executable, Select, Table, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from host_decoder.store.database.file import StoreError

SQLITE = "sqlite"


class Database(Protocol):
    """What both kinds do; every failure is a StoreError."""

    name: str
    "For sentences; without a password."
    is_server: bool

    def transaction(self) -> AbstractContextManager[Connection]:
        """All of it, or nothing."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Statements that each see what is stored by then."""

    def make_days(self, connection: Connection, days: Iterable[int]) -> None:
        """There is room for what came on these Unix days."""

    def close(self) -> None: ...


def rows(
    database: Database, statement: Executable, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What a statement finds, each row a dict."""
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(statement, values or {}).mappings()]


def insert_new(connection: Connection, table: Table, entries: Sequence[Mapping[str, Any]]) -> None:
    """What is there already stays."""
    if entries:
        _put(connection, _adding(table, connection.dialect.name, tuple(entries[0])), entries)


def insert_or_replace(
    connection: Connection, table: Table, entries: Sequence[Mapping[str, Any]]
) -> None:
    """What is there under the key is replaced; each key once."""
    if entries:
        _put(connection, _replacing(table, connection.dialect.name, tuple(entries[0])), entries)


def insert_or_add(
    connection: Connection, table: Table, entries: Sequence[Mapping[str, Any]], *counts: str
) -> None:
    """What is there under the key is replaced but for these columns, which are added up; each key
    once.
    """
    if entries:
        statement = _replacing(table, connection.dialect.name, tuple(entries[0]), counts)
        _put(connection, statement, entries)


def change(connection: Connection, table: Table, entries: Sequence[Mapping[str, Any]]) -> None:
    """Rows that are there: what each says beside its key; each key once."""
    if entries:
        statement = _changing(table, connection.dialect.name, tuple(entries[0]))
        _put(connection, statement, [{f"b_{name}": row[name] for name in row} for row in entries])


def _put(connection: Connection, statement: Any, entries: Sequence[Mapping[str, Any]]) -> None:
    """A server takes a batch as one statement, column by column: a row alone costs it, and whoever
    sends it, ten times as much.
    """
    if connection.dialect.name == SQLITE:
        connection.execute(statement, entries)
    else:
        columns = {name: [entry[name] for entry in entries] for name in entries[0]}
        connection.execute(statement, columns)


@cache
def _adding(table: Table, dialect: str, given: tuple[str, ...]) -> Any:
    return _insert(table, dialect, given).on_conflict_do_nothing()


@cache
def _replacing(
    table: Table, dialect: str, given: tuple[str, ...], counts: tuple[str, ...] = ()
) -> Any:
    """Made once: to write a statement takes longer than to run it."""
    statement = _insert(table, dialect, given)
    key = [column.name for column in table.primary_key]
    changed = {
        name: table.c[name] + statement.excluded[name]
        if name in counts
        else statement.excluded[name]
        for name in given
        if name not in key
    }
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


@cache
def _changing(table: Table, dialect: str, given: tuple[str, ...]) -> Any:
    key = [column.name for column in table.primary_key]
    if dialect == SQLITE:
        said: Any = {name: bindparam(f"b_{name}", type_=table.c[name].type) for name in given}
    else:
        said = _columns(table, given, "b_").subquery().c
    statement = update(table).where(*[table.c[name] == said[name] for name in key])
    return statement.values({name: said[name] for name in given if name not in key})


def _insert(table: Table, dialect: str, given: tuple[str, ...]) -> Any:
    """Both dialects have the same words for a conflict."""
    if dialect == SQLITE:
        return sqlite.insert(table)
    return postgresql.insert(table).from_select(given, _columns(table, given), False)


def _columns(table: Table, given: tuple[str, ...], prefix: str = "") -> Select[Any]:
    """Rows from an array for each column."""
    arrays = {
        name: bindparam(prefix + name, type_=postgresql.ARRAY(table.c[name].type)) for name in given
    }
    return select(*[func.unnest(array).label(name) for name, array in arrays.items()])


class Turns:
    """One connection, used in turn by whoever comes; a transaction ends before the next begins."""

    def __init__(self, begin: str) -> None:
        self._begin = begin
        self._lock = threading.RLock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        with self._lock:
            yield

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[Connection]:
        with self._lock:
            connection.exec_driver_sql(self._begin)
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                roll_back(connection)
                raise


def roll_back(connection: Connection) -> None:
    """As far as there is something to take back."""
    try:
        connection.exec_driver_sql("ROLLBACK")
    except Exception:  # of a connection that is gone, or that has taken it back itself
        return


class UnstorableError(StoreError):
    """What was to be kept fits no column: another try would not help, and nothing else is to
    wait.
    """
