"""What augmentation does to images, and what it leaves."""

import numpy as np

from host_training.data.batches import augment, to_pixels
from host_training.data.dataset import (
    Augmentation,
)


def test_augmentation_shifts_and_mirrors_whole_images():
    images = np.arange(2 * 6 * 6, dtype=np.uint8).reshape(2, 6, 6, 1)
    pixels = to_pixels(images)
    for _ in range(50):
        for before, after in zip(
            pixels, augment(pixels, Augmentation(crop_pad=2, flip=True)), strict=True
        ):
            centre = after[0, 2:4, 2:4]
            candidates = [before[0], before[0].flip(1)]
            assert any(
                (candidate[i : i + 2, j : j + 2] == centre).all()
                for candidate in candidates
                for i in range(5)
                for j in range(5)
            )
    np.testing.assert_array_equal(augment(pixels, Augmentation()), pixels)


def test_rotation_and_zoom_keep_shape_and_brightness():
    pixels = to_pixels(np.full((4, 16, 16, 3), 200, np.uint8))
    turned = augment(pixels, Augmentation(rotation_degrees=10, zoom=0.1))
    assert turned.shape == pixels.shape
    assert (turned[:, :, 6:10, 6:10] == 200).all()


def test_cutout_blackens_one_square_and_nothing_else():
    pixels = to_pixels(np.full((200, 20, 20, 3), 9, np.uint8))
    black = (augment(pixels, Augmentation(cutout=6)) == 0).all(1)
    n_black = black.sum((1, 2))
    assert n_black.max() == 6 * 6
    assert n_black.min() >= 3 * 3
    rows, columns = black.any(2).sum(1), black.any(1).sum(1)
    assert (rows * columns == n_black).all()


def test_a_random_crop_shows_a_part_of_the_image_enlarged_to_the_whole():
    columns = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None], 24, 0)
    pixels = to_pixels(np.repeat(columns[None, :, :, None], 64, 0))
    cropped = augment(pixels, Augmentation(crop=0.5)).float()
    steps = cropped[:, 0, 12].diff(dim=1).mean(1)
    assert ((steps > 4.5) & (steps < 10.5)).all()
    assert steps.min() < 6 < 9 < steps.max()
    starts = cropped[:, 0, 12, 0]
    assert starts.min() < 20 < 50 < starts.max()
