"""The embedded digits."""

import numpy as np

from host_training.data.catalogue import load


def test_digits_are_all_there_once_in_a_stratified_split():
    data = load("digits")
    splits = (data.train, data.validation, data.test)
    assert sum(map(len, splits)) == 1797
    assert data.image_shape == (8, 8, 1)
    assert all(set(split.labels) == set(range(10)) for split in splits)
    assert data.train.images.max() == 255
    np.testing.assert_array_equal(load("digits").test.labels, data.test.labels)
