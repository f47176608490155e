"""Quantiser: the best update of so many bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.update import code
from link.update.layout import Layout
from link.update.quantised import apply
from link.update.quantiser import quantise, quantise_within, scales_of
from tests.worlds.training_run import LAYOUT, values

LARGE = Layout(("a", "b", "c"), ((64, 3, 3, 64), (64,), (64, 1000)))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1 << 30), st.integers(60, 3000))
def test_the_code_never_exceeds_its_bytes_and_uses_nearly_all(seed, budget_bytes):
    _, coded = quantise_within(values(seed, LARGE), LARGE, budget_bytes)
    assert 0.97 * budget_bytes - 4 <= len(coded) <= budget_bytes


@pytest.mark.parametrize("budget_bytes", [300, 1000, 1600, 4000, 12_000])
def test_at_least_97_hundredths_of_the_bytes_are_used(budget_bytes):
    _, coded = quantise_within(values(3, LARGE), LARGE, budget_bytes)
    assert 0.97 * budget_bytes <= len(coded) <= budget_bytes


def test_the_largest_are_sent_with_their_signs():
    given_ = values(5, LARGE)
    quantised = quantise(given_, LARGE, 800)
    sent = np.zeros(LARGE.size, bool)
    sent[quantised.positions] = True
    assert np.abs(given_[sent]).min() >= np.abs(given_[~sent]).max()
    assert (np.sign(given_[sent]) == np.sign(quantised.symbols)).all()


def test_more_bytes_leave_a_smaller_error():
    given_ = values(6, LARGE)
    errors = [
        float(np.square(apply(given_, quantise(given_, LARGE, budget), LARGE)).sum())
        for budget in (100, 300, 1000, 3000, 10_000)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]


def test_scales_share_the_bytes_out_in_another_way():
    given_ = values(7, LARGE)
    plain = quantise(given_, LARGE, 800)
    scaled = quantise(given_, LARGE, 800, (0, 0, -3))
    assert (scaled.positions >= LARGE.starts[2]).sum() > (plain.positions >= LARGE.starts[2]).sum()
    assert code.decode(code.encode(scaled, LARGE), LARGE).scales == (0, 0, -3)


def test_scales_are_each_tensors_root_mean_square():
    given_ = np.ones(LARGE.size, np.float32)
    given_[LARGE.starts[2] :] = -0.25
    given_[: LARGE.starts[1]] = 1e9
    assert scales_of(given_, LARGE) == (7, 0, -2)
    assert scales_of(np.zeros(LARGE.size, np.float32), LARGE) == (0, 0, 0)


def test_where_few_entries_of_any_size_are_left_the_error_still_falls():
    """A tail of tiny ones must not take the levels from those that count."""
    given_ = np.zeros(LARGE.size, np.float32)
    given_[:900] = values(9, LARGE)[:900]
    given_[900:1800] = 1e-6 * values(9, LARGE)[900:1800]
    left = apply(given_, quantise(given_, LARGE, 10_000), LARGE)
    assert np.square(left).sum() < 0.3 * np.square(given_).sum()


@pytest.mark.parametrize("budget_bytes", [0, 1, 5, 10])
def test_too_few_bytes_for_anything_are_none(budget_bytes):
    quantised, coded = quantise_within(values(8), LAYOUT, budget_bytes)
    assert len(coded) <= budget_bytes
    assert len(quantised.positions) <= 4


def test_nothing_to_send_is_nothing():
    quantised, coded = quantise_within(np.zeros(LAYOUT.size, np.float32), LAYOUT, 1000)
    assert coded == b""
    assert len(quantised.positions) == 0


def test_where_all_that_there_is_fits_all_of_it_is_sent():
    given_ = np.zeros(LAYOUT.size, np.float32)
    given_[[3, 70, 4000]] = 0.25, -0.25, 0.25
    quantised = quantise(given_, LAYOUT, 1000)
    assert np.array_equal(quantised.dense(LAYOUT), given_)
