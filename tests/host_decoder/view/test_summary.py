"""The table at the end of a run."""

from dataclasses import replace

import pytest

from host_decoder.view.summary import (
    UNKNOWN,
    about,
    duration,
    number,
    percent,
    refused,
    saved,
    summary,
)
from host_decoder.view.tally import Tally
from link.host.interface import NotUsed, Reason
from tests.worlds.screens import TITLE, rows_of
from tests.worlds.small_host import NODE, sent


def test_what_was_on_its_way_when_a_run_was_interrupted_is_not_wrong(tally):
    rows = rows_of(summary(TITLE, tally, is_interrupted=True))
    assert rows["accuracy of all captured"] == "50.0%, 1 that were on their way left out"


def test_the_summary_says_both_accuracies(tally):
    rows = rows_of(summary(TITLE, tally, first_label_s=2.5))
    assert rows["images answered / captured"] == "2 / 3"
    assert rows["accuracy of the answered"] == "50.0%"
    assert rows["accuracy of all captured"] == "33.3%"
    assert rows["first label after"] == "2.50 s"
    assert rows["refused"] == "1 replay"
    assert (rows["stopped by verdict"], rows["accuracy at the verdict"]) == ("none", "–")


def test_the_summary_says_what_verdicts_saved_and_how_right_they_were(tally):
    for image in (0, 2):
        tally.add_answer(
            replace(tally._rows[NODE, image].answer, is_complete=False, is_enough=True), now_s=3.0
        )
    tally.add_stopped([0, 2], NODE)
    tally.add_sent(sent((0, 0, 4)), NODE, 0.0)
    rows = rows_of(summary(TITLE, tally))
    assert rows["stopped by verdict"] == "2 images, after 1.0 chunks"
    assert rows["accuracy at the verdict"] == "50.0%"
    assert rows["saved by verdicts per image"].startswith("2.7 bytes (33.3%), ")
    assert rows["chunks sent again"] == "1"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12.3 ms"), (0.9999, "999.9 ms"), (1.0, "1.00 s")]
)
def test_a_duration_is_in_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


def test_what_is_not_known_is_a_stroke():
    assert (percent(None), number(None), saved(Tally())) == (UNKNOWN,) * 3
    assert (percent(0.913), number(9.25)) == ("91.3%", "9.2")


def test_what_was_refused_most_comes_first():
    tally = Tally()
    assert refused(tally) == "none"
    for reason in (Reason.REPLAY, Reason.NOISE, Reason.NOISE):
        tally.add_rejected(NotUsed(reason, "because"))
    assert refused(tally) == "2 noise, 1 replay"


def test_what_is_only_expected_is_told_in_round_words():
    said = [about(seconds) for seconds in (1.4, 89, 91, 5399, 7200)]
    assert said == ["1 s", "89 s", "2 min", "90 min", "2.0 h"]
