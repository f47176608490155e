"""Jobs that are asked for beside a host that listens are done while it does."""

import time

from host_decoder.config import KnownNode
from host_decoder.events import Answer
from host_decoder.receive.host import Host
from host_decoder.store.history.desk import Desk
from host_decoder.store.history.reading import Reading
from host_decoder.store.history.worker import job_worker
from host_decoder.store.store import Store
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, make_bundle

PATIENCE_S = 60.0


def test_a_job_is_done_while_packets_come(tmp_path, bundle):
    new = make_bundle(tmp_path / "new", bundle.tables, decoder_seed=1)
    with Store(tmp_path / "farm.sqlite") as store, Reading(tmp_path / "farm.sqlite") as reading:
        host, node = Host([KnownNode(NODE, KEY, bundle)], store), SmallNode(bundle)
        with job_worker(store.database, look_s=0.01):
            Desk(store.database).ask_job("redecode", {"bundle": str(new.path)})
            until_s = time.monotonic() + PATIENCE_S
            for seed in range(50):
                [packet] = node.packets(random_symbols(bundle.tables, seed))
                assert any(isinstance(event, Answer) for event in host.receive(packet, float(seed)))
            while reading.jobs()[0]["state"] != "done" and time.monotonic() < until_s:
                time.sleep(0.01)
        assert reading.jobs()[0]["state"] == "done"
        host.close()
