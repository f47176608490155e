"""An image enters every encoder in one way, bit for bit."""

import numpy as np
import pytest

from link.bundle.image_spec import ImageSpec

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 6, 9, 2), dtype=np.uint8)


def test_every_pixel_value_enters_as_itself_less_128():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    entered = ImageSpec(16, 16, 1).to_model_input(ramp)
    assert entered.dtype == np.int8
    assert (entered.astype(int) == ramp.astype(int) - 128).all()


@pytest.mark.parametrize("pixel_pad", [0, 1, 4])
def test_the_border_is_reflected_and_its_shape_is_known_before(pixel_pad):
    spec = ImageSpec(6, 9, 2, pixel_pad)
    entered = spec.to_model_input(IMAGES).astype(int) + 128
    assert entered.shape == (3, *spec.input_shape)
    pad = (pixel_pad, pixel_pad)
    assert (entered == np.pad(IMAGES, ((0, 0), pad, pad, (0, 0)), mode="reflect")).all()
    assert (entered[:, pixel_pad : pixel_pad + 6, pixel_pad : pixel_pad + 9] == IMAGES).all()


def test_images_that_lie_elsewhere_in_memory_enter_the_same():
    spec = ImageSpec(6, 9, 2)
    mirrored = IMAGES[:, :, ::-1]
    assert (spec.to_model_input(mirrored) == spec.to_model_input(mirrored.copy())).all()
