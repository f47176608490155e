"""What the host has to say, as a program and as a person hear it."""

import json

import numpy as np
import pytest

from host_decoder.decode.verdict import Strangeness
from host_decoder.events import NOT_OPENED, Explainer, rounded, said_of_strangeness, top_of
from link.host.interface import NotUsed, Reason
from tests.worlds.small_host import answer


def test_classes_are_named_the_most_probable_first_and_alike_ones_in_their_order():
    probabilities = np.array([0.2, 0.3, 0.2, 0.3])
    assert top_of("abcd", probabilities, 3) == [("b", 0.3), ("d", 0.3), ("a", 0.2)]


def test_an_answer_is_a_line_of_json():
    line = json.loads(json.dumps(answer(5, label=1).to_json()))
    assert (line["event"], line["image"], line["label"], line["top"][0]) == (
        "answer",
        5,
        "bee",
        ["bee", 1.0],
    )
    assert "tasks" not in line


@pytest.mark.parametrize(
    ("strangeness", "said"), [(None, (None, None)), (Strangeness(1.23456, True), (1.2346, True))]
)
def test_what_cannot_be_told_is_null(strangeness, said):
    assert tuple(said_of_strangeness(strangeness).values()) == said


def test_nothing_is_rounded_to_nothing():
    assert (rounded(None), rounded(0.12345, 2)) == (None, 0.12)


@pytest.mark.parametrize("reason", [Reason.GAP, Reason.DUPLICATE, Reason.REPEATED])
def test_a_lossy_link_s_daily_life_is_not_talked_of(reason):
    assert Explainer().explain(NotUsed(reason, "as ever"), 0.0) is None


def test_a_log_hears_of_each_reason_once_in_a_while():
    explainer = Explainer(period_s=10.0)
    replay, noise = NotUsed(Reason.REPLAY, "seen before."), NotUsed(Reason.NOISE, "damaged.")
    assert explainer.explain(replay, now_s=0.0) == "seen before."
    assert explainer.explain(noise, now_s=1.0) == "damaged."
    assert [explainer.explain(replay, now_s) for now_s in (2.0, 9.9)] == [None, None]
    assert (
        explainer.explain(replay, now_s=10.0)
        == "seen before. (2 more of this kind since the last message)"
    )


def test_what_is_said_of_one_node_hides_nothing_that_is_said_of_another():
    explainer = Explainer(period_s=10.0)
    flooded, other = (
        NotUsed(Reason.NOT_OPENED, f"node {node} has another key", node) for node in (1, 2)
    )
    assert explainer.explain(flooded, 0.0)
    assert [explainer.explain(one, 1.0) for one in (flooded, other)] == [None, other.sentence]


def test_who_speaks_with_another_key_is_known_by_links_word():
    assert NOT_OPENED == Reason.NOT_OPENED
