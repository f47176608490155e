"""Reading: what pages, exports and metrics ask a store. Every row is a dict ready for JSON.

    with Reading("host.sqlite") as reading:
        reading.wall("farm")                            a row for each node, from one table
        page = reading.results(Filter(label="horse"), limit=100)
        reading.results(Filter(label="horse"), before=key_of(page[-1]))

A page of results is asked for behind the key of the one before, so the last page of ten million
costs what the first does (the time stands apart in that question too: by it a server leaves out
whole days). Several threads may ask; each question is one moment of the store.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, or_, select, tuple_

from host_decoder.store.database.access import rows
from host_decoder.store.database.opening import open_database
from host_decoder.store.database.schema import (
    DECODERS,
    HAND_LABELS,
    JOBS,
    LABEL_HOUR,
    LABELS,
    LINK_HOUR,
    NODE_HOUR,
    NODE_STATE,
    NODES,
    RECEPTIONS,
    REFUSALS,
    REFUSALS_HOUR,
    RESULTS,
    SENDERS,
    SHOWN,
    SITES,
    STATUSES,
)
from host_decoder.store.database.settings import Place

MAX_PAGE = 1000
PROBABILITIES = "probabilities"
ResultKey = tuple[float, int, int]
"received_s, image and node_id of a result: pages begin behind it."
IDENTITY = (SITES.c.name.label("site"), NODES.c.number.label("node"), NODES.c.name.label("name"))
SAID = (
    *("sender", "image", "rev", "received_s", "captured_s", "counter", "confidence"),
    *("anomaly_score", "is_anomaly", "is_complete", "is_enough", "symbols_known"),
    *("bitstream_bytes", "packet_bytes", "age_s", "alive", "decoder_id", "node_id", "tasks"),
    PROBABILITIES,
)


@dataclass(frozen=True)
class Filter:
    """Which results; None: all there are."""

    site: str | None = None
    node: int | None = None
    "A number of that site."
    label: str | None = None
    since_s: float | None = None
    until_s: float | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    decoder_id: int | None = None
    "What this decoder said; None: what is shown."


class Reading:
    """A store that is only read, by any number of threads."""

    def __init__(self, place: Place) -> None:
        """Raises StoreError, as every question may."""
        self.database = open_database(place, must_exist=True)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Nodes

    def sites(self) -> list[dict[str, Any]]:
        """Each with its number of nodes."""
        n_nodes = func.count(NODES.c.id).label("nodes")
        query = select(SITES.c.name.label("site"), n_nodes).join(NODES, isouter=True)
        return rows(self.database, query.group_by(SITES.c.name).order_by(SITES.c.name))

    def wall(self, site: str | None = None) -> list[dict[str, Any]]:
        """A row for each node: who it is, its latest answer, how it was heard, how it says it is.

        Keys: site, node, name, latitude, longitude, muted_until_s, bundle, label, and the columns
        of `node_state`; all of these are null of a node that was never heard.
        """
        return [_read_state(row) for row in rows(self.database, _wall(site))]

    def node(self, site: str, number: int) -> dict[str, Any] | None:
        """Its row of the wall; None: there is no such node."""
        found = rows(self.database, _wall(site).where(NODES.c.number == number))
        return _read_state(found[0]) if found else None

    # Results

    def results(
        self,
        which: Filter | None = None,
        before: ResultKey | None = None,
        after: ResultKey | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """The latest answer on each image, the newest first; with `after` the oldest of the newer.

        Keys: site, node, name, label, decoder (such as `label@5f1e2d3c`), decoder_id, sender,
        image, rev, received_s, captured_s, confidence, is_complete, is_enough, anomaly_score,
        is_anomaly, bitstream_bytes, packet_bytes, alive, tasks, and probabilities: a list.
        """
        query = self._results(which or Filter())
        order = [RESULTS.c.received_s, RESULTS.c.image, RESULTS.c.node_id]
        if after is not None:
            behind = tuple_(*order) > after
            query = query.where(order[0] >= after[0], behind).order_by(*order)
        else:
            if before is not None:
                query = query.where(order[0] <= before[0], tuple_(*order) < before)
            query = query.order_by(*[column.desc() for column in order])
        found = rows(self.database, query.limit(min(limit, MAX_PAGE)))
        return [_read_result(row) for row in found]

    def all_results(self, which: Filter | None = None) -> Iterator[dict[str, Any]]:
        """All of them, the oldest first, a page at a time: for exports."""
        after: ResultKey = (float("-inf"), -1, -1)
        while page := self.results(which, after=after, limit=MAX_PAGE):
            yield from page
            after = key_of(page[-1])

    def revisions(self, site: str, number: int, image: int) -> list[dict[str, Any]]:
        """All that was said of an image, in order, by every decoder; keys as `results` has them."""
        nodes = select(NODES.c.id).join(SITES).where(*_of_node(site, number)).scalar_subquery()
        senders = select(SENDERS.c.id).where(SENDERS.c.node_id == nodes)
        query = _joined().where(RESULTS.c.sender.in_(senders), RESULTS.c.image == image)
        query = query.order_by(RESULTS.c.sender, RESULTS.c.decoder_id, RESULTS.c.received_s)
        return [_read_result(row) for row in rows(self.database, query)]

    def label_counts(
        self, since_hour: int, site: str | None = None, number: int | None = None
    ) -> list[dict[str, Any]]:
        """hour, label, decoder_id, n: images by the label that they have now, by Unix hour."""
        n = func.sum(LABEL_HOUR.c.n).label("n")
        query = (
            select(LABEL_HOUR.c.hour, LABELS.c.name.label("label"), LABEL_HOUR.c.decoder_id, n)
            .join(LABELS, LABELS.c.id == LABEL_HOUR.c.label_id)
            .join(NODES, NODES.c.id == LABEL_HOUR.c.node_id)
            .join(SITES)
            .where(LABEL_HOUR.c.hour >= since_hour, *_of_node(site, number))
            .group_by(LABEL_HOUR.c.hour, LABELS.c.name, LABEL_HOUR.c.decoder_id)
            .having(n > 0)
            .order_by(LABEL_HOUR.c.hour)
        )
        return rows(self.database, query)

    # Link

    def link_health(self, since_hour: int, site: str | None = None) -> list[dict[str, Any]]:
        """Gateway by node: site, node, name, gateway, n_packets, n_bytes, snr_db, rssi_dbm (means),
        share (of the node's packets, which this gateway heard).
        """
        own = (
            select(func.sum(NODE_HOUR.c.n_packets))
            .where(NODE_HOUR.c.node_id == NODES.c.id, NODE_HOUR.c.hour >= since_hour)
            .scalar_subquery()
        )
        n_packets = func.sum(LINK_HOUR.c.n_packets)
        query = (
            select(
                *IDENTITY,
                LINK_HOUR.c.gateway,
                n_packets.label("n_packets"),
                _total(LINK_HOUR.c.n_bytes).label("n_bytes"),
                _mean(LINK_HOUR.c.snr_sum, LINK_HOUR.c.snr_n).label("snr_db"),
                _mean(LINK_HOUR.c.rssi_sum, LINK_HOUR.c.rssi_n).label("rssi_dbm"),
                (n_packets * 1.0 / func.nullif(own, 0)).label("share"),
            )
            .select_from(LINK_HOUR)
            .join(NODES, NODES.c.id == LINK_HOUR.c.node_id)
            .join(SITES)
            .where(LINK_HOUR.c.hour >= since_hour, *_of_node(site, None))
            .group_by(NODES.c.id, *IDENTITY, LINK_HOUR.c.gateway)
            .order_by(SITES.c.name, NODES.c.number, LINK_HOUR.c.gateway)
        )
        return rows(self.database, query)

    def link_hours(
        self, site: str, number: int, since_hour: int
    ) -> dict[str, list[dict[str, Any]]]:
        """A node's history: `gateways` (hour, gateway, n_packets, n_bytes, snr_db, rssi_dbm),
        `hours` (hour, n_packets, n_bytes, n_lost, n_images) and `statuses` (received_s,
        queue_images, oldest_age_s, budget_s, n_evicted, fault).
        """
        node = select(NODES.c.id).join(SITES).where(*_of_node(site, number)).scalar_subquery()
        gateways = select(
            LINK_HOUR.c.hour,
            LINK_HOUR.c.gateway,
            LINK_HOUR.c.n_packets,
            LINK_HOUR.c.n_bytes,
            (LINK_HOUR.c.snr_sum / func.nullif(LINK_HOUR.c.snr_n, 0)).label("snr_db"),
            (LINK_HOUR.c.rssi_sum / func.nullif(LINK_HOUR.c.rssi_n, 0)).label("rssi_dbm"),
        ).where(LINK_HOUR.c.node_id == node, LINK_HOUR.c.hour >= since_hour)
        hours = select(NODE_HOUR).where(NODE_HOUR.c.node_id == node, NODE_HOUR.c.hour >= since_hour)
        statuses = select(STATUSES).where(
            STATUSES.c.node_id == node, STATUSES.c.received_s >= since_hour * 3600
        )
        return {
            "gateways": rows(self.database, gateways.order_by(LINK_HOUR.c.hour)),
            "hours": rows(self.database, hours.order_by(NODE_HOUR.c.hour)),
            "statuses": rows(self.database, statuses.order_by(STATUSES.c.received_s)),
        }

    def receptions(self, sender: int, counter: int) -> list[dict[str, Any]]:
        """Who heard a packet: gateway, received_s, snr_db, rssi_dbm."""
        query = select(
            RECEPTIONS.c.gateway,
            RECEPTIONS.c.received_s,
            RECEPTIONS.c.snr_db,
            RECEPTIONS.c.rssi_dbm,
        ).where(RECEPTIONS.c.sender == sender, RECEPTIONS.c.counter == counter)
        return rows(self.database, query)

    def refusals(self, site: str | None = None, since_hour: int = 0) -> list[dict[str, Any]]:
        """site, reason, n (since that hour), n_ever, last_s, last_sentence; the most first."""
        n = func.coalesce(_total(REFUSALS_HOUR.c.n), 0).label("n")
        columns = (
            SITES.c.name.label("site"),
            REFUSALS.c.reason,
            REFUSALS.c.n.label("n_ever"),
            REFUSALS.c.last_s,
            REFUSALS.c.last_sentence,
        )
        query = (
            select(*columns, n)
            .join(SITES, SITES.c.id == REFUSALS.c.site_id)
            .join(
                REFUSALS_HOUR,
                and_(
                    REFUSALS_HOUR.c.site_id == REFUSALS.c.site_id,
                    REFUSALS_HOUR.c.reason == REFUSALS.c.reason,
                    REFUSALS_HOUR.c.hour >= since_hour,
                ),
                isouter=True,
            )
            .where(*_of_node(site, None))
            .group_by(*columns)
            .order_by(n.desc())
        )
        return rows(self.database, query)

    # Decoders and jobs

    def decoders(self) -> list[dict[str, Any]]:
        """id, bundle, task, sha256, classes (a list), added_s, is_shown."""
        query = select(DECODERS, SHOWN.c.decoder_id.is_not(None).label("is_shown")).join(
            SHOWN, SHOWN.c.decoder_id == DECODERS.c.id, isouter=True
        )
        found = rows(self.database, query.order_by(DECODERS.c.id))
        return [{**row, "classes": json.loads(row["classes"])} for row in found]

    def jobs(self, limit: int = 100) -> list[dict[str, Any]]:
        """id, kind, spec (a dict), state, n_done, n_total, error, added_s, ended_s; newest first.

        A state is waiting, running, done, cancelled or failed.
        """
        found = rows(self.database, select(JOBS).order_by(JOBS.c.id.desc()).limit(limit))
        return [{**row, "spec": json.loads(row["spec"]), "cursor": None} for row in found]

    def hand_labels(self) -> dict[tuple[int, int], str]:
        """What a person called an image, by sender and image."""
        found = rows(self.database, select(HAND_LABELS))
        return {(row["sender"], row["image"]): row["label"] for row in found}

    def _results(self, which: Filter) -> Select[Any]:
        query = _joined().where(RESULTS.c.is_latest)
        if which.node is not None:
            node = select(NODES.c.id).join(SITES).where(*_of_node(which.site, which.node))
            query = query.where(RESULTS.c.node_id == node.scalar_subquery())
        elif which.site is not None:
            site = select(SITES.c.id).where(SITES.c.name == which.site).scalar_subquery()
            query = query.where(NODES.c.site_id + 0 == site)  # by time: not node after node
        if which.label is not None:
            label = select(LABELS.c.id).where(LABELS.c.name == which.label)
            query = query.where(RESULTS.c.label_id == label.scalar_subquery())
        bounds = (
            (which.since_s, RESULTS.c.received_s.__ge__),
            (which.until_s, RESULTS.c.received_s.__lt__),
            (which.min_confidence, RESULTS.c.confidence.__ge__),
            (which.max_confidence, RESULTS.c.confidence.__lt__),
        )
        query = query.where(*[compare(value) for value, compare in bounds if value is not None])
        if which.decoder_id is not None:
            return query.where(RESULTS.c.decoder_id == which.decoder_id)
        return query.where(self._is_shown())

    def _is_shown(self) -> ColumnElement[bool]:
        """What the host said when it came, but for bundles of which a later decoder is shown."""
        shown: ColumnElement[bool] = RESULTS.c.is_live
        for row in rows(self.database, select(SHOWN)):
            same = select(DECODERS.c.id).where(DECODERS.c.bundle == row["bundle"])
            is_of_then = RESULTS.c.received_s <= row["until_s"]
            shown = or_(
                and_(shown, ~and_(is_of_then, RESULTS.c.decoder_id.in_(same))),
                and_(RESULTS.c.decoder_id == row["decoder_id"], is_of_then),
            )
        return shown


def key_of(result: dict[str, Any]) -> ResultKey:
    """Behind which the next page begins."""
    return result["received_s"], result["image"], result["node_id"]


def _wall(site: str | None) -> Select[Any]:
    about = (NODES.c.latitude, NODES.c.longitude, NODES.c.muted_until_s, NODES.c.bundle)
    return (
        select(*IDENTITY, *about, LABELS.c.name.label("label"), NODE_STATE)
        .select_from(NODES)
        .join(SITES)
        .join(NODE_STATE, NODE_STATE.c.node_id == NODES.c.id, isouter=True)
        .join(LABELS, LABELS.c.id == NODE_STATE.c.label_id, isouter=True)
        .where(*_of_node(site, None))
        .order_by(SITES.c.name, NODES.c.number)
    )


def _joined() -> Select[Any]:
    decoder = DECODERS.c.task + "@" + func.substr(DECODERS.c.sha256, 1, 8)
    said = [RESULTS.c[name] for name in SAID]
    return (
        select(*IDENTITY, LABELS.c.name.label("label"), decoder.label("decoder"), *said)
        .select_from(RESULTS)
        .join(NODES, NODES.c.id == RESULTS.c.node_id)
        .join(SITES)
        .join(LABELS, LABELS.c.id == RESULTS.c.label_id)
        .join(DECODERS, DECODERS.c.id == RESULTS.c.decoder_id)
    )


def _of_node(site: str | None, number: int | None) -> list[ColumnElement[bool]]:
    wanted = ((SITES.c.name, site), (NODES.c.number, number))
    return [column == value for column, value in wanted if value is not None]


def _total(column: ColumnElement[Any]) -> ColumnElement[int]:
    """A sum of large numbers, which a server would tell as a decimal."""
    return cast(func.sum(column), BigInteger)


def _mean(total: ColumnElement[Any], n: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.sum(total) / func.nullif(func.sum(n), 0)


def _read_state(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: _read(row[name]) for name in ("top", "tasks")}


def _read_result(row: dict[str, Any]) -> dict[str, Any]:
    half = np.frombuffer(row[PROBABILITIES], np.float16)
    probabilities = [round(float(one), 4) for one in half]
    return row | {PROBABILITIES: probabilities, "tasks": _read(row["tasks"])}


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)
