import numpy as np
import pytest

from host_training.training.class_accuracy import ClassAccuracies

NAMES = ("fox", "empty", "deer")


def test_a_model_that_only_names_the_commonest_class_is_seen_through():
    labels = np.array([0, 1, 1, 1, 1, 1, 1, 2, 2])
    lazy = ClassAccuracies.of(NAMES, labels, np.ones(9, int))
    assert lazy.accuracy == pytest.approx(6 / 9) == lazy.largest_share
    assert lazy.mean == pytest.approx(1 / 3)
    assert lazy.never_said == ("fox", "deer")
    assert lazy.describe() == (
        "66.67% of 9 images, of which 67% are 'empty'; 33.33% as the mean over the classes: "
        "fox 0% of 1, empty 100% of 6, deer 0% of 2; never says fox, deer"
    )


def test_a_class_without_images_has_no_accuracy_and_counts_for_nothing():
    found = ClassAccuracies.of(NAMES, np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2]))
    assert [one.accuracy for one in found.each] == [0.5, None, 1.0]
    assert found.mean == 0.75
    assert found.never_said == ()
    assert found.to_dict()["classes"]["empty"] == {"images": 0, "right": 0, "said": 1}


def test_of_many_classes_the_worst_are_named():
    labels = np.repeat(np.arange(20), 2)
    said = labels.copy()
    said[2 * 17] = 0
    words = ClassAccuracies.of([f"class {i}" for i in range(20)], labels, said).describe()
    assert "the worst are class 17 50% of 2, class 0 100% of 2" in words
    assert words.count(" of 2") == 8
