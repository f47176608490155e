"""Partitions: on PostgreSQL, packets, receptions and results are cut by day of their time.

Letting go of a day costs the same whatever it holds. Days are made a week ahead, so that no packet
waits for one; a day further off is made by the packet that came on it.
"""

import time
from collections.abc import Iterable

from sqlalchemy import Connection, text

from host_decoder.store.database.schema import DAILY, METADATA

DAY_S = 86_400
DAYS_AHEAD = 7
DAILY_TABLES = tuple(
    table.name
    for table in METADATA.sorted_tables
    if table.dialect_options["postgresql"]["partition_by"] == DAILY
)


def make_days_ahead(connection: Connection) -> None:
    """Today, and a week more."""
    today = int(time.time() // DAY_S)
    make_days(connection, range(today, today + DAYS_AHEAD + 1))


def make_days(connection: Connection, days: Iterable[int]) -> None:
    """Unix days of which something may come."""
    for day in sorted(days):
        for table in DAILY_TABLES:
            connection.exec_driver_sql(
                f"CREATE TABLE IF NOT EXISTS {name_of(table, day)} PARTITION OF {table} "
                f"FOR VALUES FROM ({day * DAY_S}) TO ({(day + 1) * DAY_S})"
            )


def days_there(connection: Connection, table: str) -> list[int]:
    """Days of which a table has a part, in order."""
    found = connection.execute(
        text(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
            "WHERE inhparent = to_regclass(:name)"
        ),
        {"name": table},
    ).scalars()
    return sorted(int(name.rpartition("_")[2]) for name in found)


def drop_days(connection: Connection, table: str, before_day: int) -> int:
    """Number of days that were let go of."""
    old = [day for day in days_there(connection, table) if day < before_day]
    for day in old:
        connection.exec_driver_sql(f"DROP TABLE {name_of(table, day)}")
    return len(old)


def name_of(table: str, day: int) -> str:
    """A part's name tells its Unix day."""
    return f"{table}_{day}"
