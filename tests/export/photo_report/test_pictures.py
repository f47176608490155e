"""Photos stand in the page itself."""

import base64
import io

import numpy as np
from PIL import Image

from export.photo_report.pictures import SIDE, data_uri

GREY = np.full((8, 8, 1), 120, np.uint8)


def opened(uri: str) -> Image.Image:
    kind, _, coded = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(coded)))


def test_a_photo_is_shown_as_its_file_has_it_cut_to_the_middle(tmp_path):
    Image.new("RGB", (900, 600), "red").save(tmp_path / "a.png")
    shown = opened(data_uri(GREY, tmp_path / "a.png"))
    assert shown.size == (SIDE, SIDE)
    red, green, blue = np.asarray(shown)[88, 88]
    assert red > 240 > 20 > max(green, blue)


def test_where_the_file_is_gone_the_encoders_image_is_shown(tmp_path):
    for file in (None, tmp_path / "gone.png"):
        shown = opened(data_uri(GREY, file))
        assert shown.size == (8, 8)
        assert abs(int(np.asarray(shown)[4, 4]) - 120) <= 2
