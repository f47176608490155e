"""A store at a PostgreSQL server: one schema for many sites, cut by day, one writer a site, or a
fleet's workers together.

Whoever writes a site holds an advisory lock for as long as its connection lives, so a second host
of that site is refused by name; workers of a fleet share theirs. A connection that is gone is
opened again at the next try: what it was to store waits meanwhile, and nothing of it was
acknowledged. The server may be asked for any day; there is no partition for the rest, since that
would keep days from being let go of while others read.
"""

import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
    ResourceClosedError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, QueuePool

from host_decoder.store.database.access import UnstorableError, roll_back
from host_decoder.store.database.file import StoreError, StoreHeldError
from host_decoder.store.database.partitions import make_days, make_days_ahead
from host_decoder.store.database.schema import METADATA, VERSION

CONNECT_S = 5
STATEMENT_MS = 30_000
LOCK_MS = 5_000
READERS = 4
SCHEMA_LOCK, WRITER_LOCK = 0x6C61_7465, 0x6C69_6E6B
"Classes of advisory locks: who makes tables, who writes a site."
KEPT_BY = (DataError, IntegrityError)
"Errors that a connection is as good after as before."
PASSING = (OperationalError, InterfaceError, InternalError)
IDLE_MS, SHARED_IDLE_MS = 60_000, 5_000
"A transaction in which nothing happens for so long is taken back; others may wait for a worker's."
OPTIONS = (
    f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS} -c timezone=UTC -c jit=off "
    "-c random_page_cost=1.1 -c max_parallel_workers_per_gather=0"
)
"What is asked is short and found by indexes, on disks that do not turn."


class PostgresServer:
    """The database that a DSN names."""

    is_server = True

    def __init__(
        self,
        dsn: str,
        must_exist: bool = False,
        site: str | None = None,
        shared_sites: Sequence[str] = (),
    ) -> None:
        """`site`: this host's alone, until it is closed; `shared_sites`: of a fleet's workers."""
        sites = (site,) if site is not None else tuple(shared_sites)
        try:
            url = make_url(dsn).set(drivername="postgresql+psycopg")
            self.name = url.set(drivername="postgresql").render_as_string(hide_password=True)
            self._engine = create_engine(
                url,
                isolation_level="AUTOCOMMIT",
                poolclass=NullPool if sites else QueuePool,
                connect_args={
                    "connect_timeout": CONNECT_S,
                    "options": f"{OPTIONS} -c idle_in_transaction_session_timeout="
                    f"{SHARED_IDLE_MS if shared_sites else IDLE_MS}",
                    "application_name": f"latentlink {sites[0] if sites else 'reader'}",
                    "keepalives_idle": 10,
                    "keepalives_interval": 5,
                    "keepalives_count": 3,
                },
                **({} if sites else {"pool_size": READERS, "pool_pre_ping": True}),
            )
        except (ArgumentError, ValueError):
            raise StoreError(
                "the store's address cannot be read; it looks like postgresql://user@server/name"
            ) from None
        except (ImportError, NoSuchModuleError):
            raise StoreError(
                "a store at a server needs psycopg; install it: pip install 'latentlink[fleet]'"
            ) from None
        self._sites, self._is_shared = sites, site is None
        self._own: Connection | None = None
        "The writer's connection, which holds its lock."
        self._lock = threading.RLock()
        self._days: set[int] = set()
        "Days that have partitions, as far as is known."
        try:
            with self._explained(), self._engine.connect() as connection:
                self._check(connection, must_exist)
            if sites:
                with self._explained():
                    self._writer()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._explained():
            if not self._sites:
                with self._engine.connect() as connection:
                    yield from _one_transaction(connection)
                return
            with self._lock:
                try:
                    yield from _one_transaction(self._writer())
                except BaseException as error:
                    self._days = set()
                    if isinstance(error, DBAPIError) and not isinstance(error, KEPT_BY):
                        self._let_go()
                    raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._explained():
            if not self._sites:
                with self._engine.connect() as connection:
                    yield connection
                return
            with self._lock:
                try:
                    yield self._writer()
                except DBAPIError:
                    self._let_go()
                    raise

    @contextmanager
    def at_once(self, connection: Connection) -> Iterator[None]:
        """The last statements of a transaction, of which nobody asks anything, go to the server
        together with its commit: it takes as long to answer one as all of them.
        """
        from psycopg import Error
        from psycopg import errors as psycopg_errors

        raw: Any = connection.connection.driver_connection
        try:
            with raw.pipeline():
                yield
                connection.exec_driver_sql("COMMIT")
        except Error as error:  # which SQLAlchemy has not seen
            kind = psycopg_errors.IntegrityError, psycopg_errors.DataError
            if isinstance(error, kind):
                raise IntegrityError(None, None, error) from error
            raise OperationalError(None, None, error) from error

    def make_days(self, connection: Connection, days: Iterable[int]) -> None:
        """A clock that is years off costs a partition, not the packet."""
        if new := set(days) - self._days:
            make_days(connection, new)
            self._days |= new

    def close(self) -> None:
        with self._lock:
            self._let_go()
        self._engine.dispose()

    def _writer(self) -> Connection:
        """Opened again where it was lost, if nobody else writes the site meanwhile."""
        if self._own is not None and not self._own.closed and not self._own.invalidated:
            return self._own
        self._own = None
        connection = self._engine.connect()
        lock = f"pg_try_advisory_lock{'_shared' if self._is_shared else ''}"
        for site in self._sites:
            number = zlib.crc32(site.encode()) - (1 << 31)
            asked = text(f"SELECT {lock}(:lock, :site)")
            if not connection.execute(asked, {"lock": WRITER_LOCK, "site": number}).scalar_one():
                connection.close()
                raise StoreHeldError(
                    f"store {self.name} is in use by another host of site {site}; end that one, "
                    "or give this one a site of its own"
                )
        self._own = connection
        return connection

    def _let_go(self) -> None:
        if self._own is not None:
            own, self._own = self._own, None
            own.invalidate()
            own.close()

    def _check(self, connection: Connection, must_exist: bool) -> None:
        """The tables are there, in this program's format; made by whoever comes first."""
        if must_exist:
            self._check_format(connection)
            return
        connection.exec_driver_sql("BEGIN")
        try:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:lock, 0)"), {"lock": SCHEMA_LOCK}
            )
            if connection.execute(text("SELECT to_regclass('store_format')")).scalar() is None:
                METADATA.create_all(connection, checkfirst=False)
                connection.exec_driver_sql("CREATE TABLE store_format (version integer NOT NULL)")
                connection.exec_driver_sql(f"INSERT INTO store_format VALUES ({VERSION})")
            self._check_format(connection)
            make_days_ahead(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            roll_back(connection)
            raise

    def _check_format(self, connection: Connection) -> None:
        if connection.execute(text("SELECT to_regclass('store_format')")).scalar() is None:
            raise StoreError(
                f"store {self.name} has no table: nothing was ever stored there, or another "
                "program's is in its place",
                is_passing=True,  # whoever comes first makes them
            )
        version = connection.execute(text("SELECT version FROM store_format")).scalar_one()
        if version != VERSION:
            raise StoreError(
                f"store {self.name} has format {version}, this program has {VERSION}; "
                "name another database, or use the version that made it"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError) as error:
            raise UnstorableError(
                f"store {self.name} cannot hold what came, which is left out ({_why(error)})"
            ) from error
        except (PoolTimeout, ResourceClosedError) as error:
            raise StoreError(f"store {self.name} is busy or closed", is_passing=True) from error
        except DBAPIError as error:
            raise StoreError(
                f"store {self.name} cannot be used; see to the server, the network and the rights "
                f"of its user ({_why(error)})",
                is_passing=isinstance(error, PASSING),
            ) from error


def _one_transaction(connection: Connection) -> Iterator[Connection]:
    connection.exec_driver_sql("BEGIN")
    try:
        yield connection
        raw: Any = connection.connection.driver_connection
        if raw.info.transaction_status:  # else it is committed already
            connection.exec_driver_sql("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def _why(error: DBAPIError) -> str:
    """A line of what the server says."""
    return " ".join(str(error.orig).split())[:300]
