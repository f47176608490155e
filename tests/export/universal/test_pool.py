from pathlib import Path

import numpy as np

from export.universal.pool import DRAWN, SIDE, Pool, enlarged


def test_a_pool_holds_so_many_images_of_each_set_and_their_classes():
    pool = Pool.of(("digits", "digits"), Path("data"), seed=0, n_images=12)
    assert pool.images.shape == (24, SIDE, SIDE, 3)
    assert pool.known.set_of.tolist() == [0] * 12 + [1] * 12
    assert len(pool.classes) == 20
    labels = pool.known.labels
    assert (labels[12:] == labels[:12] + 10).all()
    assert not pool.known.is_varied.any()
    assert np.array_equal(pool.images[:12], pool.images[12:])
    other = Pool.of(("digits",), Path("data"), seed=1, n_images=12)
    assert not np.array_equal(other.images, pool.images[:12])


def test_what_is_varied_is_of_its_set_and_of_no_class_and_what_is_drawn_of_none():
    pool = Pool.of(("digits", "digits"), Path("data"), seed=0, n_images=6, n_varied=4)
    known = pool.known
    assert len(pool.images) == len(known) == 24
    assert known.set_of.tolist() == [0] * 6 + [1] * 6 + [0] * 4 + [1] * 4 + [DRAWN] * 4
    assert known.is_varied.tolist() == [False] * 12 + [True] * 12
    assert known.labels[12:].tolist() == [20] * 4 + [21] * 4 + [22] * 4
    assert len(set(zip(known.groups, known.set_of, known.is_varied, strict=True))) == 5
    without = known.take(known.set_of != 1)
    assert set(without.labels) - set(range(10)) == {20, 22}


def test_a_part_of_every_set_is_validated_on():
    pool = Pool.of(("digits", "digits"), Path("data"), seed=0, n_images=20)
    data = pool.data_set()
    assert (len(data.train), len(data.validation)) == (36, 4)
    assert set(data.validation.labels // 10) == {0, 1}


def test_grey_images_become_grey_in_three_colours():
    grey = np.full((1, 8, 8, 1), 77, np.uint8)
    assert np.array_equal(enlarged(grey), np.full((1, SIDE, SIDE, 3), 77))
