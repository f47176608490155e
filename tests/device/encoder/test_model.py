"""A model is looked at when it is loaded: its shapes are the manifest's, or a sentence has both."""

import numpy as np
import pytest

from device.encoder.model import EncoderError, Model

NAME = "encoder.tflite"


def test_it_computes_what_it_is_given(bundle, images, symbols):
    model = Model(bundle, NAME, (1, 8, 8, 1), bundle.n_latents)
    made = model((images[0] ^ np.uint8(128)).view(np.int8)[None])
    assert made.reshape(-1).tolist() == symbols[0].tolist()


@pytest.mark.parametrize(
    ("shape", "n_outputs", "sentence"),
    [
        ((1, 4, 4, 1), 8, "input 1x8x8x1 int8, its manifest needs 1x4x4x1 int8; export it again"),
        ((1, 8, 8, 1), 9, "output 8 int8, its manifest needs 9 int8"),
    ],
)
def test_other_shapes_are_refused_with_both(bundle, shape, n_outputs, sentence):
    with pytest.raises(EncoderError, match=sentence):
        Model(bundle, NAME, shape, n_outputs)
