"""A page of a fleet learns by the store what leader and workers know, and asks them by it."""

import json

import pytest

from host_decoder.alerts import watch
from host_decoder.config import KnownNode
from host_decoder.errors import HostError
from host_decoder.fleet import told
from host_decoder.fleet.told import Told
from host_decoder.fleet.words import ORDER, RULES, duty_name, read_order
from host_decoder.store.database.opening import open_database
from host_decoder.store.history.desk import muted_nodes
from host_decoder.store.shared import SharedStore
from tests.worlds.postgres import postgres_server
from tests.worlds.small_host import KEY, NODE


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


def test_what_is_left_is_told_once_and_what_is_asked_is_left(server, bundle, monkeypatch):
    monkeypatch.setattr(told, "LOOK_S", 0.0)
    dsn = server.new_database()
    page = Told()
    assert page.news() == []
    shared = SharedStore(dsn, ["farm"], "a")
    shared.preload({"farm": [KnownNode(NODE, KEY, bundle)]})
    page.database = database = open_database(dsn)
    assert page.news() == []
    leases = shared.leases
    leases.hand_on(duty_name("farm", "roof"), '{"used_s": 9.0, "limit_s": 36.0}')
    leases.hand_on(f"{RULES}farm", '["cold"]')
    leases.hand_on(f"farm/{watch.FILE}", json.dumps({"raised": [], "muted": [[NODE, 9.0]]}))
    duty, alarms = page.news()
    assert duty == {
        "event": "duty",
        "site": "farm",
        "gateway": "roof",
        "used_s": 9.0,
        "limit_s": 36.0,
    }
    assert (alarms["rules"], alarms["muted"]) == (["cold"], [[NODE, 9.0]])
    assert page.news() == []
    page.mute("farm", NODE, 2000.0)
    assert muted_nodes(database) == {("farm", NODE): 2000.0}
    with pytest.raises(HostError, match="there is no node 99 at site farm"):
        page.mute("farm", 99, 2000.0)
    page.order("farm", NODE, "status")
    page.order("farm", NODE, "status")
    [order] = leases.left(ORDER)
    assert read_order(order) == ("farm", NODE, "status")
    leases.take_back(order)
    assert leases.left(ORDER) == []
    shared.close()
    database.close()
