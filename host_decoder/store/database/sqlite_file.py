"""A store in one SQLite file: made when it is not there, brought up to this format, one writer.

A transaction is flushed to the disk before it counts (WAL, synchronous = FULL). A store of an
earlier format is migrated by the host that writes it; who only reads it reads a migrated copy, and
leaves it as it is.
"""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, ResourceClosedError
from sqlalchemy.pool import StaticPool

from host_decoder.store.database.access import Turns, UnstorableError
from host_decoder.store.database.file import (
    StoreError,
    explained,
    file_of,
    open_for_reading,
    open_for_writing,
)
from host_decoder.store.database.migration import EARLIER, check_format, migrate

UNSTORABLE = (OverflowError, UnicodeEncodeError)


class SqliteFile:
    """The file, opened by its one writer or by a reader."""

    is_server = False

    def __init__(self, path: Path, must_exist: bool = False) -> None:
        self.path, self.name = path, str(path)
        with ExitStack() as resources:
            opened = open_for_reading if must_exist else open_for_writing
            raw = opened(path, resources)
            resources.callback(raw.close)
            with explained(path):
                version = check_format(path, raw)
                if version == 0 and must_exist:
                    raise StoreError(f"store {path} has no table: nothing was ever stored there")
                if must_exist and version in EARLIER:
                    raw = _migrated_copy(raw, resources)
                self.raw = raw
                if not must_exist:
                    raw.execute("PRAGMA journal_mode = WAL")
                    raw.execute("PRAGMA synchronous = FULL")
                    migrate(raw, version)
            self._connection = _connection(raw)
            resources.callback(self._connection.close)
            self._resources = resources.pop_all()
        self._file = file_of(path)
        self._log: tuple[int, int] | None = None
        self._turns = Turns("BEGIN IMMEDIATE")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """On the disk behind it; in a file without a name it would be lost with this process."""
        if self._connection.closed:
            raise StoreError(f"store {self.path} is closed", is_passing=True)
        log = self.path.with_name(self.path.name + "-wal")
        if file_of(self.path) != self._file or (
            self._log is not None and file_of(log) != self._log
        ):
            raise StoreError(
                f"store {self.path} or its log was moved, deleted or replaced while it was open; "
                "put it back, or start this host again to go on with what is there now",
                is_passing=True,
            )
        with self._explained(), self._turns.transaction(self._connection) as connection:
            yield connection
        self._log = self._log or file_of(log)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._explained(), self._turns.taken():
            yield self._connection

    def make_days(self, connection: Connection, days: Iterable[int]) -> None:
        """One file holds all days."""

    def close(self) -> None:
        self._resources.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with explained(self.path):
            try:
                yield
            except DBAPIError as error:
                if isinstance(error.orig, sqlite3.IntegrityError | sqlite3.DataError):
                    raise UnstorableError(_cannot_keep(self.path, error.orig)) from error
                raise (error.orig or error) from None
            except ResourceClosedError as error:
                raise StoreError(f"store {self.path} is closed", is_passing=True) from error
            except UNSTORABLE as error:
                raise UnstorableError(_cannot_keep(self.path, error)) from error


def _cannot_keep(path: Path, error: BaseException) -> str:
    return f"store {path} cannot hold what came, which is left out ({error})"


def _connection(raw: sqlite3.Connection) -> Connection:
    engine = create_engine(
        "sqlite://", creator=lambda: raw, poolclass=StaticPool, isolation_level="AUTOCOMMIT"
    )
    return engine.connect()


def _migrated_copy(raw: sqlite3.Connection, resources: ExitStack) -> sqlite3.Connection:
    folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
    copy = sqlite3.connect(folder / "copy.sqlite", check_same_thread=False)
    resources.callback(copy.close)
    raw.backup(copy)
    [[version]] = copy.execute("PRAGMA user_version")
    migrate(copy, version)
    return copy
