"""Advice weighs the answers that a node asks for against chunks that nobody needed."""

from dataclasses import replace

import pytest

from host_decoder.receive.advice import LEAST_IMAGES, REMEMBERED_IMAGES, Advisor
from link.wire.control import MAX_ADVISED_CHUNKS
from tests.worlds.small_host import answer


def advisor(*n_chunks: int, is_complete: bool = False) -> Advisor:
    """After images that were settled by so many chunks."""
    made = Advisor(gives_verdicts=True)
    for image, n in enumerate(n_chunks):
        made.note(
            replace(answer(image, n_chunks=n), is_complete=is_complete, is_enough=not is_complete)
        )
    return made


def test_without_verdicts_a_node_need_not_ask():
    assert Advisor(gives_verdicts=False).n_chunks(0.05, 0.05) == MAX_ADVISED_CHUNKS


def test_at_first_there_is_no_advice():
    assert advisor(*[1] * (LEAST_IMAGES - 1)).n_chunks(0.05, 0.05) is None
    assert advisor(*[1] * LEAST_IMAGES).n_chunks(0.05, 0.05) == 1


@pytest.mark.parametrize(
    ("n_chunks", "answer_airtime_s", "advised"),
    [
        ([1] * 9 + [3], 0.05, 1),
        ([3] * 10, 0.05, 3),
        ([1] * 5 + [2] * 5, 1.0, 2),
        ([1] * 5 + [2] * 5, 0.01, 1),
    ],
)
def test_what_cost_least_is_advised(n_chunks, answer_airtime_s, advised):
    assert advisor(*n_chunks).n_chunks(0.05, answer_airtime_s) == advised


def test_images_that_end_by_themselves_cost_no_needless_chunk():
    assert advisor(*[3] * 10, is_complete=True).n_chunks(1.0, 0.01) == 3


def test_an_image_counts_once_and_old_ones_are_forgotten():
    made = advisor(*[3] * REMEMBERED_IMAGES)
    for image in range(REMEMBERED_IMAGES):
        made.note(replace(answer(image, n_chunks=5)))
    assert made.n_chunks(0.05, 0.05) == 3
    for image in range(REMEMBERED_IMAGES, 2 * REMEMBERED_IMAGES):
        made.note(answer(image))
    assert made.n_chunks(0.05, 0.05) == 1
