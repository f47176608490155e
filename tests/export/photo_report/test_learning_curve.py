"""Accuracy by number of photos: measured on features, and read for what it says of more."""

import numpy as np
import pytest

from export.photo_report.learning_curve import Point, exponent, learning_curve


def features(n_each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), n_each)
    centres = np.random.default_rng(0).normal(size=(3, 16))
    return (centres[labels] + 1.5 * rng.normal(size=(len(labels), 16))).astype(np.float32), labels


def test_more_photos_are_better_and_the_curve_is_the_same_each_time():
    (train, labels), (test, test_labels) = features(60, 1), features(200, 2)
    curve = learning_curve(train, test, labels, test_labels)
    assert [(point.n_photos, point.is_all) for point in curve] == [
        (10, False),
        (20, False),
        (50, False),
        (60, True),
    ]
    assert curve[0].mean + 0.03 < curve[2].mean
    assert all(point.lowest <= point.mean <= point.highest for point in curve)
    assert curve == learning_curve(train, test, labels, test_labels)


def test_a_class_with_few_photos_gives_all_it_has():
    train, labels = features(30, 1)
    kept = np.r_[:30, 30:35, 60:90]
    curve = learning_curve(train[kept], train, labels[kept], labels)
    assert [point.n_photos for point in curve] == [10, 20, 22]


def test_the_exponent_is_that_of_the_power_law():
    curve = tuple(Point(n, 1 - n**-0.5, 0, 1) for n in (10, 20, 50, 100))
    assert exponent(curve) == pytest.approx(0.5)
    assert exponent(tuple(Point(n, 0.5, 0, 1) for n in (10, 20))) == 0
    assert exponent((Point(10, 1, 1, 1), Point(20, 1, 1, 1))) == 0
