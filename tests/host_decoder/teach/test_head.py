import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from host_decoder.teach.head import Spread, folds, teach

N_CLASSES, N_LATENTS = 4, 12


def drawn(n_each: int, seed: int, distance: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Symbols around class means that are the same for every seed, and labels."""
    means = np.random.default_rng(0).normal(0, distance, (N_CLASSES, N_LATENTS))
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(N_CLASSES), n_each)
    return np.round(means[labels] + rng.normal(0, 2, (len(labels), N_LATENTS))), labels


@pytest.mark.parametrize("shrinkage", [0.01, 0.3])
def test_a_head_is_the_shrunken_discriminant_analysis_of_scikit_learn(shrinkage):
    symbols, labels = drawn(30, seed=1)
    others, _ = drawn(50, seed=2)
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(symbols, labels)
    wanted = oracle.predict_log_proba(others)
    head = Spread(symbols, labels, N_CLASSES).head(shrinkage)
    # theirs divides the covariance by N, ours by the degrees of freedom
    found, _ = head.cooled((len(labels) - N_CLASSES) / len(labels))(others)
    assert np.log(found) == pytest.approx(wanted, abs=1e-6)


def test_strangeness_is_the_squared_distance_to_the_nearest_class():
    symbols, labels = drawn(30, seed=1)
    spread = Spread(symbols, labels, N_CLASSES)
    _, at_means = spread.head(0.1)(spread.means)
    assert at_means == pytest.approx(np.zeros(N_CLASSES), abs=1e-9)
    away = spread.means[:1] + spread.axes[:, -1]
    _, [moved] = spread.head(0.0)(away)
    assert moved == pytest.approx(1 / spread.variances[-1])


def test_cross_validation_promises_what_new_images_show():
    symbols, labels = drawn(40, seed=1, distance=0.8)
    taught = teach(symbols, labels, N_CLASSES)
    others, truth = drawn(500, seed=2, distance=0.8)
    probabilities, strangeness = taught.head(others)
    accuracy = (probabilities.argmax(1) == truth).mean()
    assert 0.5 < accuracy < 0.95
    assert taught.accuracy(labels) == pytest.approx(accuracy, abs=0.06)
    assert probabilities.max(1).mean() == pytest.approx(accuracy, abs=0.06)
    assert (strangeness > taught.threshold).mean() == pytest.approx(0.05, abs=0.04)
    assert taught.confusion(labels).sum(1).tolist() == [40] * N_CLASSES


def test_what_is_like_none_of_the_classes_is_strange():
    symbols, labels = drawn(40, seed=1)
    taught = teach(symbols, labels, N_CLASSES)
    _, strangeness = taught.head(np.random.default_rng(5).normal(0, 12, (200, N_LATENTS)))
    assert (strangeness > taught.threshold).mean() > 0.9


def test_two_examples_of_a_class_are_enough():
    symbols, labels = drawn(2, seed=3, distance=8.0)
    assert teach(symbols, labels, N_CLASSES).accuracy(labels) > 0.8


def test_every_class_lies_in_every_fold():
    labels = np.repeat([0, 1, 2], [5, 11, 7])
    fold_of = folds(labels, 5, seed=0)
    assert all(set(fold_of[labels == label]) == set(range(5)) for label in range(3))
