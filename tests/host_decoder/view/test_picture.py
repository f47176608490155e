"""Decoded pixels as PNG files."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from host_decoder.view.picture import PictureFolder, to_png


def test_images_of_one_number_under_two_keys_have_a_picture_each(tmp_path):
    pictures = PictureFolder(tmp_path / "pictures")
    answers = [
        {
            "node": 7,
            "image": 3,
            "pixels": base64.b64encode(bytes([grey] * 4)).decode(),
            "shape": [2, 2, 1],
        }
        for grey in (10, 200)
    ]
    names = [Path(pictures.save(answer)["file"]).name for answer in answers]
    assert names == ["node-7-image-3.png", "node-7-image-3-2.png"]
    for name, grey in zip(names, (10, 200), strict=True):
        with Image.open(tmp_path / "pictures" / name) as picture:
            assert np.asarray(picture).tolist() == [[grey] * 2] * 2


def test_a_png_is_what_pillow_reads():
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
        with Image.open(io.BytesIO(to_png(pixels))) as picture:
            assert np.array_equal(np.asarray(picture).reshape(pixels.shape), pixels)
    with pytest.raises(ValueError, match="2 channels"):
        to_png(np.zeros((2, 2, 2), np.uint8))
