"""Pictures of no class: of any kind, size and depth, drawn anew with another seed."""

import numpy as np
import pytest

from export.decoders.strangers import KINDS, N_SQUARES, SHUFFLED, draw


def own(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, *shape)).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3), (30, 46, 3)])
def test_each_kind_comes_in_the_shape_of_the_data_sets_own_images(kind, shape):
    pictures = draw(kind, 5, own(shape), seed=0)
    assert pictures.shape == (5, *shape)
    assert pictures.dtype == np.uint8
    assert len(np.unique(pictures, axis=0)) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_the_same_and_another_one_others(kind):
    images = own((32, 32, 3))
    assert np.array_equal(draw(kind, 4, images, seed=0), draw(kind, 4, images, seed=0))
    assert not np.array_equal(draw(kind, 4, images, seed=0), draw(kind, 4, images, seed=1))


def test_what_is_cut_up_keeps_its_pixels_and_loses_its_places():
    images = own((32, 32, 3))
    cut = draw(SHUFFLED, 20, images, seed=0)
    side = 32 // N_SQUARES
    for picture in cut:
        [source] = [
            image
            for image in images
            if np.array_equal(np.sort(image, None), np.sort(picture, None))
        ]
        assert not np.array_equal(source, picture)
        corners = [(y, x) for y in range(0, 32, side) for x in range(0, 32, side)]
        squares = {picture[y : y + side, x : x + side].tobytes() for y, x in corners}
        assert source[:side, :side].tobytes() in squares
