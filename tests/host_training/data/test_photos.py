"""Photos keep together what is known of each."""

import numpy as np

from host_training.data.photos import Photos


def test_a_part_of_the_photos_is_those_photos_with_their_names():
    photos = Photos(
        np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3),
        np.array([0, 0, 1]),
        np.array(["a/1.jpg", "a/2.jpg", "b/1.jpg"], object),
        np.array([0, 0, 1]),
    )
    part = photos.subset(np.array([2, 0]))
    split = part.split()
    assert len(part) == len(split) == 2
    assert split.names is not None
    assert split.names.tolist() == ["b/1.jpg", "a/1.jpg"]
    assert split.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(split.images, photos.images[[2, 0]])
