"""An answer is the decoder's word on what has arrived, and what it was asked besides."""

from dataclasses import replace

import pytest

from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import Answer
from host_decoder.receive.answers import Answers, Question, answer_all
from host_decoder.receive.arrivals import Arrived
from link.coder import latent_coder
from link.host.interface import Gap
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.packet import Chunk
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import NODE, right_label

TIMING = LinkTiming(get_profile("lora-sf7"))
CHUNK = Chunk(4, 1, False, b"ab")


def arrived(bundle, seed: int = 0, is_complete: bool = True) -> Arrived:
    bitstream = latent_coder.encode(random_symbols(bundle.tables, seed), bundle.tables)
    return Arrived(bitstream, 2, is_complete, 29, 2.0)


def gap(bundle) -> Gap:
    return Gap("came without an earlier one", NODE, 9, bundle, CHUNK)


def answer_of(answers: Answers, outcome: Gap, there: Arrived) -> Answer:
    [answer] = answer_all([(answers, Question(outcome, [there], 1000.0))])
    assert answer is not None
    return answer


def test_an_answer_is_what_the_decoder_says_of_all_that_arrived(node_entry, bundle):
    answers = Answers([node_entry], None, TIMING)
    answer = answer_of(answers, gap(bundle), arrived(bundle, seed=5))
    assert answer.label == right_label(random_symbols(bundle.tables, 5))
    assert (answer.node, answer.image, answer.counter, answer.n_chunks) == (NODE, 4, 9, 2)
    assert (answer.confidence, answer.is_enough) == (None, False)


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_whole_image_needs_no_verdict(node_entry, calibrated_bundle, is_complete):
    node = replace(node_entry, bundle=calibrated_bundle)
    answers = Answers([node], VerdictConfig(confidence=0.01), TIMING)
    there = arrived(calibrated_bundle, is_complete=is_complete)
    answer = answer_of(answers, gap(calibrated_bundle), there)
    assert (answer.is_enough, answer.is_settled) == (not is_complete, True)


def test_verdicts_that_cannot_be_given_are_said(node_entry):
    assert Answers([node_entry], None, TIMING).notices == []
    [notice] = Answers([node_entry], VerdictConfig(), TIMING).notices
    assert "calibration" in notice


def test_advice_follows_from_what_images_took(node_entry, calibrated_bundle):
    node = replace(node_entry, bundle=calibrated_bundle)
    answers = Answers([node], VerdictConfig(confidence=0.01), TIMING)
    assert answers.advice(NODE, CHUNK) is None
    there = arrived(calibrated_bundle, is_complete=False)
    for image in range(8):
        outcome = replace(gap(calibrated_bundle), chunk=replace(CHUNK, image=image))
        answers.note(NODE, [answer_of(answers, outcome, there)])
    assert answers.advice(NODE, CHUNK) == 2
