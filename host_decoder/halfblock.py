"""Half-block art: an image in a terminal, two pixels to a character, the upper one the ink of ▀ and the lower one its paper."""

import numpy as np
from rich.style import Style
from rich.text import Text

COLUMNS, PIXEL_ROWS = 40, 40
"The space an image gets; smaller ones are enlarged by a whole factor, larger ones averaged down."


def half_blocks(image: np.ndarray, columns: int = COLUMNS, pixel_rows: int = PIXEL_ROWS) -> Text:
    """An image uint8 (H, W, C), C = 1 or 3, as coloured text of at most `columns` characters and pixel_rows / 2 lines."""
    pixels = _fitted(_as_rgb(image), columns, pixel_rows)
    art = Text(no_wrap=True)
    for y in range(0, len(pixels), 2):
        if y:
            art.append("\n")
        upper, lower = pixels[y], pixels[y + 1] if y + 1 < len(pixels) else None
        for x, ink in enumerate(upper):
            art.append("▀", Style(color=_rgb(ink), bgcolor=None if lower is None else _rgb(lower[x])))
    return art


def _as_rgb(image: np.ndarray) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"image has shape {image.shape}, only (H, W, 1) and (H, W, 3) can be drawn")
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _fitted(image: np.ndarray, columns: int, pixel_rows: int) -> np.ndarray:
    height, width, _ = image.shape
    reduction = max(-(-width // columns), -(-height // pixel_rows))
    if reduction > 1:
        padding = [(0, -height % reduction), (0, -width % reduction), (0, 0)]
        padded = np.pad(image, padding, mode="edge").astype(np.uint16)
        rows, cols = padded.shape[0] // reduction, padded.shape[1] // reduction
        return padded.reshape(rows, reduction, cols, reduction, 3).mean(axis=(1, 3)).astype(np.uint8)
    enlargement = max(1, min(columns // width, pixel_rows // height))
    return image.repeat(enlargement, axis=0).repeat(enlargement, axis=1)


def _rgb(pixel: np.ndarray) -> str:
    return f"#{pixel[0]:02x}{pixel[1]:02x}{pixel[2]:02x}"
