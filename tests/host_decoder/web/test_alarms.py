"""What is raised is read from where the host wrote it, and a person mutes a node at the page."""

import json
import time

import pytest

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.rule import read_rule
from host_decoder.alerts.watch import FILE, Watch
from host_decoder.web.alarms import Alarms, ToldAlarms
from tests.worlds.browser_request import HOST, ask
from tests.worlds.heard import told
from tests.worlds.small_fleet import SITE
from tests.worlds.small_host import NODE

ORIGIN = {"origin": f"http://{HOST}"}


def test_what_is_raised_and_who_is_muted(node_entry, tmp_path):
    observation = Observation([node_entry], 0.0)
    watch = Watch([read_rule({"kind": "fault"})], observation, tmp_path / FILE)
    observation.hear(told(fault="no camera"))
    [alert] = watch.check(1000.0)
    watch.mute(NODE, 2000.0, 1000.0)
    alarms = Alarms(tmp_path, SITE, ["fault"])
    found = alarms.to_json(1500.0)
    [said] = found["alerts"]
    assert (said["site"], said["node"], said["rule"]) == (SITE, NODE, "fault")
    assert (said["since_s"], said["sentence"]) == (1000.0, alert.sentence)
    assert found["muted"] == [{"site": SITE, "node": NODE, "until_s": 2000.0}]
    assert alarms.to_json(2001.0)["muted"] == []


def test_of_a_fleet_the_page_is_told_what_its_leader_keeps():
    alarms = ToldAlarms()
    assert not alarms.has(SITE)
    kept = {"node": 7, "rule": "cold", "kind": "fault", "is_raised": True, "sentence": "no camera"}
    for number, site in enumerate(("mill", SITE)):
        raised = [{**kept, "at_s": 1000.0 - number}]
        alarms.take({"site": site, "rules": ["cold"], "raised": raised, "muted": [[7, 2000.0]]})
    found = alarms.to_json(1500.0)
    assert [(one["site"], one["since_s"]) for one in found["alerts"]] == [
        (SITE, 999.0),
        ("mill", 1000.0),
    ]
    assert found["rules"] == ["cold"]
    assert found["muted"][0] == {"site": SITE, "node": 7, "until_s": 2000.0}
    assert alarms.has(SITE)


def posted(fleet, **content) -> int:
    return ask(fleet.app, "/api/1/alerts", "POST", ORIGIN, json.dumps(content).encode()).status


def test_a_person_mutes_a_node_of_this_host_for_a_while(fleet):
    assert posted(fleet, site=SITE, node=7, for_s=3600) == 200
    [(site, node, until_s)] = fleet.muted
    assert (site, node) == (SITE, 7)
    assert abs(until_s - time.time() - 3600) < 60
    said = ask(fleet.app, "/api/1/audit").json()["entries"][0]["what"]
    assert said == f"node 7 of {SITE}: muted for 3600 s"
    assert ask(fleet.app, "/api/1/alerts").json()["rules"] == ["silent"]


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (404, {"node": 77}),
        (404, {"node": 10**30}),
        (404, {"site": "elsewhere"}),
        (400, {"node": True}),
        (400, {"for_s": "1"}),
        (400, {"for_s": 1e9}),
        (400, {"for_s": float("nan")}),
    ],
)
def test_what_cannot_be_muted(fleet, status, wrong):
    assert posted(fleet, **{"site": SITE, "node": 7, "for_s": 60} | wrong) == status
    assert fleet.muted == []
