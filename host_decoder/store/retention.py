"""Retention: what is old is let go of, a little at a time, so that no packet waits for it.

Chunks stay for ever: a later decoder makes results of them again. At a server a day goes as a
whole, whoever's it is; in a file it goes node by node.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Table, delete, select

from host_decoder.store.database.access import Database, rows
from host_decoder.store.database.schema import (
    LABEL_HOUR,
    LINK_HOUR,
    NODE_HOUR,
    NODES,
    PACKETS,
    RECEPTIONS,
    REFUSALS_HOUR,
    RESULTS,
    SENDERS,
    SITES,
    STATUSES,
)
from host_decoder.store.database.settings import Keep

DAY_S, HOUR_S = 86_400, 3600
PASS_S = 3600.0
"From one pass over everything to the next."


class Retention:
    """One store's."""

    def __init__(self, database: Database, keep: Keep) -> None:
        self._database, self._keep = database, keep
        self._steps: Iterator[None] = iter(())
        self._next_pass_s = float("-inf")

    def step(self, unix_s: float) -> None:
        """A part of the work, some milliseconds; to be called once a second. StoreError when the
        store takes nothing.
        """
        if unix_s >= self._next_pass_s or unix_s < self._next_pass_s - 2 * PASS_S:
            self._next_pass_s = unix_s + PASS_S
            self._steps = self._pass(unix_s)
        next(self._steps, None)

    def _pass(self, unix_s: float) -> Iterator[None]:
        days = {
            table: unix_s - n_days * DAY_S
            for n_days, tables in (
                (self._keep.packets_days, (PACKETS, RECEPTIONS)),
                (self._keep.results_days, (RESULTS, STATUSES)),
            )
            for table in tables
        }
        before_hour = int((unix_s - self._keep.hours_days * DAY_S) // HOUR_S)
        if self._database.is_server:
            yield from self._dropped(days)
            days = {STATUSES: days[STATUSES]}
        for column, table, key in (
            (SENDERS.c.id, PACKETS, "sender"),
            (SENDERS.c.id, RECEPTIONS, "sender"),
            (NODES.c.id, RESULTS, "node_id"),
            (NODES.c.id, STATUSES, "node_id"),
        ):
            if table in days:
                yield from self._deleted(column, table, key, table.c.received_s, days[table])
        for column, table, key in (
            (NODES.c.id, LINK_HOUR, "node_id"),
            (NODES.c.id, NODE_HOUR, "node_id"),
            (NODES.c.id, LABEL_HOUR, "node_id"),
            (SITES.c.id, REFUSALS_HOUR, "site_id"),
        ):
            yield from self._deleted(column, table, key, table.c.hour, before_hour)

    def _deleted(
        self, ids: Column[Any], table: Table, key: str, moment: Column[Any], before: float
    ) -> Iterator[None]:
        for row in rows(self._database, select(ids.label("id"))):
            old = delete(table).where(table.c[key] == row["id"], moment < before)
            with self._database.transaction() as connection:
                connection.execute(old)
            yield

    def _dropped(self, before_s: Mapping[Table, float]) -> Iterator[None]:
        from host_decoder.store.database.partitions import DAILY_TABLES, drop_days, make_days_ahead

        for table, moment_s in before_s.items():
            with self._database.transaction() as connection:
                make_days_ahead(connection)
                if table.name in DAILY_TABLES:
                    drop_days(connection, table.name, int(moment_s // DAY_S))
            yield
