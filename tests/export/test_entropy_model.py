import numpy as np
import pytest
import torch

from export.entropy_model import (
    Alphabet,
    FittedTables,
    Mixture,
    clusters,
    fit_candidates,
    fit_mixture,
    static_histogram,
)
from host_training.training.evaluation import histogram_bits
from host_training.training.mixture import SymbolMixture
from link.coder.bulk import mean_bits


def clustered(
    n: int, seed: int = 0, n_clusters: int = 5, n_latents: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    """Symbols that depend on one another through their cluster alone, and the clusters."""
    centres = np.random.default_rng(99).integers(-9, 10, (n_clusters, n_latents))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_clusters, n)
    return np.rint(centres[labels] + rng.normal(0, 0.6, (n, n_latents))).astype(np.int8), labels


def test_the_static_histogram_spends_the_histograms_entropy():
    symbols, _ = clustered(3000)
    assert mean_bits(symbols, static_histogram(symbols).quantised()) == pytest.approx(
        histogram_bits(symbols), rel=2e-3
    )


def test_em_never_loses_likelihood():
    symbols, labels = clustered(2000)
    rng = np.random.default_rng(1)
    for n_components in (2, 7, 20):
        steps = np.diff(fit_mixture(symbols, rng.permutation(labels), n_components).log_posterior)
        assert len(steps) >= 1
        assert steps.min() > -1e-4


def test_a_mixture_learns_what_the_latents_share():
    symbols, labels = clustered(2000)
    unseen, _ = clustered(500, seed=5)
    static = mean_bits(unseen, static_histogram(symbols).quantised())
    mixture = mean_bits(unseen, fit_mixture(symbols, labels, 5).quantised())
    assert mixture < 0.7 * static


def test_every_latent_has_room_for_one_symbol_more_on_each_side_within_int8():
    symbols = np.array([[0, -128, 127, 5], [0, -128, 120, 9]], np.int8)
    alphabet = Alphabet.of(symbols)
    assert alphabet.minimum.tolist() == [-1, -128, 119, 4]
    assert alphabet.sizes.tolist() == [3, 2, 9, 7]


def test_a_latent_that_never_changes_costs_next_to_nothing():
    symbols = np.full((500, 3), -4, np.int8)
    assert mean_bits(symbols, static_histogram(symbols).quantised()) < 0.02


def test_clusters_stay_within_their_class_where_there_are_enough_of_them():
    symbols, labels = clustered(300)
    membership = clusters(symbols, labels, 11, seed=0)
    assert (membership.sum(1) == 1).all()
    owners = [np.unique(labels[column > 0]) for column in membership.T if column.any()]
    assert all(len(owner) == 1 for owner in owners)


def test_fewer_clusters_than_classes_share_the_classes_out():
    symbols, labels = clustered(300)
    membership = clusters(symbols, labels, 3, seed=0)
    assert membership.shape == (300, 3)
    assert (membership.sum(1) == 1).all()


def test_a_component_needs_twenty_images():
    symbols, labels = clustered(200)
    sizes = [
        c.n_components for c in fit_candidates(symbols, labels, None, symbols, (1, 4, 10, 11, 5000))
    ]
    assert sizes == [1, 4, 10]


def test_the_candidate_with_the_fewest_validation_bits_is_chosen():
    symbols, labels = clustered(400)
    validation, _ = clustered(200, seed=3)
    fitted = FittedTables(
        tuple(fit_candidates(symbols, labels, symbols[::-1], validation, (5, 16)))
    )
    assert [(c.n_components, c.mirrored) for c in fitted.candidates[:3]] == [
        (1, False),
        (5, False),
        (16, False),
    ]
    assert fitted.candidates[3].mirrored
    assert fitted.chosen.validation_bits == min(c.validation_bits for c in fitted.candidates)
    assert fitted.static.n_components == 1
    assert fitted.best_mixture.n_components > 1


def test_independent_latents_gain_nothing_and_the_histogram_wins():
    rng = np.random.default_rng(0)
    symbols = rng.integers(-3, 4, (400, 6)).astype(np.int8)
    validation = rng.integers(-3, 4, (400, 6)).astype(np.int8)
    fitted = FittedTables(
        tuple(fit_candidates(symbols, rng.integers(0, 5, 400), None, validation, (10, 20)))
    )
    assert fitted.chosen is fitted.static


def test_the_same_symbols_give_the_same_tables():
    symbols, labels = clustered(500)
    first, second = (fit_mixture(symbols, labels, 9).quantised() for _ in range(2))
    assert all(
        np.array_equal(a, b) for a, b in zip(first.cumulative, second.cumulative, strict=True)
    )
    assert np.array_equal(first.prior, second.prior)


def test_what_training_learned_is_a_candidate_and_where_em_starts():
    symbols, labels = clustered(600)
    learned = SymbolMixture(symbols.shape[1], 5)
    learned.fit(torch.from_numpy(symbols).float(), torch.from_numpy(labels), 0)
    order = list(range(symbols.shape[1]))[::-1]
    sent = symbols[:, order]
    found = list(
        fit_candidates(
            sent, labels, None, sent, (5,), lambda these: Mixture.learned(learned, order, these)
        )
    )
    assert [one.is_learned for one in found] == [False, False, True, True]
    as_it_is, refined = found[2:]
    bits = float(learned.bits(torch.from_numpy(symbols).float()).detach().mean())
    assert as_it_is.validation_bits == pytest.approx(bits, rel=0.01)
    assert refined.validation_bits < 1.01 * as_it_is.validation_bits
    assert "learned with the encoder" in refined.describe()
