"""What each rule asks of a node, and how it says what is so."""

from dataclasses import replace

import pytest

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.question import asks, sentence
from host_decoder.alerts.rule import read_rule
from host_decoder.decode.verdict import Strangeness
from tests.worlds.heard import heard, told
from tests.worlds.small_host import NODE, answer


@pytest.fixture
def observation(node_entry):
    return Observation([replace(node_entry, name="Gate camera", period_s=60.0)], 0.0)


def asked(observation, now_s=2000.0, **rule):
    one, presence = read_rule(rule), observation.presence
    is_so = asks(one, observation.nodes[NODE], presence, now_s)
    return is_so, sentence(one, observation.nodes[NODE], presence, now_s) if is_so else ""


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("budget", {"budget_s": 0.5}, "Gate camera has 0.5 s of airtime left"),
        ("queue", {"queue_images": 101}, "Gate camera has 101 images waiting"),
        ("fault", {"fault": "no camera"}, "Gate camera captures nothing: no camera"),
    ],
)
def test_what_a_node_tells_of_itself(observation, kind, status, said):
    assert asked(observation, kind=kind) == (None, "")
    observation.hear(told())
    assert asked(observation, kind=kind) == (False, "")
    observation.hear(told(**status))
    assert asked(observation, kind=kind) == (True, said)


def test_silence_is_measured_by_its_own_period(observation):
    observation.hear(heard(1000.0))
    assert asked(observation, 1100.0, kind="silent")[0] is False
    assert asked(observation, 8200.0, kind="silent") == (
        True,
        "Gate camera has not been heard for 2 h; it speaks each 60 s",
    )


def test_loss_bad_tags_and_drift(observation):
    for kind, nothing in (("loss", None), ("bad-tags", False), ("drift", None)):
        assert asked(observation, kind=kind)[0] is nothing
    observation.hear(heard(1999.0, sent=100, lost=40))
    for _ in range(11):
        observation.hear(heard(1999.0, outcome="not opened"))
    for image in range(200):
        observation.hear(answer(image, label=int(image >= 130)))
    assert asked(observation, kind="loss") == (
        True,
        "40% of the packets of Gate camera are lost",
    )
    assert asked(observation, kind="bad-tags")[1].startswith(
        "11 packets in the name of Gate camera"
    )
    assert "other things than it used to" in asked(observation, kind="drift", limit=0.2)[1]


def test_a_label_with_enough_confidence_and_what_shows_none_of_them(observation):
    bee = {"kind": "label", "label": "bee"}
    observation.hear(replace(answer(4711), confidence=0.7))
    assert asked(observation, **bee)[0] is False
    assert asked(observation, **bee, limit=0.6) == (True, "Gate camera sees bee (image 4711)")
    strange = {"kind": "label", "label": "anomaly"}
    assert asked(observation, **strange)[0] is None
    observation.hear(replace(answer(5), strangeness=Strangeness(3.0, True)))
    assert asked(observation, **strange) == (True, "Gate camera sees anomaly (image 5)")
