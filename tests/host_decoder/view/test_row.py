"""A row: what a node says of an image beside what the host made of it."""

from dataclasses import replace

import pytest

from host_decoder.view.row import Row
from tests.worlds.small_host import answer, captured


def test_of_a_long_number_the_end_is_shown():
    assert Row(answer=answer(117_021_834_000_680)).name == "…000680"
    assert Row(answer=answer(680)).name == "680"


def test_an_image_is_called_by_its_place_once_the_node_has_told_of_it():
    assert Row(position=3, answer=answer(680)).name == "3"
    assert Row().name == "?"


def test_without_the_nodes_word_nobody_knows_what_is_right_and_how_long_it_took():
    row = Row(answer=answer(5), answered_s=2.0)
    assert (row.truth, row.is_right, row.latency_s) == (None, None, None)
    row = replace(row, captured=captured(5), seen_s=1.5)
    assert (row.truth, row.is_right, row.latency_s) == ("bee", True, 0.5)
    assert replace(row, answer=answer(5, label=0)).is_right is False


def test_an_answer_that_overtakes_the_console_took_no_time():
    assert Row(answer=answer(5), answered_s=1.0, captured=captured(5), seen_s=1.2).latency_s == 0.0


def test_a_verdict_saves_the_chunks_that_were_not_sent():
    row = Row(captured=captured(5), sent_bytes={0: 4}, answer=answer(5))
    assert row.unsent == (0, 0)
    row.is_stopped = True
    assert row.unsent == (2, 4)


def test_an_image_adds_to_the_totals_what_is_known_of_it_and_nothing_else():
    assert Row().counts(lambda n_bytes: 0.0) == {"repeated": 0, "sent_bitstream_bytes": 0}
    row = Row(captured=captured(5), sent_bytes={0: 4}, is_stopped=True, answer=answer(5, label=2))
    row.decision = answer(5)
    counts = row.counts(lambda n_bytes: 0.01 * n_bytes)
    assert (counts["judged"], counts["right"], counts["right_at_stop"]) == (1, False, True)
    assert (counts["saved_bytes"], counts["saved_airtime_s"]) == (4, pytest.approx(2 * 0.02))


def test_an_image_is_counted_from_1_where_it_is_known_how_many_there_will_be():
    assert Row(position=2).called(40) == "image 3 of 40"
    assert Row(position=2).called(None) == "image 2"
    assert Row().called(40) == "image ?"
