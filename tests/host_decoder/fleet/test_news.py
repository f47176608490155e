"""What other processes read of an event is what it was, as far as anybody asks."""

import json
from dataclasses import replace

import numpy as np

from host_decoder.decode.verdict import Strangeness
from host_decoder.events import Answer, Heard, Notice
from host_decoder.fleet import news
from link.host.interface import StatusHeard
from link.wire.control import Quality, Status
from tests.worlds.small_host import answer


def test_an_answer_goes_and_comes(bundle):
    told = replace(
        answer(5),
        bundle=bundle.id.hex(),
        confidence=0.5,
        strangeness=Strangeness(1.5, True),
        tasks={"fine": {"label": "bee"}},
        decoder="5f1e",
    )
    text = news.line("farm", told)
    assert text is not None
    assert json.loads(text)["label"] == told.label
    found = news.read(text, {bundle.id.hex(): bundle})
    assert found is not None
    site, again = found
    assert isinstance(again, Answer)
    assert site == "farm"
    np.testing.assert_array_equal(again.probabilities, told.probabilities)
    assert replace(again, probabilities=told.probabilities).to_json() == told.to_json()
    assert (again.decoder, again.is_settled, again.classes) == ("5f1e", True, bundle.classes)


def test_an_answer_of_a_bundle_that_is_not_here_is_none(bundle):
    text = news.line("farm", answer(5))
    assert text is not None
    assert news.read(text, {bundle.id.hex(): bundle}) is None


def test_what_was_heard_goes_and_comes():
    status = Status(3, 2.0, None, fault="camera")
    figures = {"sent": 4, "lost": 1, "airtime_s": 0.5}
    heard = Heard(
        "roof", "stored", 7, 25, 1000.5, Quality(7.5, None), StatusHeard(7, 9, status), figures, 0.1
    )
    text = news.line("farm", heard)
    assert text is not None
    found = news.read(text, {})
    assert found is not None
    assert (found[0], vars(found[1])) == ("farm", vars(heard))


def test_other_events_are_nobody_elses():
    assert news.line("farm", Notice("listening")) is None
