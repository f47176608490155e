"""Bounds of pictures: what decoding one takes, in memory and time, known before it begins."""

from typing import Any

SPARE = 3
"""A picture may be read so many times larger than what is made of it, and not larger: the eye sees
no difference.
"""
MAX_SLOW_PIXELS = 4 << 20
"Where Pillow decodes in Python, some microseconds a pixel."
STORED_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2}
"Bytes of a pixel in Pillow's memory; 4 in any other mode."
CODEC_BYTES = {"AVIF": 12, "JPEG2000": 16, "TIFF": 4, "WEBP": 12}
"Bytes of a pixel in the codec's memory beside it."
CONVERSION_BYTES = {(True, True): 1, (True, False): 6, (False, True): 8, (False, False): 10}
"""Bytes of a pixel for what is made of it, by whether that is little, as it is RGB (or grey)
anyway, and whether it is reduced.
"""
PROGRESSIVE_BYTES = 6
"Bytes of a pixel of the whole JPEG, however small it is decoded."


def reduction(size: tuple[int, int], at_least: int) -> int:
    """By how much a decoded picture may be reduced, if something of `at_least` pixels is made of
    it; 0 is all of it.
    """
    return min(size) // (SPARE * at_least) if at_least else 1


def what_is_too_much(image: Any, n_pixels: int, at_least: int, n_bytes: int, is_slow: bool) -> str:
    """Why Pillow's open image shall not be decoded, or nothing.

    `n_pixels` are the file's, the image's own may be fewer; `n_bytes` of memory are allowed.
    """
    millions = f"{n_pixels / 1e6:.0f} million pixels"
    if is_slow and n_pixels > MAX_SLOW_PIXELS:
        return f"{millions} of {image.format} take minutes; save it as PNG or JPEG"
    needed = needed_bytes(image, n_pixels, at_least)
    if needed > n_bytes:
        return (
            f"its {millions} take {needed >> 20} MB of memory, and {n_bytes >> 20} MB is what one "
            "image may take here; make it smaller"
        )
    return ""


def needed_bytes(image: Any, n_pixels: int, at_least: int) -> int:
    """What decoding takes at its height."""
    is_plain = image.mode in ("RGB", "L") and "transparency" not in image.info
    stored = STORED_BYTES.get(image.mode, 4) + CODEC_BYTES.get(image.format, 0)
    is_reduced = reduction(image.size, at_least) > 1
    converted = CONVERSION_BYTES[is_plain and (is_reduced or image.mode == "RGB"), is_reduced]
    progressive = PROGRESSIVE_BYTES * n_pixels if image.info.get("progressive") else 0
    return image.width * image.height * (stored + converted) + progressive
