"""Desk: what a person decides at a page or a command line, written beside what the host writes.

    desk = Desk(store.database)          in the host's own process
    desk = Desk(open_database(dsn))      beside it, at a server

None of it needs a key. A file has one writing process: there the desk is the host's own.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from host_decoder.errors import HostError
from host_decoder.store.database.access import Database, insert_or_replace, rows
from host_decoder.store.database.schema import DECODERS, HAND_LABELS, JOBS, NODES, SHOWN, SITES

WAITING, RUNNING, DONE, CANCELLED, FAILED = "waiting", "running", "done", "cancelled", "failed"
"States of a job."
ABOUT_A_NODE = frozenset({"name", "latitude", "longitude", "muted_until_s"})


class Desk:
    """What is decided counts when a call returns; StoreError when it does not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe_node(self, site: str, number: int, **about: Any) -> None:
        """Its name, latitude and longitude, or until when no alert of it is wanted; None takes
        back.
        """
        unknown = set(about) - ABOUT_A_NODE
        if unknown or not about:
            raise HostError(
                f"a node has no {', '.join(sorted(unknown)) or 'such detail'}; "
                f"it has {', '.join(sorted(ABOUT_A_NODE))}"
            )
        sites = select(SITES.c.id).where(SITES.c.name == site).scalar_subquery()
        change = update(NODES).where(NODES.c.site_id == sites, NODES.c.number == number)
        with self._database.transaction() as connection:
            if not connection.execute(change.values(**about)).rowcount:
                raise HostError(f"there is no node {number} at site {site}")

    def label_image(self, sender: int, image: int, label: str | None) -> None:
        """What a person says that an image shows; None takes it back."""
        with self._database.transaction() as connection:
            if label is None:
                connection.execute(HAND_LABELS.delete().filter_by(sender=sender, image=image))
                return
            entry = {"sender": sender, "image": image, "label": label, "labelled_s": time.time()}
            insert_or_replace(connection, HAND_LABELS, [entry])

    def ask_job(self, kind: str, spec: Mapping[str, Any]) -> int:
        """The number of a job that waits to be done."""
        entry = {
            "kind": kind,
            "spec": json.dumps(spec),
            "state": WAITING,
            "n_done": 0,
            "n_total": 0,
            "added_s": time.time(),
        }
        with self._database.transaction() as connection:
            made = connection.execute(insert(JOBS).returning(JOBS.c.id), entry)
            return int(made.scalar_one())

    def cancel_job(self, number: int) -> None:
        """It ends behind the images that it is at; what it has done stays."""
        change = update(JOBS).where(JOBS.c.id == number, JOBS.c.state.in_((WAITING, RUNNING)))
        with self._database.transaction() as connection:
            connection.execute(change.values(state=CANCELLED, ended_s=time.time()))

    def show(self, decoder_id: int, until_s: float) -> None:
        """Images of its bundle that came until then are shown as this decoder sees them: in one
        step, and nothing else is changed.
        """
        found = rows(self._database, select(DECODERS.c.bundle).where(DECODERS.c.id == decoder_id))
        if not found:
            raise HostError(f"there is no decoder {decoder_id}")
        entry = {"bundle": found[0]["bundle"], "decoder_id": decoder_id, "until_s": until_s}
        with self._database.transaction() as connection:
            insert_or_replace(connection, SHOWN, [entry])

    def show_as_told(self, bundle: str) -> None:
        """And back: images are shown as the host told them when they came."""
        with self._database.transaction() as connection:
            connection.execute(SHOWN.delete().filter_by(bundle=bundle))


def muted_nodes(database: Database) -> dict[tuple[str, int], float]:
    """Until when no alert of a node is wanted, by site and number, as far as anybody said so."""
    query = (
        select(SITES.c.name, NODES.c.number, NODES.c.muted_until_s)
        .join(SITES, SITES.c.id == NODES.c.site_id)
        .where(NODES.c.muted_until_s.is_not(None))
    )
    return {(row["name"], row["number"]): row["muted_until_s"] for row in rows(database, query)}
