"""Figures as Prometheus reads them: its own parser takes them apart again."""

import http.client
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from host_decoder.alerts.observed import Observation
from host_decoder.outputs import prometheus
from host_decoder.outputs.prometheus import Metrics, MetricsServer
from host_decoder.outputs.sections import PrometheusConfig
from host_decoder.service import beginning
from link.host.interface import NotUsed
from tests.worlds.heard import heard, told
from tests.worlds.small_host import KEY, answer

DASHBOARD = Path(beginning.__file__).with_name("grafana-dashboard.json")


@pytest.fixture
def observation(node_entry):
    return Observation([replace(node_entry, period_s=60.0)], 0.0)


@pytest.fixture
def metrics(observation):
    return Metrics("farm", observation)


@pytest.fixture
def server(metrics):
    running = MetricsServer(PrometheusConfig("127.0.0.1:0"), metrics)
    running.start()
    yield running
    running.stop()
    running.join(20)


def take(metrics, observation, *events) -> None:
    for event in events:
        metrics.take(event, observation.hear(event))


def ask(server, path="/metrics", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.getheader("Content-Type"), response.read().decode()


def values(text: str) -> dict[str, float]:
    """By name and labels."""
    return {
        f"{one.name}{{{','.join(f'{key}={one.labels[key]}' for key in sorted(one.labels))}}}": (
            one.value
        )
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_what_was_counted_is_read(server, metrics, observation):
    take(
        metrics,
        observation,
        heard(1000.0, airtime_s=0.25, downlink_bytes=10, downlink_airtime_s=0.5),
        heard(1010.0, airtime_s=0.5, downlink_bytes=30, downlink_airtime_s=0.5),
        heard(1011.0, outcome="noise", node=None),
        NotUsed.noise(1),
        told(1012.0, budget_s=1.5),
        replace(answer(5), tasks={"colour": {"label": "red"}}),
    )
    metrics.look(1100.0, {"fault": 1}, {"mqtt": 3}, 2)
    status, kind, text = ask(server)
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    found = values(text)
    expected = {
        "packets_total{gateway=roof,outcome=stored,site=farm}": 3,
        "packets_total{gateway=roof,outcome=noise,site=farm}": 1,
        "results_total{site=farm,task=label}": 1,
        "results_total{site=farm,task=colour}": 1,
        "bytes_total{direction=up}": 60,
        "bytes_total{direction=down}": 30,
        "airtime_seconds_total{direction=up,site=farm}": 0.5,
        "airtime_seconds_total{direction=down,site=farm}": 0.5,
        "refusals_total{reason=noise}": 1,
        "result_latency_seconds_count{}": 1,
        "commit_seconds_count{}": 4,
        "alerts{rule=fault,site=farm}": 1,
        "outbox_pending{output=mqtt}": 3,
        "events_dropped_total{}": 2,
        "nodes{availability=online,site=farm}": 1,
        "nodes{availability=offline,site=farm}": 0,
        "node_last_heard_timestamp_seconds{node=7,site=farm}": 1012,
        "node_budget_seconds{node=7,site=farm}": 1.5,
        "node_snr_db{node=7,site=farm}": 7.5,
        "per_node_truncated{}": 0,
    }
    assert {name: found[f"latentlink_{name}"] for name in expected} == expected
    assert KEY.hex() not in text
    metrics.look(1200.0, {"fault": 0}, {}, 0)
    assert values(ask(server)[2])["latentlink_nodes{availability=offline,site=farm}"] == 1


def test_also_as_openmetrics(server):
    _, kind, text = ask(server, Accept="application/openmetrics-text;version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert list(openmetrics_families(text))


def test_figures_of_nodes_have_an_end(observation, monkeypatch):
    monkeypatch.setattr(prometheus, "MAX_NODES", 0)
    metrics = Metrics("farm", observation)
    take(metrics, observation, heard(1000.0))
    metrics.look(1000.0, {}, {}, 0)
    assert metrics.registry.get_sample_value("latentlink_per_node_truncated") == 1
    few = Metrics("farm", observation, per_node=False)
    few.look(1000.0, {}, {}, 0)
    for one in (metrics, few):
        names = {sample.name for family in one.registry.collect() for sample in family.samples}
        assert not any(name.startswith("latentlink_node_") for name in names)


def test_nothing_else_is_answered_nor_a_page_that_calls_this_machine_by_another_name(server):
    assert ask(server, "/")[0] == 404
    assert ask(server, Host="evil.example:9464")[0] == 421
    assert ask(server, Host="localhost")[0] == 200


def test_each_query_of_the_dashboard_names_a_figure_that_there_is(metrics, observation):
    take(metrics, observation, told(1000.0, budget_s=1.0), answer(1), heard(1.0, outcome="noise"))
    metrics.look(1000.0, {"fault": 0}, {"mqtt": 0}, 0)
    known = {
        name
        for family in metrics.registry.collect()
        for name in (family.name, *(sample.name for sample in family.samples))
    }
    known |= {f"{name}_total" for name in known} | {f"{name}_bucket" for name in known}
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) >= 10
    for query in queries:
        named = set(re.findall(r"latentlink_\w+", query))
        assert named
        assert named <= known, query


def test_a_node_that_comes_while_the_host_runs_has_figures_too(observation, node_entry):
    metrics = Metrics("farm", observation)
    observation.add([replace(node_entry, number=9)])
    take(metrics, observation, heard(1000.0, node=9))
    metrics.look(1000.0, {}, {}, 0)
    shown = {"site": "farm", "node": "9"}
    assert metrics.registry.get_sample_value("latentlink_node_snr_db", shown) == 7.5
