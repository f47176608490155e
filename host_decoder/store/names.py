"""Names: the numbers under which a store knows its site, nodes, senders, decoders and labels.

Asked for by every packet and changed almost never, so they are remembered; a failed transaction
takes what it made with it, and a new one is begun.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select

from host_decoder.store.database.access import Database, insert_new, rows
from host_decoder.store.database.schema import DECODERS, LABELS, NODES, SENDERS, SITES, STATISTICS
from host_decoder.store.receipt import Receipt

BITMAP_BYTES = 8


class Names:
    """The numbers of one site, by one connection."""

    def __init__(self, connection: Connection, site: str) -> None:
        """The site is registered."""
        self.connection = self._db = connection
        self.site_id: int = connection.execute(
            select(SITES.c.id).where(SITES.c.name == site)
        ).scalar_one()
        self._nodes: dict[int, int] = {}
        self._senders: dict[tuple[int, bytes], tuple[int, int]] = {}
        "By node and key: the sender and its highest counter."
        self._last_sender: dict[int, int] = {}
        self._unheard: set[tuple[int, bytes]] = set()
        "Nodes and keys of which no sender is stored."
        self.made: set[int] = set()
        "Senders that were made since: nothing is stored of them but by this."
        self._decoders: dict[tuple[str, str, str], int] = {}
        self._labels: dict[str, int] = {}

    @staticmethod
    def register(database: Database, site: str) -> None:
        """A file is one host's: the one site that it holds is called as its host says now."""
        known = [row["name"] for row in rows(database, select(SITES.c.name))]
        if site in known:
            return
        with database.transaction() as connection:
            if known and not database.is_server:
                connection.execute(SITES.update().values(name=site))
            else:
                insert_new(connection, SITES, [{"name": site}])

    def preload(self, numbers: Sequence[int]) -> dict[int, int]:
        """Nodes of this site by their numbers, all at once; made where they are new."""
        query = select(NODES.c.number, NODES.c.id).where(NODES.c.site_id == self.site_id)
        found = {row.number: row.id for row in self._db.execute(query)}
        if new := sorted(set(numbers) - found.keys()):
            now_s = time.time()
            entries = [{"site_id": self.site_id, "number": n, "added_s": now_s} for n in new]
            insert_new(self._db, NODES, entries)
            found = {row.number: row.id for row in self._db.execute(query)}
        self._nodes |= found
        return {number: found[number] for number in numbers}

    def learn_sender(self, number: int, key: bytes, sender: int, highest: int) -> None:
        """It is this node's newest under this key, with this counter."""
        self._senders[number, key] = sender, highest
        self._unheard.discard((number, key))
        self.made.discard(sender)

    def learn_unheard(self, number: int, key: bytes) -> None:
        """No sender of that node is stored under that key."""
        self._unheard.add((number, key))
        self._senders.pop((number, key), None)

    def node_id(self, number: int) -> int:
        """A node of this site; made when it is new."""
        if number not in self._nodes:
            entry = {"site_id": self.site_id, "number": number, "added_s": time.time()}
            insert_new(self._db, NODES, [entry])
            self._nodes[number] = self._db.execute(
                select(NODES.c.id).where(NODES.c.site_id == self.site_id, NODES.c.number == number)
            ).scalar_one()
        return self._nodes[number]

    def sender(self, receipt: Receipt, sessions: dict[int, dict[str, Any]]) -> tuple[int, int]:
        """The node, and its sender: a new one where counters began anew, as they may at a node that
        hears nobody. Where its session now stands is put among the `sessions`.
        """
        node_id, key = self.node_id(receipt.node), key_id(receipt.key)
        place = receipt.node, receipt.key
        state = receipt.state
        values = {
            "salt": state.salt,
            "highest": state.highest,
            "received": state.received.to_bytes(BITMAP_BYTES, "big"),
            "bundle_id": state.bundle_id,
        }
        known = self._senders.get(place)
        if known is None and place not in self._unheard:
            known = self._stored_sender(node_id, key)
        if known is None or state.highest < known[1]:
            made = self._db.execute(
                insert(SENDERS).returning(SENDERS.c.id),
                {"node_id": node_id, "key_id": key, **values},
            ).scalar_one()
            known = made, state.highest
            self.made.add(made)
            self._unheard.discard(place)
        else:
            sessions[known[0]] = {"id": known[0], **values}
        self._senders[place] = known[0], state.highest
        self._last_sender[receipt.node] = known[0]
        return node_id, known[0]

    def known_sender(self, number: int) -> tuple[int, int] | None:
        """The node and the sender that was heard last since this start."""
        sender = self._last_sender.get(number)
        return None if sender is None else (self.node_id(number), sender)

    def decoder_id(
        self, bundle: str, task: str, sha256: str, classes: Sequence[str], now_s: float
    ) -> int:
        """What answers; the labels that it may give are known from then on."""
        key = bundle, task, sha256
        if key not in self._decoders:
            named = {"bundle": bundle, "task": task, "sha256": sha256}
            entry = {**named, "classes": json.dumps(list(classes)), "added_s": now_s}
            insert_new(self._db, DECODERS, [entry])
            self._decoders[key] = self._db.execute(
                select(DECODERS.c.id).filter_by(**named)
            ).scalar_one()
        return self._decoders[key]

    def label_id(self, label: str) -> int:
        if label not in self._labels:
            insert_new(self._db, LABELS, [{"name": label}])
            self._labels[label] = self._db.execute(
                select(LABELS.c.id).where(LABELS.c.name == label)
            ).scalar_one()
        return self._labels[label]

    def lost_before(self, node_id: int, started_s: float) -> int:
        """Packets lost, as stored since that start of the host."""
        found = self._db.execute(
            select(STATISTICS.c.figures).where(
                STATISTICS.c.node_id == node_id, STATISTICS.c.started_s == started_s
            )
        ).scalar_one_or_none()
        return int(json.loads(found).get("lost", 0)) if found else 0

    def _stored_sender(self, node_id: int, key: str) -> tuple[int, int] | None:
        row = self._db.execute(
            select(SENDERS.c.id, SENDERS.c.highest)
            .where(SENDERS.c.node_id == node_id, SENDERS.c.key_id == key)
            .order_by(SENDERS.c.id.desc())
            .limit(1)
        ).first()
        return None if row is None else (row[0], row[1])


def of_sender(site: Any, number: Any, key: Any, is_newest: bool = True) -> Any:
    """The newest sender of a node under a key, or all there are, as a part of a query."""
    query = (
        select(func.max(SENDERS.c.id) if is_newest else SENDERS.c.id)
        .join(NODES, NODES.c.id == SENDERS.c.node_id)
        .join(SITES, SITES.c.id == NODES.c.site_id)
        .where(SITES.c.name == site, NODES.c.number == number, SENDERS.c.key_id == key)
    )
    return query.scalar_subquery() if is_newest else query


def key_id(key: bytes) -> str:
    """Tells keys apart without telling them."""
    return hashlib.sha256(b"latentlink key id" + key).hexdigest()[:16]
