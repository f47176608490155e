"""Each alert is said once when it begins and once when it is over, whoever starts anew."""

import pytest

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.rule import read_rule
from host_decoder.alerts.watch import FILE, Watch
from tests.worlds.heard import told
from tests.worlds.small_host import NODE

FAULT = {"kind": "fault", "cooldown_s": 0}


@pytest.fixture
def make(node_entry, tmp_path):
    """A host's rules after a start; what was kept is beside its store."""

    def make(*rules, to=("webhook",)):
        observation = Observation([node_entry], 0.0)
        watch = Watch([read_rule(rule) for rule in rules], observation, tmp_path / FILE, to)
        return observation, watch

    return make


def said(alerts):
    return [(alert.state, alert.sentence) for alert in alerts]


def test_once_when_it_begins_and_once_when_it_is_over(make):
    observation, watch = make(FAULT)
    assert watch.check(1.0) == []
    observation.hear(told(fault="no camera"))
    raised = watch.check(2.0)
    assert said(raised) == [("raised", f"node {NODE} captures nothing: no camera")]
    assert watch.check(3.0) == []
    assert watch.raised_of(NODE) == ["fault"]
    observation.hear(told())
    assert said(watch.check(4.0)) == [
        ("cleared", f"node {NODE} captures nothing: no camera: is over")
    ]
    assert watch.check(5.0) == []
    assert watch.owed["webhook"][0] == raised[0]


def test_also_when_the_host_was_started_anew_in_between(make):
    observation, watch = make(FAULT)
    observation.hear(told(fault="no camera"))
    assert len(watch.check(1.0)) == 1
    observation, watch = make(FAULT)
    assert watch.check(2.0) == []
    assert watch.raised_of(NODE) == ["fault"]
    observation.hear(told(fault="no camera"))
    assert watch.check(3.0) == []
    observation.hear(told())
    assert [alert.state for alert in watch.check(4.0)] == ["cleared"]
    _, watch = make(FAULT)
    assert watch.check(5.0) == []


def test_what_was_not_told_before_the_end_is_owed_after_it(make):
    observation, watch = make(FAULT)
    observation.hear(told(fault="no camera"))
    [alert] = watch.check(1.0)
    assert make(FAULT)[1].owed == {"webhook": [alert]}
    watch.settled("webhook", alert, 2.0)
    assert make(FAULT)[1].owed == {"webhook": []}
    assert make(FAULT, to=())[1].owed == {}


def test_it_must_hold_and_rests_afterwards(make):
    observation, watch = make({"kind": "fault", "hold_s": 10, "cooldown_s": 60})
    states = []
    for at_s, fault in enumerate(["x"] * 5 + [None] + ["x"] * 20 + [None] + ["x"] * 80):
        observation.hear(told(at_s, fault=fault))
        states += [(at_s, alert.state) for alert in watch.check(float(at_s))]
    assert states == [(16, "raised"), (26, "cleared"), (86, "raised")]


def test_a_rule_that_was_taken_out_is_cleared(make):
    observation, watch = make(FAULT)
    observation.hear(told(fault="no camera"))
    watch.check(1.0)
    _, watch = make({"kind": "queue"})
    assert said(watch.check(2.0)) == [
        ("cleared", f"node {NODE} captures nothing: no camera: is no longer watched")
    ]


def test_who_is_never_there_is_owed_so_much_and_no_more(make, monkeypatch):
    monkeypatch.setattr("host_decoder.alerts.watch.MAX_OWED", 10)
    observation, watch = make(FAULT)
    for at_s in range(20):
        observation.hear(told(fault="x" if at_s % 2 else None))
        watch._owe(watch.check(float(at_s)) * 2)
    assert [alert.at_s for alert in watch.owed["webhook"]][-1] == 19
    assert len(watch.owed["webhook"]) == 10


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 1, "checksum": 0}', b"\xff"])
def test_a_damaged_file_is_set_aside_and_named(make, tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    observation, watch = make(FAULT)
    [notice] = watch.notices
    assert f"{FILE}.damaged-1" in notice
    observation.hear(told(fault="no camera"))
    assert len(watch.check(1.0)) == 1


def test_where_nothing_can_be_written_it_is_said_once_and_alerts_go_on(make, tmp_path):
    observation, watch = make(FAULT)
    (tmp_path / f"{FILE}.part").mkdir()
    observation.hear(told(fault="no camera"))
    assert len(watch.check(1.0)) == 1
    observation.hear(told())
    assert len(watch.check(2.0)) == 1
    [notice] = watch.notices
    assert "cannot be written down" in notice


def test_of_a_muted_node_nothing_begins_and_what_has_begun_ends(make):
    observation, watch = make(FAULT)
    observation.hear(told(fault="no camera"))
    assert len(watch.check(1.0)) == 1
    watch.mute(NODE, 100.0, 2.0)
    observation.hear(told())
    assert [alert.state for alert in watch.check(3.0)] == ["cleared"]
    observation, watch = make(FAULT)  # also after a start
    observation.hear(told(fault="no camera"))
    assert watch.check(99.0) == []
    assert [alert.state for alert in watch.check(101.0)] == ["raised"]
    watch.keep(102.0)
    assert watch.muted_s == {}


def test_a_clock_that_is_set_shortens_and_lengthens_nothing(make):
    observation, watch = make({"kind": "fault", "hold_s": 10, "cooldown_s": 50})
    observation.hear(told(fault="no camera"))
    assert watch.check(0.0) == []
    watch.clock_moved(1e9)
    assert watch.check(1e9 + 9) == []
    assert len(watch.check(1e9 + 10)) == 1
    observation.hear(told())
    assert len(watch.check(1e9 + 11)) == 1
    _, watch = make({"kind": "fault", "cooldown_s": 50})
    watch._observation.hear(told(fault="no camera"))
    assert len(watch.check(100.0)) == 1, "an end in the future keeps nobody quiet"
