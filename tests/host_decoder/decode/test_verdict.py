"""A verdict is given when the label is sure or the rest is not worth its airtime, and never without
a calibration.
"""

import numpy as np
import pytest

from host_decoder.decode.verdict import VerdictPolicy
from link.bundle.calibration import Calibration

CALIBRATION = Calibration((0, 4, 8), (2.0, 1.0, 1.0), (1.0, 0.5, 0.0))
NEVER = 2.0


def unsure(confidence: float) -> np.ndarray:
    return np.array([1 - confidence, confidence], np.float32)


def test_a_sure_label_is_enough():
    policy = VerdictPolicy(CALIBRATION, min_confidence=0.95, min_gain=0)
    assert not policy.judge(unsure(0.949), 4).is_enough
    assert policy.judge(unsure(0.951), 4).is_enough


def test_sure_means_calibrated():
    policy = VerdictPolicy(CALIBRATION, min_confidence=0.9, min_gain=0)
    assert policy.judge(unsure(0.95), 4).is_enough
    verdict = policy.judge(unsure(0.95), 0)
    assert not verdict.is_enough
    assert verdict.confidence is not None
    assert verdict.confidence == pytest.approx(0.813, abs=1e-3)
    assert verdict.probabilities == pytest.approx([1 - verdict.confidence, verdict.confidence])
    assert verdict.gain_to_come == pytest.approx(1 - verdict.confidence)


def test_what_no_further_symbol_would_put_right_is_let_go_of_however_unsure_it_is():
    policy = VerdictPolicy(CALIBRATION, min_confidence=NEVER, min_gain=0.1)
    assert not policy.judge(unsure(0.6), 4).is_enough
    assert policy.judge(unsure(0.6), 7).is_enough


def test_a_dear_chunk_must_promise_more():
    policy = VerdictPolicy(CALIBRATION, min_confidence=NEVER, min_gain=0, price_per_s=0.5)
    promising = unsure(0.6)  # at 4 symbols, 0.2 of 1 are put right yet
    assert not policy.judge(promising, 4, next_chunk_s=0.39).is_enough
    assert policy.judge(promising, 4, next_chunk_s=0.41).is_enough
    assert not policy.judge(promising, 4).is_enough


def test_with_all_symbols_known_nothing_is_awaited():
    assert VerdictPolicy(CALIBRATION).judge(unsure(0.5), 8).is_enough


def test_many_images_at_once_are_judged_as_each_alone():
    rng = np.random.default_rng(1)
    probabilities, n_known = (
        rng.dirichlet(np.full(4, 0.2), 300).astype(np.float32),
        rng.integers(0, 9, 300),
    )
    policy = VerdictPolicy(CALIBRATION, price_per_s=0.3)
    together = policy.is_enough(probabilities, n_known, 0.1)
    alone = [
        policy.judge(row, n, 0.1).is_enough
        for row, n in zip(probabilities, n_known.tolist(), strict=True)
    ]
    assert together.tolist() == alone
    assert 0 < together.mean() < 1


def test_without_a_calibration_there_is_no_verdict_and_a_sentence_why():
    policy = VerdictPolicy(None)
    verdict = policy.judge(unsure(1.0), 8)
    assert (verdict.is_enough, verdict.confidence, verdict.gain_to_come) == (False, None, None)
    assert verdict.probabilities == pytest.approx([0, 1])
    assert not policy.is_enough(np.ones((3, 1), np.float32), np.array([0, 4, 8])).any()
    assert policy.notice is not None
    assert "export calibrate" in policy.notice
    assert VerdictPolicy(CALIBRATION).notice is None


@pytest.mark.parametrize(
    "rules", [{"min_gain": -0.1}, {"price_per_s": float("inf")}, {"min_confidence": 0.0}]
)
def test_rules_that_make_no_sense_are_refused(rules):
    with pytest.raises(ValueError, match="must be"):
        VerdictPolicy(CALIBRATION, **rules)
