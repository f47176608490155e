"""The encoder on a real int8 model."""

import numpy as np
import pytest

from device.encoder.encoder import Encoder
from device.encoder.model import EncoderError


def test_the_int8_output_is_the_symbol(bundle, images, symbols):
    encoder = Encoder(bundle)
    encoded = np.array([encoder(image) for image in images])
    assert encoded.dtype == np.int8
    assert (encoded == symbols).all()
    assert len(np.unique(symbols)) > 20  # the model tells the images apart


def test_every_pixel_value_enters_as_itself_less_128(bundle):
    ramp = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8, 1)
    prepared = Encoder(bundle).prepare(ramp)
    assert prepared.shape == (1, 8, 8, 1)
    assert prepared.dtype == np.int8
    assert (prepared[0].astype(int) == ramp.astype(int) - 128).all()


def test_pixels_are_reflected_around_the_image_where_the_wavelet_needs_it(make_bundle, images):
    encoder = Encoder(make_bundle(height=6, width=6, pixel_pad=1))
    small = images[0][:6, :6]
    assert (
        encoder.prepare(small)[0].astype(int) + 128
        == np.pad(small, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    ).all()
    assert encoder(small).shape == (8,)


def test_results_of_one_image_do_not_change_with_the_next(bundle, images):
    encoder = Encoder(bundle)
    first = encoder(images[0])
    kept = first.copy()
    encoder(images[1])
    assert (first == kept).all()


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((240, 320, 3), "image is 240x320x3, the bundle's encoder takes 8x8x1: resize the images"),
        ((8, 8), "image is 8x8, the bundle's encoder takes 8x8x1"),
        ((8, 9, 1), "image is 8x9x1"),
    ],
)
def test_an_image_of_another_shape_is_refused_with_both_shapes(bundle, shape, sentence):
    with pytest.raises(EncoderError, match=sentence):
        Encoder(bundle)(np.zeros(shape, np.uint8))


def test_an_image_of_floats_is_refused(bundle):
    with pytest.raises(
        EncoderError,
        match="image is float32, the encoder takes uint8: scale the images to 0 to 255",
    ):
        Encoder(bundle)(np.zeros((8, 8, 1), np.float32))


def test_a_model_that_does_not_fit_its_manifest_is_refused_with_both_shapes(make_bundle):
    with pytest.raises(
        EncoderError, match="input 1x8x8x1 int8, its manifest needs 1x32x32x3 int8; export it again"
    ):
        Encoder(make_bundle("other_image", height=32, width=32, channels=3))
    with pytest.raises(EncoderError, match="output 8 int8, its manifest needs 16 int8"):
        Encoder(make_bundle("more_latents", n_latents=16))


def test_a_file_that_is_no_model_is_refused(make_bundle):
    with pytest.raises(
        EncoderError, match=r"encoder.tflite of bundle .* does not run: .*export it again"
    ):
        Encoder(make_bundle(model=b"not a flatbuffer at all"))
