import numpy as np

from export.universal.varied import drawn, varied

SIDE = 64


def test_variations_are_images_of_the_same_size_unlike_one_another():
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)
    made = varied(images, 30, np.random.default_rng(1))
    assert (made.shape, made.dtype) == ((30, SIDE, SIDE, 3), np.uint8)
    assert len({one.tobytes() for one in made}) == 30
    assert np.array_equal(made, varied(images, 30, np.random.default_rng(1)))
    is_grey = (made == made[..., :1]).all((1, 2, 3))
    assert 0 < is_grey.sum() < 30


def test_what_is_drawn_is_coloured_or_grey_and_never_empty():
    made = drawn(SIDE, 40, np.random.default_rng(0))
    assert (made.shape, made.dtype) == ((40, SIDE, SIDE, 3), np.uint8)
    is_grey = (made == made[..., :1]).all((1, 2, 3))
    assert 5 < is_grey.sum() < 35
    assert (made.reshape(40, -1).std(1) > 0).mean() > 0.9
