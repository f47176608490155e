import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from host_decoder.teach.head import RIDGES, folds, learned, squared_distances, teach

N_CLASSES, N_LATENTS = 4, 12


def drawn(n_each: int, seed: int, distance: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Symbols around class means that are the same for every seed, and labels."""
    means = np.random.default_rng(0).normal(0, distance, (N_CLASSES, N_LATENTS))
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(N_CLASSES), n_each)
    return np.round(means[labels] + rng.normal(0, 2, (len(labels), N_LATENTS))), labels


@pytest.mark.parametrize("place", range(len(RIDGES)))
def test_a_head_is_the_kernel_ridge_regression_of_scikit_learn(place):
    symbols, labels = drawn(30, seed=1)
    others, _ = drawn(50, seed=2)
    *_, head = list(learned(symbols, labels, N_CLASSES, 1.0, np.random.default_rng(0)))[: place + 1]
    points, far = (each * head.scale + head.shift for each in (symbols, others))
    oracle = KernelRidge(alpha=RIDGES[place], kernel="rbf", gamma=1.0)
    oracle.fit(points, np.eye(N_CLASSES)[labels] - 1 / N_CLASSES)
    scores = np.exp(-squared_distances(far, head.centres)) @ head.weights
    assert scores == pytest.approx(oracle.predict(far), abs=0.01)


def test_strangeness_is_how_far_the_nearest_example_is():
    symbols, labels = drawn(30, seed=1)
    head = next(learned(symbols, labels, N_CLASSES, 1.0, np.random.default_rng(0)))
    _, at_examples = head(symbols)
    assert at_examples == pytest.approx(np.zeros(len(symbols)), abs=1e-9)
    _, [moved] = head(symbols[:1] + 100 * np.eye(N_LATENTS)[:1])
    assert moved == pytest.approx((100 * head.scale[0]) ** 2, rel=0.2)


def test_cross_validation_promises_what_new_images_show():
    symbols, labels = drawn(100, seed=1, distance=0.8)
    taught = teach(symbols, labels, N_CLASSES)
    others, truth = drawn(500, seed=2, distance=0.8)
    probabilities, strangeness = taught.head(others)
    accuracy = (probabilities.argmax(1) == truth).mean()
    assert 0.5 < accuracy < 0.95
    assert taught.accuracy == pytest.approx(accuracy, abs=0.06)
    assert probabilities.max(1).mean() == pytest.approx(accuracy, abs=0.06)
    assert (strangeness > taught.threshold).mean() == pytest.approx(0.05, abs=0.04)
    assert taught.confusion.sum(1).tolist() == [100] * N_CLASSES


def test_what_is_like_none_of_the_classes_is_strange():
    symbols, labels = drawn(40, seed=1)
    taught = teach(symbols, labels, N_CLASSES)
    _, strangeness = taught.head(np.random.default_rng(5).normal(0, 12, (200, N_LATENTS)))
    assert (strangeness > taught.threshold).mean() > 0.9


def test_two_examples_of_a_class_are_enough():
    symbols, labels = drawn(2, seed=3, distance=8.0)
    assert teach(symbols, labels, N_CLASSES).accuracy > 0.8


def test_every_class_lies_in_every_fold():
    labels = np.repeat([0, 1, 2], [5, 11, 7])
    fold_of = folds(labels, 5, seed=0)
    assert all(set(fold_of[labels == label]) == set(range(5)) for label in range(3))
