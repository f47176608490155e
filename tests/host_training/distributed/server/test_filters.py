"""Filters: who moves against the others is left out, and nobody pulls harder than half of them."""

import numpy as np
import pytest

from host_training.distributed.server import filters

TRUTH = np.random.default_rng(1).standard_normal(400).astype(np.float32)


def honest(n: int, noise: float = 3.0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(TRUTH + noise * rng.standard_normal(TRUTH.size)).astype(np.float32) for _ in range(n)]


def test_no_update_is_longer_than_the_median_and_short_ones_stay():
    updates = [np.full(4, length, np.float32) for length in (1, 2, 3, 40, 500)]
    factors = filters.clip_factors(updates)
    lengths = filters.norms([f * u for f, u in zip(factors, updates, strict=True)])
    np.testing.assert_allclose(lengths, [2, 4, 6, 6, 6], rtol=1e-6)


def test_an_update_of_zeros_harms_nothing():
    updates = [*honest(5), np.zeros_like(TRUTH)]
    assert np.isfinite(filters.cosines_to_others(updates)).all()
    assert filters.is_with_the_others(updates)[:5].all()


def test_the_cosine_is_the_one_of_its_definition():
    updates = [u / np.linalg.norm(u) for u in honest(6)]  # none is clipped
    for i, cosine in enumerate(filters.cosines_to_others(updates)):
        rest = sum(u for j, u in enumerate(updates) if j != i)
        wanted = updates[i] @ rest / np.linalg.norm(updates[i]) / np.linalg.norm(rest)
        assert cosine == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e6])
@pytest.mark.parametrize("kind", ["noise", "sign flip"])
def test_two_liars_among_twenty_are_left_out_and_nobody_else(kind, scale):
    updates, rng = honest(20), np.random.default_rng(9)
    for liar in (3, 11):
        lie = rng.standard_normal(TRUTH.size) if kind == "noise" else -updates[liar]
        updates[liar] = (scale * lie).astype(np.float32)
    assert set(np.flatnonzero(~filters.is_with_the_others(updates))) == {3, 11}


def test_among_three_nobody_is_judged():
    assert filters.is_with_the_others([TRUTH, TRUTH, -TRUTH]).all()


def test_what_raises_the_held_out_loss_is_left_out():
    def loss(weights: np.ndarray) -> float:
        return float(np.square(weights - TRUTH).mean())

    weights = np.zeros_like(TRUTH)
    kept = filters.is_harmless(weights, [-0.1 * TRUTH, 0.1 * TRUTH, -0.1 * TRUTH], loss)
    assert list(kept) == [True, False, True]
