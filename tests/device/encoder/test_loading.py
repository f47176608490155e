"""A loaded bundle encodes an image as a host decodes it, and says how long each part took."""

import pytest

from device.encoder.loading import load
from device.encoder.model import EncoderError
from link.coder import latent_coder


def test_an_image_becomes_the_bitstream_of_its_symbols(bundle, images, symbols):
    loaded = load(bundle.path, None)
    encoded = loaded.encode(images[0])
    decoded = latent_coder.decode(encoded.bitstream, bundle.tables)
    assert decoded.symbols.tolist() == symbols[0].tolist()
    assert set(encoded.ms) == {"preprocess", "model", "coder"}
    assert all(ms > 0 for ms in encoded.ms.values())


def test_an_image_of_another_size_is_an_error(bundle, images):
    with pytest.raises(EncoderError, match="image is 4x8x1"):
        load(bundle.path, None).encode(images[0][:4])
