"""Pixels as image files that everything opens."""

import io

import numpy as np
import pytest
from PIL import Image

from link.picture.writer import size_within, to_jpeg, to_png


def test_a_png_is_what_pillow_reads():
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
        with Image.open(io.BytesIO(to_png(pixels))) as picture:
            assert np.array_equal(np.asarray(picture).reshape(pixels.shape), pixels)
    with pytest.raises(ValueError, match="2 channels"):
        to_png(np.zeros((2, 2, 2), np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_shows_the_same_no_larger_than_it_may_be(channels):
    rows = np.linspace(0, 255, 480, dtype=np.uint8)[:, None, None]
    pixels = np.broadcast_to(rows, (480, 640, channels))
    with Image.open(io.BytesIO(to_jpeg(pixels, 120))) as picture:
        assert picture.size == (160, 120)
        seen = np.asarray(picture).reshape(120, 160, channels).astype(int)
    assert abs(seen - pixels[2::4, ::4]).max() <= 4


def test_what_is_small_stays_as_large_as_it_is():
    assert size_within((480, 640, 3), 120) == (160, 120)
    assert size_within((640, 480, 3), 120) == (120, 160)
    assert size_within((100, 5000, 3), 120) == (5000, 100)
