"""A kept picture is a JPEG by whatever library is there, or a PNG."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from device.collect.picture_file import picture_file


def smooth(height: int, width: int, channels: int) -> np.ndarray:
    """Red from the left, green from the top: a mixed-up channel would show."""
    y, x = np.mgrid[:height, :width]
    planes = [255 * x / width, 255 * y / height, 0 * x]
    return np.stack(planes[:channels], axis=2).astype(np.uint8)


def seen(content: bytes) -> tuple[str | None, np.ndarray]:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.format, np.asarray(picture)


def test_what_is_small_loses_nothing():
    kind, pixels = seen(picture_file(smooth(128, 128, 3), 16))
    assert kind == "PNG"
    assert np.array_equal(pixels, smooth(128, 128, 3))


@pytest.mark.parametrize("missing", [(), ("PIL",)], ids=["by Pillow", "by OpenCV"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_camera_s_image_becomes_a_jpeg_of_that_size(monkeypatch, missing, channels):
    if missing:
        pytest.importorskip("cv2")
    for library in missing:
        monkeypatch.setitem(sys.modules, library, None)
        monkeypatch.setitem(sys.modules, f"{library}.Image", None)
    content = picture_file(smooth(480, 640, channels), 240)
    monkeypatch.undo()
    kind, pixels = seen(content)
    assert kind == "JPEG"
    assert pixels.shape[:2] == (240, 320)
    wanted = smooth(480, 640, channels)[::2, ::2].reshape(pixels.shape)
    assert abs(pixels.astype(int) - wanted).mean() < 3


def test_without_any_library_it_is_a_png_of_all_pixels(monkeypatch):
    for library in ("PIL", "PIL.Image", "cv2"):
        monkeypatch.setitem(sys.modules, library, None)
    content = picture_file(smooth(200, 200, 3), 64)
    monkeypatch.undo()
    assert seen(content)[0] == "PNG"
