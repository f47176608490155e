"""Images of any size become the encoder's, by whatever library is installed."""

import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from device.capture.fitting import fit
from device.capture.image_source import open_source
from device.capture.source import SourceError
from device.capture.source_config import SourceConfig
from link.bundle.image_spec import ImageSpec

GREY_8 = ImageSpec(8, 8, 1)
COLOUR_32 = ImageSpec(32, 32, 3)


@pytest.mark.parametrize("spec", [GREY_8, COLOUR_32, ImageSpec(20, 10, 3), ImageSpec(10, 30, 1)])
def test_opencv_fits_nearly_as_pillow_does(spec, monkeypatch):
    pytest.importorskip("cv2")
    smooth = np.asarray(PillowImage.linear_gradient("L").resize((150, 100)).convert("RGB"))
    by_pillow = fit(smooth, spec)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    by_opencv = fit(smooth, spec)
    assert by_pillow.shape == by_opencv.shape == spec.shape
    assert abs(by_pillow.astype(int) - by_opencv).max() <= 4


def test_without_pillow_and_opencv_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SourceError, match=r"pip install '.*\[pictures\]'$"):
        fit(np.zeros((20, 20, 3), np.uint8), GREY_8)
    with pytest.raises(SourceError, match=r"read by Pillow: pip install '.*\[pictures\]'$"):
        open_source(SourceConfig("folder", tmp_path), GREY_8)
    with pytest.raises(SourceError, match=r"read by OpenCV: pip install '.*\[v4l2\]'$"):
        open_source(SourceConfig("v4l2"), GREY_8)
