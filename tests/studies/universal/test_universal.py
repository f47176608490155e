import numpy as np
import pytest

from tests.studies.universal.study import halves, losses


def test_of_each_class_one_half_teaches_and_the_other_measures():
    labels = np.repeat([0, 1, 2], [10, 4, 6])
    learn, test = halves(labels, seed=0)
    assert not set(learn) & set(test)
    assert np.bincount(labels[learn]).tolist() == np.bincount(labels[test]).tolist() == [5, 2, 3]
    assert not np.array_equal(learn, halves(labels, seed=1)[0])


def test_losses_are_points_below_float_features_and_their_mean_counts():
    figures = {}
    for name, full, code in (("a", 0.9, 0.8), ("b", 0.7, 0.66)):
        for words in ("", " 10 examples"):
            figures[f"{name} full features{words}"] = full
            for n in (20, 40):
                figures[f"{name} {n} bytes{words}"] = code
    found = losses(("a", "b"), figures)
    assert found["loss_points_20_bytes"] == pytest.approx(7)
    assert found["loss_points_40_bytes_10_examples"] == pytest.approx(7)
