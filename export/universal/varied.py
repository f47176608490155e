"""Varied: images as no camera of the pool's sets took them, so that a code is not made for these
sets alone: parts of their images, turned, recoloured, blurred, sharpened or side by side; and lines
and shapes that are drawn.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Rng = np.random.Generator
Change = Callable[[Image.Image, Rng], Image.Image]
BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
GREYS, MOSAICS, TURNED, MIRRORED, NOISY = 0.4, 0.3, 0.5, 0.3, 0.15
"How many of all."
ENHANCED = (ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Brightness)


def varied(images: np.ndarray, n: int, rng: Rng) -> np.ndarray:
    """So many variations of images uint8 (N, S, S, 3), drawn among them: uint8 (n, S, S, 3)."""
    return np.stack([_varied(images[rng.integers(len(images))], images, rng) for _ in range(n)])


def _varied(image: np.ndarray, others: np.ndarray, rng: Rng) -> np.ndarray:
    side = len(image)
    picture = Image.fromarray(image)
    if rng.random() < MOSAICS:
        picture = _mosaic(others, side, rng)
    if rng.random() < TURNED:
        picture = picture.rotate(rng.uniform(-180, 180), BICUBIC, fillcolor=_colour(rng, False))
    part = int(side * rng.uniform(0.35, 1))
    x, y = rng.integers(0, side - part + 1, 2).tolist()
    picture = picture.resize((side, side), BICUBIC, (x, y, x + part, y + part))
    if rng.random() < MIRRORED:
        picture = ImageOps.mirror(picture)
    picture = _one_of(picture, rng, (0.2, _grey), (0.15, _swapped), (0.1, _inverted))
    for enhance in ENHANCED:
        if rng.random() < 0.5:
            picture = enhance(picture).enhance(float(np.exp(rng.uniform(-0.9, 0.7))))
    picture = _one_of(picture, rng, (0.25, _blurred), (0.2, _coarse), (0.25, _sharpened))
    if rng.random() < NOISY:
        noise = rng.normal(0, rng.uniform(3, 40), (side, side, 1))
        picture = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    return np.asarray(picture)


def _mosaic(images: np.ndarray, side: int, rng: Rng) -> Image.Image:
    n = int(rng.integers(2, 5))
    tile = -(-side // n)
    whole = Image.new("RGB", (tile * n, tile * n))
    for place in range(n * n):
        one = Image.fromarray(images[rng.integers(len(images))]).resize((tile, tile), BICUBIC)
        whole.paste(one, (place % n * tile, place // n * tile))
    return whole.crop((0, 0, side, side))


def _one_of(picture: Image.Image, rng: Rng, *changes: tuple[float, Change]) -> Image.Image:
    """Changed by one of them, each with its probability, or by none."""
    drawn = rng.random()
    for probability, change in changes:
        drawn -= probability
        if drawn < 0:
            return change(picture, rng)
    return picture


def _grey(picture: Image.Image, rng: Rng) -> Image.Image:
    return ImageOps.grayscale(picture).convert("RGB")


def _swapped(picture: Image.Image, rng: Rng) -> Image.Image:
    bands = picture.split()
    return Image.merge("RGB", [bands[band] for band in rng.permutation(3)])


def _inverted(picture: Image.Image, rng: Rng) -> Image.Image:
    return ImageOps.invert(picture)


def _blurred(picture: Image.Image, rng: Rng) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 4))))


def _sharpened(picture: Image.Image, rng: Rng) -> Image.Image:
    radius, percent = float(rng.uniform(1, 4)), int(rng.uniform(100, 500))
    return picture.filter(ImageFilter.UnsharpMask(radius, percent, 0))


def _coarse(picture: Image.Image, rng: Rng) -> Image.Image:
    """As if a few pixels had been enlarged."""
    n = int(rng.integers(6, 40))
    how = (BICUBIC, Image.Resampling.NEAREST)[int(rng.integers(2))]
    return picture.resize((n, n), BILINEAR).resize(picture.size, how)


def drawn(side: int, n: int, rng: Rng) -> np.ndarray:
    """Lines, arcs and shapes on a ground, uint8 (n, side, side, 3)."""
    return np.stack([_drawn(side, rng) for _ in range(n)])


def _drawn(side: int, rng: Rng) -> np.ndarray:
    is_grey = rng.random() < GREYS
    picture = Image.new("RGB", (side, side), _colour(rng, is_grey))
    if rng.random() < 0.3:
        n = int(rng.integers(2, 30))
        pixels = rng.integers(0, 256, (n, n, 1 if is_grey else 3))
        ground = Image.fromarray(np.broadcast_to(pixels, (n, n, 3)).astype(np.uint8))
        picture = Image.blend(picture, ground.resize((side, side), BICUBIC), rng.uniform(0.2, 1))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 8))):
        _draw(pen, side, is_grey, rng)
    return np.asarray(_one_of(picture, rng, (0.4, _coarse), (0.2, _blurred)))


def _draw(pen: ImageDraw.ImageDraw, side: int, is_grey: bool, rng: Rng) -> None:
    points = [
        tuple(at) for at in rng.integers(-10, side + 10, (int(rng.integers(3, 6)), 2)).tolist()
    ]
    width, (x, y) = int(rng.integers(2, side // 5)), points[0]
    across, up = rng.integers(4, side // 3, 2).tolist()
    box = (x - across, y - up, x + across, y + up)
    match int(rng.integers(4)):
        case 0:
            pen.line(points, fill=_colour(rng, is_grey), width=width, joint="curve")
        case 1:
            pen.polygon(points, fill=_colour(rng, is_grey))
        case 2:
            fill = _colour(rng, is_grey) if rng.random() < 0.5 else None
            pen.ellipse(box, fill=fill, outline=_colour(rng, is_grey), width=width)
        case _:
            first, last = rng.uniform(0, 360, 2).tolist()
            pen.arc(box, first, last, fill=_colour(rng, is_grey), width=width)


def _colour(rng: Rng, is_grey: bool) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return (red, red, red) if is_grey else (red, green, blue)
