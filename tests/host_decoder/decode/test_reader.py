"""One reader for what is heard and for what was stored: the same latent, the same answer."""

import numpy as np
import pytest

from host_decoder.decode.reader import Reader
from host_decoder.decode.verdict import VerdictConfig
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import CLASSES, right_label


@pytest.fixture
def symbols(bundle):
    return np.stack([random_symbols(bundle.tables, seed) for seed in range(5)])


def labels(verdicts) -> list[str]:
    return [CLASSES[int(verdict.probabilities.argmax())] for verdict in verdicts]


def test_one_by_one_or_many_at_once(bundle, symbols):
    reader = Reader(bundle, None)
    n_known = np.full(len(symbols), bundle.n_latents)
    many = reader.judge_all(symbols, n_known)
    single = [
        verdict for row in symbols for verdict in reader.judge_all(row[np.newaxis], n_known[:1])
    ]
    assert labels(many) == labels(single) == [right_label(row) for row in symbols]
    for one, other in zip(many, single, strict=True):
        assert one.probabilities.tolist() == other.probabilities.tolist()


def test_nobody_asked_for_a_verdict_and_there_is_none(calibrated_bundle, symbols):
    known = np.full(len(symbols), calibrated_bundle.n_latents)
    unasked = Reader(calibrated_bundle, None).judge_all(symbols, known)
    asked = Reader(calibrated_bundle, VerdictConfig(confidence=0.01)).judge_all(symbols, known)
    assert {verdict.is_enough for verdict in unasked} == {False}
    assert {verdict.is_enough for verdict in asked} == {True}


@pytest.mark.parametrize("is_asked", [False, True])
def test_without_a_calibration_a_verdict_that_was_asked_for_is_explained(bundle, is_asked):
    reader = Reader(bundle, VerdictConfig() if is_asked else None)
    assert (reader.notice is not None) == is_asked
    assert not reader.gives_verdicts
