"""Writer: pixels as image files: JPEG by Pillow, PNG in the few lines that it takes without a
library.
"""

import io
import struct
import zlib

import numpy as np

from link.picture.reader import load_pillow

GREY, RGB = 0, 2
"Kinds of PNG."
JPEG_QUALITY = 90
"No difference to the eye, at a tenth of the bytes of a PNG."


def to_jpeg(pixels: np.ndarray, shorter_side: int, quality: int = JPEG_QUALITY) -> bytes:
    """uint8 (H, W, 1 or 3) → the bytes of a JPEG, made smaller where both sides are longer than
    `shorter_side`; PillowMissingError.
    """
    pillow = load_pillow()
    image = pillow.Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    width, height = size_within(pixels.shape, shorter_side)
    if (width, height) != image.size:
        # it goes by a cheap average first, which a camera's image needs half the time for
        image = image.resize((width, height), pillow.Image.Resampling.BICUBIC, reducing_gap=2.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def size_within(shape: tuple[int, ...], shorter_side: int) -> tuple[int, int]:
    """Width and height of the same aspect whose shorter one is at most so long."""
    height, width = shape[:2]
    share = min(1.0, shorter_side / min(height, width))
    return max(1, round(share * width)), max(1, round(share * height))


def to_png(pixels: np.ndarray) -> bytes:
    """uint8 (H, W, 1 or 3) → the bytes of a PNG file."""
    height, width, channels = pixels.shape
    if channels not in (1, 3):
        raise ValueError(f"pixels have {channels} channels; a PNG of ours is grey (1) or RGB (3)")
    head = struct.pack(">IIBBBBB", width, height, 8, RGB if channels == 3 else GREY, 0, 0, 0)
    unfiltered = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(unfiltered)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
