"""Statistics: what a store holds, counted when a person asks (`latentlink host stats`)."""

import json
from typing import Any

from sqlalchemy import Select, func, select

from host_decoder.store.database.access import Database, rows
from host_decoder.store.database.schema import (
    CHUNKS,
    LABELS,
    NODES,
    PACKETS,
    REFUSALS,
    RESULTS,
    SENDERS,
    SITES,
    STATISTICS,
)

LATEST = RESULTS.c.is_latest & RESULTS.c.is_live


def statistics(database: Database, site: str | None) -> dict[str, Any]:
    """What one site has; None: what all have."""

    def of_site(query: Select[Any]) -> list[dict[str, Any]]:
        return rows(database, query if site is None else query.where(SITES.c.name == site))

    images = (
        select(func.count(CHUNKS.c.image.distinct()))
        .where(CHUNKS.c.sender == SENDERS.c.id)
        .scalar_subquery()
    )
    first_s, last_s = func.min(PACKETS.c.received_s), func.max(PACKETS.c.received_s)
    nodes = (
        select(
            NODES.c.number.label("node"),
            SENDERS.c.key_id,
            SENDERS.c.highest.label("highest_counter"),
            func.count().label("packets"),
            images.label("images"),
            func.sum(PACKETS.c.n_bytes).label("packet_bytes"),
            first_s.label("first_s"),
            last_s.label("last_s"),
        )
        .join_from(PACKETS, SENDERS, SENDERS.c.id == PACKETS.c.sender)
        .join(NODES, NODES.c.id == SENDERS.c.node_id)
        .join(SITES)
        .group_by(NODES.c.number, SENDERS.c.id)
        .order_by(NODES.c.number, first_s)
    )
    n_images = func.count().label("images")
    answers = (
        select(NODES.c.number.label("node"), n_images)
        .select_from(RESULTS)
        .join(NODES, NODES.c.id == RESULTS.c.node_id)
        .join(SITES)
        .where(LATEST)
        .group_by(NODES.c.number)
        .order_by(NODES.c.number)
    )
    labels = (
        answers.join(LABELS, LABELS.c.id == RESULTS.c.label_id)
        .add_columns(LABELS.c.name.label("label"))
        .group_by(LABELS.c.name)
        .order_by(n_images.desc(), LABELS.c.name)
    )
    n_alive = func.length(func.replace(RESULTS.c.alive, "0", ""))
    members = func.length(RESULTS.c.alive)
    alive = (
        answers.add_columns(n_alive.label("alive"), members.label("members"))
        .where(RESULTS.c.alive.is_not(None))
        .group_by(n_alive, members)
        .order_by(n_alive.desc())
    )
    refusals = (
        select(REFUSALS.c.reason, REFUSALS.c.n, REFUSALS.c.last_s, REFUSALS.c.last_sentence)
        .join(SITES, SITES.c.id == REFUSALS.c.site_id)
        .order_by(REFUSALS.c.n.desc())
    )
    return {
        "nodes": of_site(nodes),
        "labels": of_site(labels),
        "alive": of_site(alive),
        "refusals": of_site(refusals),
        "link": [
            {name: value for name, value in row.items() if name != "site"}
            for row in link_figures(database, site)
        ],
    }


def link_figures(database: Database, site: str | None = None) -> list[dict[str, Any]]:
    """What each node's link counted since its host's last start: site, node, started_s, and the
    figures of link.host.statistics.
    """
    latest_start = (
        select(STATISTICS.c.node_id, func.max(STATISTICS.c.started_s).label("started_s"))
        .group_by(STATISTICS.c.node_id)
        .subquery()
    )
    link = (
        select(
            SITES.c.name.label("site"),
            NODES.c.number.label("node"),
            STATISTICS.c.started_s,
            STATISTICS.c.figures,
        )
        .select_from(STATISTICS)
        .join(NODES, NODES.c.id == STATISTICS.c.node_id)
        .join(SITES)
        .join(
            latest_start,
            (latest_start.c.node_id == STATISTICS.c.node_id)
            & (latest_start.c.started_s == STATISTICS.c.started_s),
        )
        .order_by(SITES.c.name, NODES.c.number)
    )
    found = rows(database, link if site is None else link.where(SITES.c.name == site))
    return [json.loads(row.pop("figures")) | row for row in found]
