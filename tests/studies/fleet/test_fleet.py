"""The parts of the study, small: what they measure is so, and a part leaves what others wrote."""

import argparse
import json

import pytest

from link.bundle.bundle import Bundle
from link.output.results import write_result
from tests.scale import IS_NIGHTLY
from tests.studies.fleet.fleet_part import PARTS, fleet_killed, fleet_throughput
from tests.studies.fleet.history_part import history, is_scan
from tests.studies.fleet.redecode_part import redecoded
from tests.studies.fleet.sqlite_part import killed, throughput
from tests.studies.fleet.study import add_figures
from tests.worlds.small_bundle import random_tables
from tests.worlds.small_host import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("fleet") / "blobs", random_tables(seed=1))


def test_nodes_are_answered_and_nothing_is_lost(tmp_path, bundle):
    figures = throughput(tmp_path, bundle, seconds=1.0, n_nodes=10)
    assert figures["sqlite_results_per_s"] > 20
    assert 0 < figures["commit_median_ms"] <= figures["commit_p99_ms"]


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_a_host_that_is_killed_has_lost_nothing_that_it_acknowledged(tmp_path, bundle):
    figures = killed(tmp_path, bundle, n_kills=2, seed=1, n_nodes=5)
    assert figures == {"kills": 2, "acknowledged_lost": 0, "counted_twice": 0}


@pytest.mark.skipif(not IS_NIGHTLY, reason="minutes: make nightly")
def test_a_fleet_whose_parts_are_killed_has_lost_and_counted_twice_nothing(tmp_path, bundle):
    figures = fleet_killed(tmp_path / "fleet", bundle, n_kills=len(PARTS), seed=1, n_nodes=4)
    assert (figures["acknowledged_lost"], figures["counted_twice"]) == (0, 0)
    assert figures["kills_acknowledged"] > 0


@pytest.mark.skipif(not IS_NIGHTLY, reason="minutes: make nightly")
def test_a_fleet_answers_while_its_nodes_listen(tmp_path, bundle):
    figures = fleet_throughput(tmp_path / "fleet", bundle, 10.0, n_sites=2, n_nodes=10, warm_s=5.0)
    assert figures["fleet_results_per_s"] > 5
    assert figures["downlink_median_ms"] < 200


def test_all_that_is_stored_is_decoded_again(tmp_path, bundle):
    assert redecoded(tmp_path, bundle, 1_500)["redecode_images"] == 1_500


def test_what_pages_ask_is_found_by_an_index(tmp_path):
    figures = history(tmp_path / "host.sqlite", 20_000, n_sites=1, n_asked=1, seed=0)
    assert 0 < figures["history_median_ms"] <= figures["history_p95_ms"]
    assert is_scan("SCAN results")
    assert is_scan("->  Seq Scan on results_20029  (cost=0.00..11932.00 rows=10013 width=45)")
    assert not is_scan("SCAN results USING INDEX results_by_time")


def test_parts_add_up(tmp_path):
    write_result("fleet", {"wall_nodes": 1000}, command="page", folder=tmp_path)
    add_figures({"kills": 3}, argparse.Namespace(part="sqlite", seed=0, results=tmp_path))
    stored = json.loads((tmp_path / "fleet.json").read_text())
    assert stored["figures"] == {"wall_nodes": 1000, "kills": 3}
