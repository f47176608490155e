"""A page without keys, of a real server's database, in processes of its own."""

import json
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from host_decoder.config import KnownNode
from host_decoder.errors import ConfigError
from host_decoder.fleet import news
from host_decoder.fleet.page import show
from host_decoder.receive.host import Host
from host_decoder.store.shared import SharedStore
from tests.worlds.broker import PATIENCE_S, free_port
from tests.worlds.postgres import postgres_server
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def dsn(server):
    return server.new_database()


@contextmanager
def page(folder, dsn, trouble=""):
    """Its address; what else it says."""
    port = free_port()
    (folder / "host.toml").write_text(
        f'store = "{dsn}"\n[fleet]\nhost = "broker"\ngateways = ["roof"]\nprofile = "udp"\n'
        f"[web]\nport = {port}\n"
        '[[node]]\nnode = 7\nkey = "a key that is not here"\nbundle = "nor this"\n'
    )
    over = threading.Event()
    said: list[str] = []
    thread = threading.Thread(target=show, args=[folder, over.is_set, said.append])
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        over.set()
        thread.join(PATIENCE_S)
    assert said[0] == f"the page is at http://127.0.0.1:{port}"
    assert all(trouble and trouble in one for one in said[1:]), said


def ask(url: str):
    """As soon as it answers."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return urllib.request.urlopen(url, timeout=PATIENCE_S)
        except urllib.error.URLError:
            assert time.monotonic() < end_s
            time.sleep(0.1)


def test_a_page_shows_what_workers_store_and_what_is_new_without_any_key(tmp_path, dsn, bundle):
    shared, node = SharedStore(dsn, ["farm"], "a"), SmallNode(bundle)
    host = Host([KnownNode(NODE, KEY, bundle)], shared.of("farm"))

    def store(seed: int) -> None:
        [packet] = node.packets(random_symbols(bundle.tables, seed))
        lines = [news.line("farm", event) for event in host.receive(packet, 1.0)]
        shared.commit({}, [line for line in lines if line is not None])

    store(1)
    with page(tmp_path, dsn) as url:
        ask(f"{url}/healthz").close()
        with ask(f"{url}/api/1/nodes") as answer:
            [shown] = json.load(answer)["nodes"]
        assert (shown["site"], shown["node"]) == ("farm", NODE)
        with ask(f"{url}/live") as stream:
            time.sleep(1.0)
            store(2)
            for line in stream:
                if line.startswith(b'data: {"n"'):
                    break
        [told] = json.loads(line[6:])["results"]
        assert (told["site"], told["node"]) == ("farm", NODE)
    shared.close()


def test_a_page_that_comes_first_waits_for_a_worker(tmp_path, server, bundle):
    dsn = server.new_database()
    with page(tmp_path, dsn, "has no table") as url:
        time.sleep(1.0)
        shared = SharedStore(dsn, ["farm"], "a")
        shared.preload({"farm": [KnownNode(NODE, KEY, bundle)]})
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            with ask(f"{url}/healthz"), ask(f"{url}/api/1/nodes") as answer:
                if json.load(answer)["nodes"]:
                    break
        else:
            raise AssertionError("the page shows no node")
        shared.close()


def test_a_page_of_a_file_is_the_hosts_own(tmp_path):
    (tmp_path / "host.toml").write_text('[link]\nport = "/dev/x"\n')
    with pytest.raises(ConfigError, match="reads a PostgreSQL server"):
        show(tmp_path, lambda: True, print)
