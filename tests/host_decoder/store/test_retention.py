"""What is old goes, what is to stay stays, and no step takes long."""

import time
from dataclasses import replace

import pytest

from host_decoder.store.database.settings import Keep
from host_decoder.store.retention import DAY_S, PASS_S, Retention
from host_decoder.store.store import Store
from tests.host_decoder.store.history.test_reading import receipt, said
from tests.worlds.postgres import postgres_server
from tests.worlds.stored import read

NOW_S = time.time()
KEEP = Keep(packets_days=2, results_days=5, hours_days=9)


def aged(image: int, days: float):
    told = replace(said(image), received_s=NOW_S - days * DAY_S)
    return receipt(told)


def fill(store: Store) -> None:
    for image, days in ((1, 20.0), (3, 7.0), (5, 3.0), (7, 0.0)):
        store.add(aged(image, days))


def counts(store: Store) -> dict[str, int]:
    tables = ("packets", "receptions", "results", "chunks", "node_hour", "label_hour", "link_hour")
    return {table: read(store, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables}


def tidy(store: Store) -> None:
    retention = Retention(store.database, KEEP)
    for second in range(60):
        retention.step(NOW_S + second)


LEFT = {
    "packets": 1,
    "receptions": 1,
    "results": 2,
    "chunks": 4,
    "node_hour": 3,
    "label_hour": 3,
    "link_hour": 3,
}


def test_each_kind_goes_at_its_age_and_bitstreams_stay(tmp_path):
    with Store(tmp_path / "host.sqlite") as store:
        fill(store)
        assert set(counts(store).values()) == {4}
        tidy(store)
        assert counts(store) == LEFT


def test_at_a_server_days_go_as_a_whole():
    with postgres_server() as server, Store(server.new_database(), site="farm") as store:
        fill(store)
        tidy(store)
        assert counts(store) == LEFT


def test_a_pass_is_begun_once_an_hour_whatever_the_clock_does(tmp_path):
    with Store(tmp_path / "host.sqlite") as store:
        retention = Retention(store.database, KEEP)
        retention.step(NOW_S)
        fill(store)
        for second in range(60):
            retention.step(NOW_S + second)
        assert counts(store) != LEFT
        for second in range(60):
            retention.step(NOW_S + PASS_S + second)
        assert counts(store) == LEFT
        retention.step(NOW_S - 10 * DAY_S)  # somebody sets the clock


@pytest.mark.parametrize("days", [1, 30])
def test_what_is_younger_stays(tmp_path, days):
    with Store(tmp_path / "host.sqlite") as store:
        store.add(aged(1, days - 0.5))
        Retention(store.database, Keep(packets_days=days)).step(NOW_S)
        assert counts(store)["packets"] == 1
