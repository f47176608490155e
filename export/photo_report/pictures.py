"""Pictures: photos as they stand in the page itself."""

import base64
from pathlib import Path

import numpy as np

from link.picture import UnreadableImageError, fit, read_picture, writer

SIDE = 176


def data_uri(image: np.ndarray, file: Path | None) -> str:
    """The file as a person sees it, cut to its middle as for the encoder; or where it is gone, the
    image uint8 (H, W, C) that the encoder takes.
    """
    pixels = image
    if file is not None:
        try:
            pixels = fit(read_picture(file, at_least=SIDE), (SIDE, SIDE, 3))
        except UnreadableImageError:
            pixels = image
    return f"data:image/jpeg;base64,{base64.b64encode(writer.to_jpeg(pixels, SIDE)).decode()}"
