"""Opening: a store lies in a SQLite file, or at a PostgreSQL server."""

from pathlib import Path

from host_decoder.store.database.access import Database
from host_decoder.store.database.settings import Place, is_server
from host_decoder.store.database.sqlite_file import SqliteFile


def open_database(place: Place, must_exist: bool = False, site: str | None = None) -> Database:
    """`must_exist`: it is only read. Otherwise this is the one writer of a file, or of a site on a
    server; site None: of nothing that a host writes.
    """
    if is_server(place):
        from host_decoder.store.database.postgres import PostgresServer

        return PostgresServer(str(place), must_exist, site)
    return SqliteFile(Path(place), must_exist)
