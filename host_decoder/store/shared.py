"""Shared: one store that a fleet's workers write together, each what is of its own nodes.

    shared = SharedStore(dsn, sites, owner)
    Host(nodes, shared.of("farm"), ...)     what its hosts give to be stored waits,
    shared.commit(held)                     and is stored at once, of all sites, in one transaction,
                                            unless a lease that it was heard under is lost

Whatever a host says is stored is so only after `commit`: nobody is told anything before. When it
fails, what waited is gone, and hosts know what is not so: they are made anew, from what is stored.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from host_decoder.config import KnownNode
from host_decoder.store.database.postgres import PostgresServer
from host_decoder.store.followed import tell
from host_decoder.store.keeping import Batch, Memory, days_of
from host_decoder.store.leases import Leases
from host_decoder.store.names import Names
from host_decoder.store.preloading import Known, preload
from host_decoder.store.receipt import Receipt, Totals
from host_decoder.store.store import Store
from link.host import NodeState


class SharedStore:
    """A PostgreSQL server's, for one process."""

    def __init__(self, dsn: str, sites: Sequence[str], owner: str) -> None:
        """StoreError where it cannot be had, or a single host writes one of these sites."""
        self.database = PostgresServer(dsn, shared_sites=sites)
        self._waiting: list[tuple[SiteStore, Sequence[Receipt], Totals | None]] = []
        self._memory = Memory(ends_hosts=True)
        try:
            for site in sites:
                Names.register(self.database, site)
            self.leases = Leases(self.database, owner)
        except BaseException:
            self.close()
            raise
        self._sites = {site: SiteStore(self, site) for site in sites}

    def of(self, site: str) -> "SiteStore":
        return self._sites[site]

    def preload(self, nodes: Mapping[str, Sequence[KnownNode]]) -> None:
        """What hosts of these nodes, by site, ask first: to be called when their leases are taken,
        and their hosts made thereafter.
        """
        with self.database.transaction() as connection:
            for site, its in nodes.items():
                if its:
                    self._sites[site].preload(connection, its, self._memory)

    def put(self, store: "SiteStore", receipts: Sequence[Receipt], totals: Totals | None) -> None:
        """It waits for `commit`."""
        self._waiting.append((store, receipts, totals))

    def commit(self, held: Mapping[str, int], news: Sequence[str] = ()) -> bool:
        """All that waits: stored, and whoever follows is told the news, or StoreError and nothing
        of it; False: nothing waited. `held`: leases, by name their epochs.
        """
        if not self._waiting:
            return False
        waiting, self._waiting = self._waiting, []
        try:
            with self.database.transaction() as connection:
                self.leases.check(connection, held)
                days = [days_of(receipts, totals) for _, receipts, totals in waiting]
                self.database.make_days(connection, set().union(*days))
                batch: Batch | None = None
                for store, receipts, totals in waiting:
                    names = store.names_by(connection)
                    batch = batch or Batch(connection, names, self._memory)
                    batch.turn_to(names)
                    for receipt in receipts:
                        batch.add(receipt)
                    if totals is not None:
                        batch.count(totals)
                assert batch is not None
                with self.database.at_once(connection):
                    batch.write()
                    tell(connection, news)
        except BaseException:
            self.forget()
            raise
        return True

    def forget(self) -> None:
        """What is stored may be another worker's by now: it is looked up again."""
        self._waiting = []
        self._memory = Memory(ends_hosts=True)
        for store in self._sites.values():
            store.forget()

    def close(self) -> None:
        self.database.close()


class SiteStore(Store):
    """A site's part of it, as a host takes it for its own store."""

    def __init__(self, shared: SharedStore, site: str) -> None:
        self._shared = shared
        self.place, self.site, self._is_read = shared.database.name, site, False
        self.database, self._names = shared.database, None
        self._known: dict[tuple[int, bytes], Known] = {}
        "What is preloaded, until it is asked for."

    def preload(self, connection: Connection, nodes: Sequence[KnownNode], memory: Memory) -> None:
        self._known |= preload(connection, self.names_by(connection), memory, nodes)

    def state(self, node: int, key: bytes) -> NodeState | None:
        known = self._known.get((node, key))
        return super().state(node, key) if known is None else known.state

    def highest_image(self, node: int, key: bytes, bundle: str) -> int:
        """Asked once of a node: then its host knows."""
        known = self._known.get((node, key))
        highest = None if known is None else known.highest.pop(bundle, None)
        return super().highest_image(node, key, bundle) if highest is None else highest

    def add_all(self, receipts: Sequence[Receipt], totals: Totals | None = None) -> None:
        self._shared.put(self, receipts, totals)

    def tidy(self, unix_s: float) -> None:
        """One process of the fleet lets go of what is old, for all."""

    def names_by(self, connection: Connection) -> Names:
        return self._names_by(connection)

    def forget(self) -> None:
        self._names, self._known = None, {}

    def close(self) -> None:
        """Whoever made the whole closes it."""
