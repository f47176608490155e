"""What a leader does for all: an alert is said once, by whoever leads, and a job is done."""

import time

import pytest

from host_decoder.config import KnownNode, read_config
from host_decoder.events import Notice
from host_decoder.fleet import news
from host_decoder.fleet.service import Service
from host_decoder.receive.host import Host
from host_decoder.store.history import jobs
from host_decoder.store.history.desk import DONE
from host_decoder.store.shared import SharedStore
from tests.worlds.fleet import wait_until
from tests.worlds.postgres import postgres_server
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, right_label
from tests.worlds.stored import read


@pytest.fixture(scope="module")
def dsn():
    with postgres_server() as server:
        yield server.new_database()


def config(folder, dsn, bundle, label: str):
    folder.mkdir()
    (folder / "node.key").write_text(KEY.hex())
    (folder / "host.toml").write_text(
        f'site = "farm"\nstore = "{dsn}"\n'
        '[fleet]\nhost = "broker"\ngateways = ["roof"]\nprofile = "udp"\n'
        f'[[alert]]\nkind = "label"\nlabel = "{label}"\nlimit = 0\nhold_s = 0\n'
        f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\n'
    )
    return read_config(folder)


def test_the_next_leader_knows_what_was_raised_and_jobs_are_done(tmp_path, dsn, calibrated_bundle):
    bundle = calibrated_bundle
    symbols = random_symbols(bundle.tables, 1)
    label = right_label(symbols)
    shared, node = SharedStore(dsn, ["farm"], "a"), SmallNode(bundle)
    host = Host([KnownNode(NODE, KEY, bundle)], shared.of("farm"))
    said: list[list[Notice]] = [[], []]
    for number in range(2):
        own = config(tmp_path / str(number), dsn, bundle, label)
        service = Service([own], f"owner {number}", said[number].append)
        service.lead(True)
        if not number:
            time.sleep(1.5)
            [packet] = node.packets(symbols)
            lines = [news.line("farm", event) for event in host.receive(packet, 1.0)]
            shared.commit({}, [line for line in lines if line is not None])
            wait_until(lambda: any(label in notice.sentence for notice in said[0]))
            jobs.redecode_job(shared.database, bundle)
            wait_until(lambda: _states(shared) == [DONE])
        else:
            time.sleep(2.5)
        service.lead(False)
    assert said[1] == []
    shared.close()


def _states(shared: SharedStore) -> list[str]:
    return [row["state"] for row in read(shared.of("farm"), "SELECT state FROM jobs")]
