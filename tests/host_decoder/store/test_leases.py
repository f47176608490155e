"""Leases at a real server: one owner at a time, and who slept past one stores nothing."""

import time

import pytest

from host_decoder.store import leases as module
from host_decoder.store.database.postgres import PostgresServer
from host_decoder.store.leases import LeaseLostError, Leases
from tests.worlds.postgres import postgres_server


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def two(server, monkeypatch):
    """Two workers' leases, which end soon."""
    monkeypatch.setattr(module, "LEASE_S", 0.3)
    dsn = server.new_database()
    databases = [PostgresServer(dsn, shared_sites=["farm"]) for _ in range(2)]
    yield [Leases(one, name) for one, name in zip(databases, "ab", strict=True)]
    for one in databases:
        one.close()


def test_one_owner_at_a_time_and_an_epoch_for_each(two):
    first, second = two
    assert first.take("p07") == 1
    assert second.take("p07") is None
    assert first.take("p07") is None
    assert first.renew() == {"p07": 1}
    assert second.held() == {"p07"}
    time.sleep(0.4)
    assert second.held() == set()
    assert second.take("p07") == 2
    assert first.renew() == {}


def test_what_is_released_is_free_at_once(two):
    first, second = two
    first.take("p01")
    first.release(["p01"])
    assert second.take("p01") == 2


def test_a_zombie_past_its_lease_stores_nothing(two):
    first, second = two
    epoch = first.take("p07")
    time.sleep(0.4)
    second.take("p07")

    def store() -> None:
        with first._database.transaction() as connection:
            connection.exec_driver_sql("CREATE TABLE of_a_zombie (id integer)")
            first.check(connection, {"p07": epoch})

    with pytest.raises(LeaseLostError, match="another worker has taken p07 over"):
        store()
    with second._database.reading() as connection:
        found = connection.exec_driver_sql("SELECT to_regclass('of_a_zombie')").scalar()
    assert found is None


def test_who_takes_over_waits_for_what_is_being_stored(two):
    first, second = two
    epoch = first.take("p07")
    with first._database.transaction() as connection:
        first.check(connection, {"p07": epoch})
        time.sleep(0.4)
        with second._database.transaction() as other:
            other.exec_driver_sql("SET LOCAL lock_timeout = 100")
            with pytest.raises(Exception, match="lock timeout"):
                other.execute(module._TAKE, {"name": "p07", "owner": "b", "lease_s": 1.0})
            other.exec_driver_sql("ROLLBACK")
            other.exec_driver_sql("BEGIN")
    assert second.take("p07") == 2
