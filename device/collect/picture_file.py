"""Picture file: a camera's image as it is kept: a JPEG by whatever library the node has, and a PNG,
which loses nothing and needs none, where it is small.
"""

import numpy as np

from device.capture.source import SourceError, library
from link.picture import PillowMissingError, writer

SMALL_PIXELS = 128 * 128
"So small, JPEG saves little and shows: 32 x 32 of CIFAR-10 take 2.4 kB without loss."


def picture_file(pixels: np.ndarray, shorter_side: int) -> bytes:
    """uint8 (H, W, 1 or 3) → the bytes of a file, made smaller where both sides are longer than
    `shorter_side`.

    Without Pillow and OpenCV, which every node with a camera or a folder has one of, it is a PNG of
    all pixels.
    """
    height, width = pixels.shape[:2]
    if height * width <= SMALL_PIXELS:
        return writer.to_png(pixels)
    try:
        return writer.to_jpeg(pixels, shorter_side)
    except PillowMissingError:
        pass
    try:
        opencv = library("cv2", "")
    except SourceError:
        return writer.to_png(pixels)
    size = writer.size_within(pixels.shape, shorter_side)
    if size != (width, height):
        pixels = opencv.resize(pixels, size, interpolation=opencv.INTER_AREA)
    is_grey = pixels.ndim == 2 or pixels.shape[2] == 1
    turned = pixels if is_grey else opencv.cvtColor(pixels, opencv.COLOR_RGB2BGR)
    quality = [opencv.IMWRITE_JPEG_QUALITY, writer.JPEG_QUALITY]
    is_made, content = opencv.imencode(".jpg", turned, quality)
    if not is_made:
        raise ValueError("OpenCV makes no JPEG of it")
    return bytes(content)
