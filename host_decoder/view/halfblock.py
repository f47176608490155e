"""Half-block art: an image in a terminal, two pixels to a character, the upper the ink of ▀, the
lower its paper.
"""

from itertools import groupby

import numpy as np
from rich.style import Style
from rich.text import Text

COLUMNS, PIXEL_ROWS = 40, 40
"The space an image gets; smaller ones are enlarged by a whole factor, larger ones averaged down."


def half_blocks(image: np.ndarray, columns: int = COLUMNS, pixel_rows: int = PIXEL_ROWS) -> Text:
    """An image uint8 (H, W, C) as coloured text, at most `columns` wide and pixel_rows / 2 lines
    high.
    """
    pixels = _fitted(_as_rgb(image), columns, pixel_rows)
    art = Text(no_wrap=True)
    for y in range(0, len(pixels), 2):
        if y:
            art.append("\n")
        inks = [_rgb(pixel) for pixel in pixels[y]]
        papers = (
            [_rgb(pixel) for pixel in pixels[y + 1]] if y + 1 < len(pixels) else [None] * len(inks)
        )
        for (ink, paper), alike in groupby(zip(inks, papers, strict=True)):
            art.append("▀" * len(list(alike)), Style(color=ink, bgcolor=paper))
    return art


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """Three channels are colours; of any other number the first is shown in grey."""
    return image if image.shape[2] == 3 else np.repeat(image[:, :, :1], 3, axis=2)


def _fitted(image: np.ndarray, columns: int, pixel_rows: int) -> np.ndarray:
    height, width, _ = image.shape
    reduction = max(-(-width // columns), -(-height // pixel_rows))
    if reduction > 1:
        padding = [(0, -height % reduction), (0, -width % reduction), (0, 0)]
        padded = np.pad(image, padding, mode="edge").astype(np.uint16)
        rows, cols = padded.shape[0] // reduction, padded.shape[1] // reduction
        return (
            padded.reshape(rows, reduction, cols, reduction, 3).mean(axis=(1, 3)).astype(np.uint8)
        )
    enlargement = max(1, min(columns // width, pixel_rows // height))
    return image.repeat(enlargement, axis=0).repeat(enlargement, axis=1)


def _rgb(pixel: np.ndarray) -> str:
    return f"#{pixel[0]:02x}{pixel[1]:02x}{pixel[2]:02x}"
