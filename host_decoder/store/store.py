"""The store: what came, what it led to and where each node's session stands.

All that one packet leads to is a `Receipt`; all receipts of a batch go into one transaction that is
on the disk when `add_all` returns. So the host can acknowledge what it has stored: a node deletes
only what survives a power cut here, and a restarted host refuses what it has stored and nothing
else. The opened bitstreams are kept chunk by chunk, so a better decoder can go over the past
without any key.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from host_decoder.config import KnownNode
from host_decoder.store.database.access import rows
from host_decoder.store.database.migration import SITE
from host_decoder.store.database.opening import open_database
from host_decoder.store.database.schema import CHUNKS, NODES, PACKETS, SENDERS
from host_decoder.store.database.settings import Keep, Place, is_server
from host_decoder.store.history.images import StoredImage, image_pages
from host_decoder.store.history.statistics import statistics
from host_decoder.store.keeping import Batch, Memory, days_of
from host_decoder.store.names import Names, key_id, of_sender
from host_decoder.store.receipt import Receipt, Totals
from host_decoder.store.retention import Retention
from link.host import NodeState
from link.wire import Chunk

CHUNKS_OF = (
    select(CHUNKS.c.chunk, CHUNKS.c.is_last, CHUNKS.c.bitstream, CHUNKS.c.age_s, CHUNKS.c.version)
    .where(
        CHUNKS.c.sender == of_sender(bindparam("site"), bindparam("number"), bindparam("key_id")),
        CHUNKS.c.bundle == bindparam("bundle"),
        CHUNKS.c.image == bindparam("image"),
    )
    .order_by(CHUNKS.c.counter)
)
"Written once: it is asked for each chunk that is not the first of a new image."


class Store:
    """What one site's host keeps; a file is made when it is not there. Every failure is a
    StoreError.
    """

    def __init__(
        self,
        place: Place,
        must_exist: bool = False,
        site: str = SITE,
        keep: Keep | None = None,
    ) -> None:
        """`must_exist`: it is only read. Otherwise this is its one writer, and a second one is
        refused by name. `keep` None: everything is kept for ever.
        """
        self.place: Place = place if is_server(place) else Path(place)
        self.site, self._is_read = site, must_exist
        self.database = open_database(place, must_exist, site)
        self._retention = Retention(self.database, keep) if keep is not None else None
        self._names: Names | None = None
        self._memory = Memory()
        self._is_unsure = False
        "Whether a transaction failed that may have been stored all the same."
        if not must_exist:
            try:
                Names.register(self.database, site)
            except BaseException:
                self.close()
                raise

    def add(self, receipt: Receipt, totals: Totals | None = None) -> None:
        """Everything, or nothing; on the disk when it returns."""
        self.add_all([receipt], totals)

    def add_all(self, receipts: Sequence[Receipt], totals: Totals | None = None) -> None:
        """One transaction for all of them: everything, or nothing; on the disk when it returns."""
        try:
            with self.database.transaction() as connection:
                self.database.make_days(connection, days_of(receipts, totals))
                batch = Batch(connection, self._names_by(connection), self._memory)
                for receipt in receipts:
                    if not (self._is_unsure and self._has(connection, receipt)):
                        batch.add(receipt)
                if totals is not None:
                    batch.count(totals)
                batch.write()
        except BaseException:
            self._memory, self._names = Memory(), None
            self._is_unsure = self.database.is_server
            raise
        self._is_unsure = False

    def count(self, totals: Totals) -> None:
        """Counts alone, when no packet takes them along."""
        self.add_all([], totals)

    def introduce(self, nodes: Sequence[KnownNode]) -> None:
        """They are on the wall before they are heard, by what host.toml says of them; what it
        leaves out stays as a person said at the page.
        """
        with self.database.transaction() as connection:
            names = self._names_by(connection)
            for node in nodes:
                about = {
                    "name": node.name or None,
                    "latitude": node.latitude,
                    "longitude": node.longitude,
                    "bundle": node.bundle.id.hex(),
                }
                said = {name: value for name, value in about.items() if value is not None}
                change = NODES.update().where(NODES.c.id == names.node_id(node.number))
                connection.execute(change.values(**said))

    def tidy(self, unix_s: float) -> None:
        """Let go of a little of what is old; the clock is right."""
        if self._retention is not None:
            self._retention.step(unix_s)

    def state(self, node: int, key: bytes) -> NodeState | None:
        """Where the session of this node under this key stands; None when nothing of it is
        stored.
        """
        found = rows(self.database, select(SENDERS).where(SENDERS.c.id == self._newest(node, key)))
        if not found:
            return None
        [row] = found
        received = int.from_bytes(row["received"], "big")
        return NodeState(row["salt"], row["highest"], received, row["bundle_id"])

    def chunks_of(self, node: int, key: bytes, bundle: str, image: int) -> list[Chunk]:
        """The stored chunks of an image, as they came."""
        with self.database.reading() as connection:
            asked = {"site": self.site, "number": node, "key_id": key_id(key)}
            found = connection.execute(CHUNKS_OF, {**asked, "bundle": bundle, "image": image})
            return [Chunk(image, *row) for row in found]

    def highest_image(self, node: int, key: bytes, bundle: str) -> int:
        """No chunk of a later image is stored; -1: of none at all."""
        senders = of_sender(self.site, node, key_id(key), is_newest=False)
        query = select(func.max(CHUNKS.c.image)).where(
            CHUNKS.c.sender.in_(senders), CHUNKS.c.bundle == bundle
        )
        with self.database.reading() as connection:
            found = connection.execute(query).scalar()
        return -1 if found is None else int(found)

    def newest_image(self, node: int, key: bytes, bundle: str) -> int | None:
        """The image of the chunk stored last that was made with this bundle; None when there is
        none.
        """
        found = rows(
            self.database,
            select(CHUNKS.c.image)
            .where(CHUNKS.c.sender == self._newest(node, key), CHUNKS.c.bundle == bundle)
            .order_by(CHUNKS.c.counter.desc(), CHUNKS.c.image.desc())
            .limit(1),
        )
        return int(found[0]["image"]) if found else None

    def images(self, bundle: str, since_s: float = 0.0) -> Iterator[StoredImage]:
        """Every image of a bundle whose first chunk is here, in the order of capture, if it grew
        since then.
        """
        for _, page in image_pages(self.database, bundle):
            yield from (image for image in page if image.received_s >= since_s)

    def bundles(self) -> dict[str, int]:
        """Number of stored chunks by bundle."""
        query = select(CHUNKS.c.bundle, func.count().label("n"))
        grouped = query.group_by(CHUNKS.c.bundle).order_by(CHUNKS.c.bundle)
        return {row["bundle"]: row["n"] for row in rows(self.database, grouped)}

    def statistics(self) -> dict[str, Any]:
        """What is stored, by node, what was refused, by reason, and what links counted since the
        host's last start.
        """
        site = None if self._is_read else self.site
        return {"store": self.database.name, **statistics(self.database, site)}

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _names_by(self, connection: Connection) -> Names:
        """Remembered for as long as the connection is the same."""
        if self._names is None or self._names.connection is not connection:
            self._names = Names(connection, self.site)
        return self._names

    def _newest(self, node: int, key: bytes) -> Any:
        """The node's sender under this key, as a part of a query."""
        return of_sender(self.site, node, key_id(key))

    @staticmethod
    def _has(connection: Connection, receipt: Receipt) -> bool:
        """Whether an earlier try has stored it: the answer to its commit may have been lost."""
        senders = select(SENDERS.c.id).where(SENDERS.c.key_id == key_id(receipt.key))
        same = select(PACKETS.c.counter).where(
            PACKETS.c.sender.in_(senders),
            PACKETS.c.counter.in_([packet.counter for packet in receipt.packets]),
            PACKETS.c.received_s == receipt.received_s,
        )
        return connection.execute(same).first() is not None
