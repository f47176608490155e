"""Decoded pixels as PNG files."""

import base64
from pathlib import Path

import numpy as np
from PIL import Image

from host_decoder.view.picture import PictureFolder


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
