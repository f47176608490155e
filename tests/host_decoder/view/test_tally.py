"""The tally joins what the node says it captured and sent with what the host made of it."""

from dataclasses import replace

import pytest

from host_decoder.view.tally import KEPT_IMAGES, Tally
from link.host.interface import NotUsed, Reason
from link.medium.profiles import get_profile
from tests.worlds.small_host import NODE, answer, captured, sent


@pytest.mark.parametrize("is_answer_first", [True, False])
def test_halves_meet_in_either_order(is_answer_first):
    tally = Tally()
    add = [
        lambda: tally.add_captured(captured(1), NODE, 2.0),
        lambda: tally.add_answer(answer(1), now_s=2.5),
    ]
    for step in reversed(add) if is_answer_first else add:
        row = step()
    assert (row.is_right, row.latency_s) == (True, 0.5)
    assert (tally.n_captured, tally.n_answered, tally.figure("accuracy")) == (1, 1, 1.0)


def test_a_better_answer_takes_the_place_of_the_first_and_latency_stays():
    tally = Tally()
    tally.add_captured(captured(0), NODE, 0.0)
    tally.add_answer(replace(answer(0, label=0), is_complete=False), now_s=1.0)
    assert (tally.figure("accuracy"), tally.n_settled) == (0.0, 0)
    row = tally.add_answer(answer(0, label=1, n_chunks=2), now_s=2.0)
    assert (tally.figure("accuracy"), tally.n_settled, tally.n_answered, len(tally.latest)) == (
        1.0,
        1,
        1,
        1,
    )
    assert row.latency_s == 1.0


def test_a_missing_image_counts_against_all_captured_but_not_against_the_answered():
    tally = Tally()
    for image in range(4):
        tally.add_captured(captured(image), NODE, 0.0)
        if image != 1:
            tally.add_answer(answer(image, label=1 if image else 2), now_s=image + 0.1)
    assert tally.figure("accuracy") == pytest.approx(2 / 3)
    assert tally.figure("accuracy_of_captured") == pytest.approx(2 / 4)
    assert tally.figure("delivery_ratio") == pytest.approx(3 / 4)


def test_images_are_named_by_their_place_in_the_run_or_by_their_id():
    tally = Tally()
    rows = [tally.add_captured(captured(image), NODE, 0.0) for image in (64, 67)]
    assert [row.name for row in rows] == ["0", "1"]
    assert tally.add_answer(answer(70), now_s=0.0).name == "70"


def test_without_truth_there_is_no_accuracy():
    tally = Tally()
    tally.add_captured(captured(0, label=None), NODE, 0.0)
    tally.add_answer(answer(0), now_s=0.1)
    assert (tally.figure("accuracy"), tally.figure("accuracy_of_captured")) == (None, None)


def test_without_a_console_answers_are_counted_alone():
    tally = Tally()
    row = tally.add_answer(answer(0), now_s=0.1)
    assert (
        tally.figure("delivery_ratio"),
        tally.figure("accuracy"),
        tally.link_use,
        row.latency_s,
    ) == (
        None,
        None,
        None,
        None,
    )
    assert (tally.figure("bytes_per_image"), tally.figure("wire_bytes_per_image")) == (4.0, 15.0)


def test_means_are_over_what_was_sent():
    tally = Tally()
    for image, n_bytes in enumerate((4, 8)):
        tally.add_captured(captured(image), NODE, 0.0)
        tally.add_sent(replace(sent((image, 0, n_bytes)), wire_bytes=n_bytes + 11), NODE, 0.0)
    assert (tally.figure("bytes_per_image"), tally.figure("wire_bytes_per_image")) == (6.0, 17.0)
    assert tally.figure("airtime_s_per_image") == pytest.approx(0.05)


def test_a_chunk_sent_again_costs_airtime_but_is_no_new_information():
    tally = Tally()
    tally.add_captured(captured(0), NODE, 0.0)
    for _ in range(3):
        tally.add_sent(sent((0, 0, 4)), NODE, 0.0)
    assert (tally.total("repeated"), tally.figure("bytes_per_image")) == (2, 4.0)
    assert tally.figure("airtime_s_per_image") == pytest.approx(0.15)


def test_images_in_one_packet_share_its_bytes_and_airtime():
    tally = Tally()
    rows = [tally.add_captured(captured(image), NODE, 0.0) for image in range(2)]
    tally.add_sent(sent((0, 0, 4), (1, 0, 5)), NODE, 0.0)
    assert [(row.wire_bytes, row.airtime_s) for row in rows] == [(7.5, 0.025)] * 2
    assert (tally.total("packets"), tally.total("wire_bytes")) == (1, 15)


def test_a_packet_without_an_image_costs_all_the_same():
    tally = Tally()
    tally.add_captured(captured(0), NODE, 0.0)
    tally.add_sent(sent(), NODE, 0.0)
    assert (tally.figure("wire_bytes_per_image"), tally.figure("airtime_s_per_image")) == (
        15.0,
        0.05,
    )


def test_a_verdict_saves_the_chunks_that_were_not_sent():
    """8 bytes in 3 chunks, of which the first with 4 bytes was sent: 2 chunks of 2 bytes stay
    away.
    """
    tally = Tally(get_profile("lora-sf7"))
    for image in range(2):
        tally.add_captured(captured(image), NODE, 0.0)
        tally.add_sent(sent((image, 0, 4)), NODE, 0.0)
    tally.add_stopped([1], NODE)
    assert (tally.figure("bytes_saved_per_image"), tally.figure("bytes_saved_share")) == (2.0, 0.25)
    airtime_s = get_profile("lora-sf7").airtime_s(10 + 2)
    assert tally.figure("airtime_saved_s_per_image") == pytest.approx(2 * airtime_s / 2)
    tally.add_sent(sent((1, 1, 2)), NODE, 0.0)  # it was on its way
    assert tally.figure("bytes_saved_per_image") == 1.0


def test_accuracy_at_the_verdict_is_that_of_the_answer_it_was_made_on():
    tally = Tally()
    for image in range(2):
        tally.add_captured(captured(image), NODE, 0.0)
    wrong = replace(answer(0, label=2), is_complete=False, is_enough=True)
    tally.add_answer(wrong, now_s=1.0)
    tally.add_answer(replace(answer(0, label=1, n_chunks=2), is_enough=True), now_s=2.0)
    tally.add_answer(replace(answer(1, label=1, n_chunks=3), is_enough=True), now_s=3.0)
    assert (tally.figure("accuracy_at_verdict"), tally.figure("accuracy")) == (0.5, 1.0)
    assert tally.figure("chunks_at_verdict") == 2.0
    assert tally.n_settled == 2


def test_link_use_is_airtime_over_time():
    tally = Tally()
    tally.add_sent(sent(), NODE, 10.0)
    assert tally.link_use == pytest.approx(1.0)
    tally.add_sent(sent(), NODE, 10.95)
    assert tally.link_use == pytest.approx(0.1 / 1.0)


def test_a_host_that_listens_for_months_stays_small():
    tally = Tally()
    for image in range(KEPT_IMAGES + 50):
        tally.add_answer(answer(image), now_s=float(image))
    assert len(tally._rows) == KEPT_IMAGES
    assert tally.n_answered == KEPT_IMAGES + 50


def test_what_was_rejected_is_counted_by_reason():
    tally = Tally()
    for reason in (Reason.NOISE, Reason.REPLAY, Reason.NOISE):
        tally.add_rejected(NotUsed(reason, "because"))
    assert tally.rejected == {"noise": 2, "replay": 1}


def test_the_time_left_is_told_at_the_pace_so_far_and_grows_while_nothing_comes_through():
    tally = Tally()
    for image in (0, 1):
        tally.add_captured(captured(image), NODE, 2.0 * image)
        assert tally.time_left_s(10) is None
        tally.add_answer(answer(image), now_s=2.0 * image + 1)
    assert tally.time_left_s(10) == 8 * 1.5
    tally.add_sent(sent((2, 0, 4)), NODE, 9.0)
    assert tally.time_left_s(10) == pytest.approx(8 * 9.05 / 2)
    assert tally.time_left_s(2) is None
