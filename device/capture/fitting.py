"""Fitting: an image of any size is cut to the encoder's aspect around its centre and resized.

By Pillow, just as the training does it, or where only OpenCV is installed by area, which is nearly
the same.
"""

import numpy as np

from device.capture.source import library
from link.base import extras
from link.bundle import ImageSpec
from link.picture import PillowMissingError
from link.picture import reader as picture


def fit(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """RGB uint8 (H, W, 3) of any size to the encoder's image: centred, its size, its colours."""
    try:
        return picture.fit(pixels, spec.shape)
    except PillowMissingError:
        opencv = library(
            "cv2",
            "images must be resized, for which Pillow or OpenCV is needed: "
            + extras.install("pictures"),
        )
    colours = pixels if spec.channels == 3 else opencv.cvtColor(pixels, opencv.COLOR_RGB2GRAY)
    size = (spec.width, spec.height)
    return opencv.resize(_centre(colours, spec), size, interpolation=opencv.INTER_AREA).reshape(
        spec.shape
    )


def _centre(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """The largest part around the centre that has the encoder's aspect."""
    height, width = pixels.shape[:2]
    scale = min(height / spec.height, width / spec.width)
    cut_height, cut_width = round(scale * spec.height), round(scale * spec.width)
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return pixels[top : top + cut_height, left : left + cut_width]
