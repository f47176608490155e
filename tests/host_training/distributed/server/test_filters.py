"""Filters: who moves against the others is left out, and nobody pulls harder than half of them."""

import numpy as np
import pytest

from host_training.distributed.server import filters

TRUTH = np.random.default_rng(1).standard_normal(400).astype(np.float32)


def honest(n: int, noise: float = 3.0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(TRUTH + noise * rng.standard_normal(TRUTH.size)).astype(np.float32) for _ in range(n)]


def believed(updates: list[np.ndarray]) -> np.ndarray:
    """Which of them, when nothing is known yet."""
    return filters.Trust().judged(range(len(updates)), updates)[1]


def test_no_update_is_longer_than_the_median_and_short_ones_stay():
    updates = [np.full(4, length, np.float32) for length in (1, 2, 3, 40, 500)]
    factors = filters.clip_factors(updates)
    lengths = filters.norms([f * u for f, u in zip(factors, updates, strict=True)])
    np.testing.assert_allclose(lengths, [2, 4, 6, 6, 6], rtol=1e-6)


def test_an_update_of_zeros_harms_nothing():
    updates = [*honest(5), np.zeros_like(TRUTH)]
    assert np.isfinite(filters.cosines_to_others(updates)).all()
    assert believed(updates)[:5].all()


def test_the_cosine_is_the_one_of_its_definition():
    updates = [u / np.linalg.norm(u) for u in honest(6)]  # none is clipped
    for i, cosine in enumerate(filters.cosines_to_others(updates)):
        rest = sum(u for j, u in enumerate(updates) if j != i)
        wanted = updates[i] @ rest / np.linalg.norm(updates[i]) / np.linalg.norm(rest)
        assert cosine == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e6])
@pytest.mark.parametrize("kind", ["noise", "sign flip"])
def test_two_liars_among_twenty_are_left_out_soon_and_nobody_else(kind, scale):
    rng, trust = np.random.default_rng(9), filters.Trust()
    for turn in range(8):
        updates = honest(20, seed=turn)
        for liar in (3, 11):
            lie = rng.standard_normal(TRUTH.size) if kind == "noise" else -updates[liar]
            updates[liar] = (scale * lie).astype(np.float32)
        trust, is_believed = trust.judged(range(20), updates)
        assert set(np.flatnonzero(~is_believed)) <= {3, 11}
    assert set(np.flatnonzero(~is_believed)) == {3, 11}


def test_among_three_nobody_is_judged():
    assert believed([TRUTH, TRUTH, -TRUTH]).all()


def test_the_course_of_the_run_counts_as_one_of_the_others():
    one, course = honest(1)[0], 5 * TRUTH
    wanted = one @ course / np.linalg.norm(one) / np.linalg.norm(course)
    assert filters.cosines_to_others([one], course) == pytest.approx([wanted], rel=1e-4)


@pytest.mark.parametrize("kind", ["noise", "sign flip"])
def test_many_turns_tell_what_one_does_not(kind):
    """Four of 24 in a round, each of which says hardly anything, three of the 24 lie, and two of
    these have their turn together: they are found, honest ones are left out seldom, and come back.
    """
    rng, trust, counted = np.random.default_rng(3), filters.Trust(), np.zeros((24, 2))
    liars = [8, 9, 20]
    for round_ in range(30 * 6):
        devices = [4 * (round_ % 6) + i for i in range(4)]
        updates = honest(4, noise=6.0, seed=round_)
        for place, device in enumerate(devices):
            if device in liars:
                noise = (6 * rng.standard_normal(TRUTH.size)).astype(np.float32)
                updates[place] = noise if kind == "noise" else -updates[place]
        trust, is_believed = trust.judged(devices, updates, 10 * honest(1, 0.5, round_)[0])
        counted[devices, round_ // 90] += is_believed
    assert (counted[liars, 1] <= 2).all()  # of 15, in the second half
    assert np.delete(counted, liars, 0).mean() > 14.5
    assert len(trust.recent) == filters.N_RECENT


def test_who_begins_to_lie_after_long_honesty_is_found_soon():
    usual = tuple(np.random.default_rng(1).normal(0.2, 0.1, 64))
    trust = filters.Trust({0: filters.MOST, 1: 0.0}, usual)
    for turn in range(10):
        one, other = honest(2, seed=turn)
        trust, is_believed = trust.judged([0, 1], [-one, other], 10 * TRUTH)
    assert list(is_believed) == [False, True]


def test_of_several_who_are_not_believed_the_likeliest_is():
    trust = filters.Trust({0: -6.0, 1: -5.0}, tuple(np.full(8, 0.2)))
    noise = honest(1, noise=20.0)[0]
    assert list(trust.judged([0, 1], [-TRUTH, noise], TRUTH)[1]) == [False, True]


def test_what_raises_the_held_out_loss_is_left_out():
    def loss(weights: np.ndarray) -> float:
        return float(np.square(weights - TRUTH).mean())

    weights = np.zeros_like(TRUTH)
    kept = filters.is_harmless(weights, [-0.1 * TRUTH, 0.1 * TRUTH, -0.1 * TRUTH], loss)
    assert list(kept) == [True, False, True]
