"""History: what pages ask of ten million results, how long it takes, and by which index.

The tables are filled by SQL, as a host would have filled them in a month; the questions are those
of the pages (host_decoder.store.history.reading), each with places drawn anew.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, event, text

from host_decoder.store.database.access import Database
from host_decoder.store.database.schema import RESULTS
from host_decoder.store.database.settings import Place
from host_decoder.store.history.reading import Filter, Reading
from host_decoder.store.store import Store

DAY_S, HOUR_S = 86_400, 3600
N_DAYS, N_LABELS, NODES_OF_A_SITE = 30, 10, 250
PAGE = 100
BEGIN_S = 20_000.0 * DAY_S
Question = Callable[[], Any]

NODES = """
INSERT INTO nodes (id, site_id, number, added_s)
SELECT i + 1, i / 250 + 1, i % 250 + 1, 0 FROM {numbers} AS n
"""
SENDERS = """
INSERT INTO senders (id, node_id, key_id, salt, highest, received, bundle_id)
SELECT i + 1, i + 1, 'key', :empty, 1, :empty, :empty FROM {numbers} AS n
"""
DAY = """
INSERT INTO results (
    sender, image, rev, decoder_id, received_s, node_id, captured_s, counter, label_id,
    probabilities, confidence, is_latest, is_live, is_complete, is_enough, symbols_known,
    bitstream_bytes, packet_bytes, age_s
)
SELECT
    i % :n_nodes + 1, i / :n_nodes * 2, 1, 1, :begin_s + i * :step_s, i % :n_nodes + 1,
    :begin_s + i * :step_s, i / :n_nodes * 2 + 1, i * 7919 / 13 % :n_labels + 1,
    :probabilities, (i * 104729 % 1000) / 1000.0, true, true, true, false, 40, 30, 45, 0
FROM {numbers} AS n
"""
HOURS = """
INSERT INTO node_hour (node_id, hour, n_packets, n_bytes, n_lost, n_images)
SELECT i % :n_nodes + 1, :hour + i / :n_nodes, 10, 450, 0, 10 FROM {numbers} AS n
"""
LINKS = """
INSERT INTO link_hour (node_id, hour, gateway, n_packets, n_bytes, snr_n, snr_sum, rssi_n, rssi_sum)
SELECT i % :n_nodes + 1, :hour + i / :n_nodes, 'roof', 10, 450, 10, 50, 10, -900
FROM {numbers} AS n
"""
LABELS = """
INSERT INTO label_hour (node_id, hour, decoder_id, label_id, n)
SELECT i % :n_nodes + 1, :hour + i / :n_nodes, 1, i % :n_labels + 1, 10 FROM {numbers} AS n
"""


def history(
    place: Place, n_results: int, n_sites: int, n_asked: int, seed: int
) -> dict[str, float]:
    """Figures of so many results of so many sites; each question is asked n_asked times."""
    begun_s = time.monotonic()
    with Store(place, site="site0") as store:
        fill(store.database, n_results, n_sites)
    filled_s = time.monotonic() - begun_s
    draw = random.Random(seed)
    with Reading(place) as reading, _plans() as plans:
        took_ms: dict[str, list[float]] = {}
        for name, question in _questions(reading, n_results, n_sites, n_asked, draw):
            begun_s = time.monotonic()
            found = question()
            took_ms.setdefault(name, []).append(1e3 * (time.monotonic() - begun_s))
            assert found, f"{name} found nothing"
    scans = sorted(plan for plan in plans if is_scan(plan))
    assert scans == [], scans
    worst = max(took_ms, key=lambda name: float(np.percentile(took_ms[name], 95)))
    print({name: round(float(np.percentile(one, 95)), 1) for name, one in took_ms.items()})
    return {
        "history_results": n_results,
        "history_p95_ms": float(np.percentile([ms for one in took_ms.values() for ms in one], 95)),
        "history_median_ms": float(np.median([ms for one in took_ms.values() for ms in one])),
        "history_worst_p95_ms": float(np.percentile(took_ms[worst], 95)),
        "history_filled_s": filled_s,
    }


def fill(database: Database, n_results: int, n_sites: int) -> None:
    """A month of a fleet, as a host would have left it."""
    n_nodes, n_hours = n_sites * NODES_OF_A_SITE, N_DAYS * 24
    hour = int(BEGIN_S // HOUR_S)
    with database.transaction() as connection:
        if database.is_server:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        database.make_days(connection, range(int(BEGIN_S // DAY_S), int(BEGIN_S // DAY_S) + N_DAYS))
        for number in range(1, n_sites):
            connection.execute(text(f"INSERT INTO sites (name) VALUES ('site{number}')"))
        for number in range(N_LABELS):
            connection.execute(text(f"INSERT INTO labels (name) VALUES ('label{number}')"))
        decoder = "'00', 'label', '5f1e2d3c', '[]', 0"
        columns = "bundle, task, sha256, classes, added_s"
        connection.execute(text(f"INSERT INTO decoders ({columns}) VALUES ({decoder})"))
        _run(connection, NODES, 0, n_nodes)
        _run(connection, SENDERS, 0, n_nodes, empty=b"")
        for statement in (HOURS, LINKS, LABELS):
            more = {"n_labels": N_LABELS} if statement is LABELS else {}
            _run(connection, statement, 0, n_nodes * n_hours, n_nodes=n_nodes, hour=hour, **more)
        for index in RESULTS.indexes:
            index.drop(connection)
    probabilities = np.full(N_LABELS, 0.1, np.float16).tobytes()
    for day in range(N_DAYS):
        with database.transaction() as connection:
            if database.is_server:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            _run(
                connection,
                DAY,
                day * n_results // N_DAYS,
                (day + 1) * n_results // N_DAYS,
                n_nodes=n_nodes,
                n_labels=N_LABELS,
                begin_s=BEGIN_S,
                step_s=N_DAYS * DAY_S / n_results,
                probabilities=probabilities,
            )
    with database.transaction() as connection:
        if database.is_server:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        for index in RESULTS.indexes:
            index.create(connection)
        if database.is_server:  # which a server does by itself
            connection.execute(text("ANALYZE"))


def _run(connection: Connection, statement: str, first: int, end: int, **values: Any) -> None:
    """For the whole numbers i from first on."""
    numbers = (
        "(SELECT generate_series(CAST(:first AS bigint), :last) AS i)"
        if connection.dialect.name == "postgresql"
        else "(WITH RECURSIVE c(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM c WHERE i < :last)"
        " SELECT i FROM c)"
    )
    values |= {"first": first, "last": end - 1}
    connection.execute(text(statement.format(numbers=numbers)), values)


def _questions(
    reading: Reading, n_results: int, n_sites: int, n_asked: int, draw: random.Random
) -> Iterator[tuple[str, Question]]:
    """What pages ask, in turn."""
    n_images, last_hour = n_results // (n_sites * NODES_OF_A_SITE), BEGIN_S // HOUR_S + N_DAYS * 24
    for _ in range(n_asked):
        site, number = f"site{draw.randrange(n_sites)}", draw.randint(1, NODES_OF_A_SITE)
        own, image = Filter(site, number), 2 * draw.randrange(n_images)
        label = f"label{draw.randrange(N_LABELS)}"
        at_s = BEGIN_S + DAY_S + draw.random() * (N_DAYS - 1) * DAY_S
        hour = Filter(since_s=at_s - HOUR_S, until_s=at_s)
        pages: dict[str, tuple[Filter, bool]] = {
            "newest": (Filter(), False),
            "deep": (Filter(), True),
            "node": (own, False),
            "node, deep": (own, True),
            "site": (Filter(site), True),
            "label": (Filter(label=label), True),
            "label of a node": (Filter(site, number, label), False),
            "hour": (hour, False),
            "unsure": (Filter(max_confidence=0.05), True),
        }
        for name, (which, is_deep) in pages.items():
            before = (at_s, 1 << 60, 0) if is_deep else None
            yield name, partial(reading.results, which, before, limit=PAGE)
        yield "image", partial(reading.revisions, site, number, image)
        yield "node's month", partial(reading.link_hours, site, number, 0)
        yield "node's labels", partial(reading.label_counts, 0, site, number)
        yield "links of a day", partial(reading.link_health, int(last_hour) - 24)
        yield "wall", reading.wall


@contextmanager
def _plans() -> Iterator[set[str]]:
    """The lines of the plans of all that is asked meanwhile."""
    found: set[str] = set()
    seen: set[str] = set()
    explaining = False

    def explain(connection: Any, cursor: Any, statement: str, values: Any, *others: Any) -> None:
        nonlocal explaining
        if explaining or statement in seen or not statement.lstrip().startswith("SELECT"):
            return
        seen.add(statement)
        is_server = connection.dialect.name == "postgresql"
        how = "EXPLAIN" if is_server else "EXPLAIN QUERY PLAN"
        explaining = True
        try:
            told = connection.exec_driver_sql(f"{how} {statement}", values)
            found.update(str(row[-1]).strip() for row in told)
        finally:
            explaining = False

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def is_scan(plan: str) -> bool:
    """Whether a line of a plan goes over all of a table that grows; a server does so, rightly,
    where a table by hour is small, and over a day to come, which is empty.
    """
    if "cost=" in plan:
        return "Seq Scan on results" in plan and "cost=0.00..0.00" not in plan
    tables = ("results", "label_hour", "link_hour", "node_hour")
    is_all = plan.startswith("SCAN ") and " USING INDEX " not in plan
    return is_all and any(table in plan for table in tables)
