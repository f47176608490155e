"""The tally joins what the node says it sent with what the host made of it."""

from dataclasses import replace

import numpy as np
import pytest

from host_decoder.events import Refusal
from host_decoder.tally import KEPT_IMAGES, Sent, Tally
from tests.host_decoder.small import CONSOLE_LINE, NODE, answer, sent


def test_a_console_line_becomes_what_was_sent():
    image = Sent.from_json(CONSOLE_LINE, seen_s=7.0)
    assert (image.image, image.counter, image.truth, image.wire_bytes, image.seen_s) == (3, 5, "bee", 15, 7.0)
    assert image.pixels.tolist() == np.arange(12).reshape(2, 2, 3).tolist()


@pytest.mark.parametrize("fault", [{"counter": "x"}, {"shape": [5, 5, 1]}, {"ms": None}])
def test_a_line_that_is_not_the_console_s_is_an_error(fault):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Sent.from_json(CONSOLE_LINE | fault, seen_s=0.0)


@pytest.mark.parametrize("is_answer_first", [True, False])
def test_halves_meet_in_either_order(is_answer_first):
    tally = Tally()
    add = [lambda: tally.add_sent(sent(1, seen_s=2.0), NODE), lambda: tally.add_answer(answer(1), now_s=2.5)]
    for step in reversed(add) if is_answer_first else add:
        row = step()
    assert (row.is_right, row.latency_s) == (True, 0.5)
    assert (tally.n_sent, tally.n_answered, tally.accuracy) == (1, 1, 1.0)


def test_a_better_answer_takes_the_place_of_the_first():
    tally = Tally()
    tally.add_sent(sent(0), NODE)
    tally.add_answer(replace(answer(0, label=0), is_complete=False), now_s=1.0)
    assert (tally.accuracy, tally.n_complete) == (0.0, 0)
    tally.add_answer(answer(1, label=1, first_counter=0), now_s=2.0)
    assert (tally.accuracy, tally.n_complete, tally.n_answered, len(tally.latest)) == (1.0, 1, 1, 1)


def test_a_lost_image_counts_against_all_sent_but_not_against_the_answered():
    tally = Tally()
    for counter in range(4):
        tally.add_sent(sent(counter), NODE)
        if counter != 1:
            tally.add_answer(answer(counter, label=1 if counter else 2), now_s=counter + 0.1)
    assert tally.accuracy == pytest.approx(2 / 3)
    assert tally.accuracy_of_sent == pytest.approx(2 / 4)
    assert tally.n_lost == 1


def test_an_image_on_its_way_is_not_lost():
    tally = Tally()
    tally.add_sent(sent(0), NODE)
    tally.add_answer(answer(0), now_s=0.1)
    tally.add_sent(sent(1), NODE)
    assert (tally.n_lost, tally.n_in_flight) == (0, 1)


def test_without_truth_there_is_no_accuracy():
    tally = Tally()
    tally.add_sent(sent(0, truth=None), NODE)
    tally.add_answer(answer(0), now_s=0.1)
    assert (tally.accuracy, tally.accuracy_of_sent) == (None, None)


def test_without_a_console_answers_are_counted_alone():
    tally = Tally()
    row = tally.add_answer(answer(0), now_s=0.1)
    assert (tally.n_lost, tally.accuracy, tally.link_use, row.latency_s) == (None, None, None, None)
    assert (tally.bitstream_bytes_per_image, tally.wire_bytes_per_image) == (1.0, 12.0)


def test_means_are_over_what_was_sent():
    tally = Tally()
    for counter, n_bytes in enumerate((4, 8)):
        tally.add_sent(replace(sent(counter), bitstream_bytes=n_bytes, wire_bytes=n_bytes + 11), NODE)
    assert (tally.bitstream_bytes_per_image, tally.wire_bytes_per_image) == (6.0, 17.0)
    assert tally.airtime_s_per_image == pytest.approx(0.05)


def test_link_use_is_airtime_over_time():
    tally = Tally()
    tally.add_sent(sent(0, seen_s=10.0), NODE)
    assert tally.link_use == pytest.approx(1.0)
    tally.add_sent(sent(1, seen_s=10.95), NODE)
    assert tally.link_use == pytest.approx(0.1 / 1.0)


def test_a_host_that_listens_for_months_stays_small():
    tally = Tally()
    for counter in range(KEPT_IMAGES + 50):
        tally.add_answer(answer(counter), now_s=float(counter))
    assert len(tally._rows) == KEPT_IMAGES
    assert tally.n_answered == KEPT_IMAGES + 50


def test_refusals_are_counted_by_reason():
    tally = Tally()
    for reason in ("noise", "replay", "noise"):
        tally.add_refusal(Refusal(reason, "because"))
    assert tally.refusals == {"noise": 2, "replay": 1}
