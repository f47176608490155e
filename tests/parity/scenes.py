"""Scenes: photo-like images of six things on backgrounds of clouds, the same on every machine."""

import numpy as np

CLASSES = ("cross", "disc", "ring", "square", "stripes", "triangle")
SIDE = 64


def scenes(n_images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 64, 64, 3) and the numbers of their classes, int64 (N,)."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(len(CLASSES), size=n_images)
    return np.stack([_scene(CLASSES[label], draw) for label in labels]), labels


def calibration() -> np.ndarray:
    """Those by which scales are measured."""
    return scenes(300, 4)[0]


def _scene(name: str, draw: np.random.Generator) -> np.ndarray:
    ground = draw.integers(256, size=3)
    colour = (ground + draw.integers(64, 193, size=3)) % 256
    clouds = sum(
        np.kron(draw.integers(-15, 16, size=(n, n, 3)), np.ones((SIDE // n, SIDE // n, 1)))
        for n in (4, 8, 16, 32)
    )
    size = draw.integers(8, 20)
    y, x = np.mgrid[:SIDE, :SIDE] - draw.integers(size, SIDE - size, size=2)[:, None, None]
    height = np.abs(y) <= size
    width = np.abs(x) <= size
    inside = {
        "cross": height & (3 * np.abs(x) <= size) | width & (3 * np.abs(y) <= size),
        "disc": x * x + y * y <= size * size,
        "ring": (x * x + y * y <= size * size) & (4 * (x * x + y * y) >= size * size),
        "square": height & width,
        "stripes": height & width & (y % 8 < 4),
        "triangle": height & (2 * np.abs(x) <= y + size),
    }[name]
    shade = draw.integers(-12, 13, size=(SIDE, SIDE, 3))
    image = np.where(inside[..., None], colour + clouds // 3, ground + clouds) + shade
    return np.clip(image, 0, 255).astype(np.uint8)
