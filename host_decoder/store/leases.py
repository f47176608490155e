"""Leases: who of a fleet's processes owns what, for the next five seconds, by the server's clock.

    leases = Leases(database, owner)
    leases.take("p07")              its epoch; None: another has it
    leases.renew()                  what is still this owner's, by name its epoch
    leases.check(connection, held)  inside a transaction, as its first word: LeaseLostError where
                                    another has taken one of them meanwhile

Each taking raises the epoch. A process that slept past its lease, woke and goes on finds another
epoch: what it would commit is refused. The check holds the rows until the commit, so that nobody
takes a lease before, and whoever takes it next sees all that was stored under it.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import BigInteger, Column, Connection, Double, MetaData, Table, Text, text

from host_decoder.store.database.access import Database, rows
from host_decoder.store.database.file import StoreError

LEASE_S = 5.0
NOW = "extract(epoch FROM clock_timestamp())"
METADATA = MetaData()
LEASES = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("until_s", Double, nullable=False),
)
HANDED_ON = Table(  # what a leader leaves to the next
    "handed_on",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("content", Text, nullable=False),
)
_TAKE = text(
    f"INSERT INTO leases VALUES (:name, :owner, 1, {NOW} + :lease_s) ON CONFLICT (name) DO UPDATE "
    f"SET owner = :owner, epoch = leases.epoch + 1, until_s = {NOW} + :lease_s "
    f"WHERE leases.until_s < {NOW} RETURNING epoch"
)
_RENEW = text(
    f"UPDATE leases SET until_s = {NOW} + :lease_s WHERE owner = :owner RETURNING name, epoch"
)
_RELEASE = text("UPDATE leases SET until_s = 0, owner = '' WHERE owner = :owner AND name = :name")
_HELD = text(f"SELECT name FROM leases WHERE until_s >= {NOW}")
_CHECK = text("SELECT name, epoch FROM leases WHERE owner = :owner FOR SHARE")
_FORGET = text(f"DELETE FROM leases WHERE name LIKE :like AND until_s < {NOW} - 3600")


_HAND_ON = text(
    "INSERT INTO handed_on VALUES (:name, :content) "
    "ON CONFLICT (name) DO UPDATE SET content = :content"
)
_LEFT = text("SELECT name FROM handed_on WHERE starts_with(name, :prefix) ORDER BY name")
_TAKE_BACK = text("DELETE FROM handed_on WHERE name = :name")
_THERE = text("SELECT to_regclass('handed_on') IS NOT NULL AS is_there")
_ALL = text("SELECT name, content FROM handed_on")
_LEAVE = text("INSERT INTO handed_on VALUES (:name, '') ON CONFLICT DO NOTHING")
_HANDED = text("SELECT content FROM handed_on WHERE name = :name")


class LeaseLostError(StoreError):
    """Another process owns it by now: nothing of this transaction is stored."""


class Leases:
    """Those of one process, which is called `owner` and never twice the same."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database, self.owner = database, owner
        with database.transaction() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": 0x6C65_6173})
            METADATA.create_all(connection, checkfirst=True)

    def take(self, name: str) -> int | None:
        """Its epoch; None: it is another's still, or this owner's already."""
        values = {"name": name, "owner": self.owner, "lease_s": LEASE_S}
        taken = rows(self._database, _TAKE, values)
        return taken[0]["epoch"] if taken else None

    def renew(self) -> dict[str, int]:
        """All that this owner has, each for another LEASE_S."""
        values = {"owner": self.owner, "lease_s": LEASE_S}
        return {row["name"]: row["epoch"] for row in rows(self._database, _RENEW, values)}

    def release(self, names: Iterable[str]) -> None:
        """Others need not wait."""
        with self._database.transaction() as connection:
            for name in names:
                connection.execute(_RELEASE, {"owner": self.owner, "name": name})

    def held(self) -> set[str]:
        """What anybody has."""
        return {row["name"] for row in rows(self._database, _HELD)}

    def forget(self, like: str) -> None:
        """Names like this that nobody has had for an hour."""
        with self._database.transaction() as connection:
            connection.execute(_FORGET, {"like": like})

    def hand_on(self, name: str, content: str) -> None:
        """For whoever leads next."""
        with self._database.transaction() as connection:
            connection.execute(_HAND_ON, {"name": name, "content": content})

    def handed(self, name: str) -> str | None:
        """What an earlier leader left."""
        found = rows(self._database, _HANDED, {"name": name})
        return found[0]["content"] if found else None

    def left(self, prefix: str) -> list[str]:
        """Names like this that something was handed on under."""
        return [row["name"] for row in rows(self._database, _LEFT, {"prefix": prefix})]

    def take_back(self, name: str) -> None:
        """Nobody wants it any more."""
        with self._database.transaction() as connection:
            connection.execute(_TAKE_BACK, {"name": name})

    def check(self, connection: Connection, held: Mapping[str, int]) -> None:
        """LeaseLostError unless all of these are this owner's, under these epochs."""
        found = {row.name: row.epoch for row in connection.execute(_CHECK, {"owner": self.owner})}
        lost = [name for name, epoch in held.items() if found.get(name) != epoch]
        if lost:
            raise LeaseLostError(
                f"another worker has taken {', '.join(sorted(lost))} over; what this one would "
                "have stored comes to that one again",
                is_passing=True,
            )


def all_handed_on(database: Database) -> dict[str, str]:
    """By name; for who is no worker."""
    if not rows(database, _THERE)[0]["is_there"]:  # no worker was ever here
        return {}
    return {row["name"]: row["content"] for row in rows(database, _ALL)}


def leave(database: Database, name: str) -> None:
    """For whoever is to take it back; once, however often it is left."""
    with database.transaction() as connection:
        connection.execute(_LEAVE, {"name": name})
