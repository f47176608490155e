"""Strangers: pictures of no class, as a camera takes them when there is nothing before it that it
knows.

A lens cap, a wall, a hand before the lens, a fence, a sticker, a broken sensor; and the data set's
own images cut into squares that are shuffled, which have its colours and textures and show nothing.
All are drawn, so there are as many as are wanted, of any size. An anomaly score learns from some of
them and is measured on others.
"""

from collections.abc import Callable

import numpy as np

Shape = tuple[int, int, int]
Draw = Callable[[np.random.Generator, int, Shape], np.ndarray]
"Random numbers, how many, and (H, W, 3) → float (N, H, W, 3), 0…255."

PIXELS_AT_ONCE = 1000 * 64 * 64
"Drawn in one go, with some numbers of eight bytes for each."
N_WAVES = 4
"In a smooth field; each has at most one period across the picture."
N_SQUARES = 4
"Across an image that is cut up."


def draw(kind: str, n_images: int, own: np.ndarray, seed: int) -> np.ndarray:
    """uint8 (n_images, H, W, C) like the images `own` (N, H, W, C), of one kind of KINDS."""
    random = np.random.default_rng([seed, list(KINDS).index(kind)])
    height, width, channels = own.shape[1:]
    if kind == SHUFFLED:
        return shuffled(random, own[random.integers(0, len(own), n_images)])
    at_once = max(PIXELS_AT_ONCE // (height * width), 1)
    parts = []
    for begin in range(0, n_images, at_once):
        some = min(at_once, n_images - begin)
        pictures = DRAWN[kind](random, some, (height, width, 3))
        if channels != 3:
            pictures = np.repeat(pictures.mean(-1, keepdims=True), channels, axis=-1)
        parts.append(np.clip(np.rint(pictures), 0, 255).astype(np.uint8))
    return np.concatenate(parts)


def wall(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    """One colour, brighter towards one side."""
    y, x = _grid(shape)
    angle, slope = random.uniform(0, 2 * np.pi, n), random.uniform(0, 255, n)
    side = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    return _colours(random, n) + (slope[:, None, None] * (side - 0.5))[..., None]


def smooth(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    """Colours that run into each other: out of focus."""
    return 127.5 + 80 * _field(random, n, shape)


def hand(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    """The colours of skin in some light, out of focus."""
    skin = np.array([190, 140, 110]) * random.uniform(0.3, 1.25, (n, 1, 1, 1))
    return skin + 15 * _field(random, n, shape) + random.normal(0, 3, (n, *shape))


def lens_cap(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    return random.uniform(0, 25, (n, 1, 1, 1)) + random.normal(0, 1, (n, *shape)) * random.uniform(
        0, 8, (n, 1, 1, 1)
    )


def stripes(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    """Two colours, of any width and direction."""
    y, x = _grid(shape)
    angle, phase = random.uniform(0, np.pi, (2, n, 1, 1))
    waves = random.uniform(0.5, shape[0] / 4, (n, 1, 1))
    is_first = np.sin(2 * np.pi * waves * (np.cos(angle) * x + np.sin(angle) * y) + phase) > 0
    return np.where(is_first[..., None], _colours(random, n), _colours(random, n))


def disc(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    """A plain disc on a plain ground."""
    y, x = _grid(shape)
    centre_y, centre_x = random.uniform(0.2, 0.8, (2, n, 1, 1))
    is_inside = (y - centre_y) ** 2 + (x - centre_x) ** 2 < random.uniform(0.1, 0.4, (n, 1, 1)) ** 2
    return np.where(is_inside[..., None], _colours(random, n), _colours(random, n))


def noise(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    """Every value of every pixel for itself."""
    return random.integers(0, 256, (n, *shape)).astype(float)


def grey_noise(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    return np.repeat(random.integers(0, 256, (n, *shape[:2], 1)), 3, axis=-1).astype(float)


def shuffled(random: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) cut into squares that change places, but for a rest at the edges."""
    cut, (n, height, width, channels) = images.copy(), images.shape
    h, w = height // N_SQUARES, width // N_SQUARES
    inner = cut[:, : h * N_SQUARES, : w * N_SQUARES]
    squares = (
        inner.reshape(n, N_SQUARES, h, N_SQUARES, w, channels)
        .swapaxes(2, 3)
        .reshape(n, -1, h, w, channels)
    )
    moved = np.stack([image[random.permutation(N_SQUARES**2)] for image in squares])
    moved = moved.reshape(n, N_SQUARES, N_SQUARES, h, w, channels).swapaxes(2, 3)
    cut[:, : h * N_SQUARES, : w * N_SQUARES] = moved.reshape(inner.shape)
    return cut


def _grid(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """y (H, 1) and x (1, W), 0…1."""
    return np.linspace(0, 1, shape[0])[:, None], np.linspace(0, 1, shape[1])[None]


def _colours(random: np.random.Generator, n: int) -> np.ndarray:
    return random.uniform(0, 255, (n, 1, 1, 3))


def _field(random: np.random.Generator, n: int, shape: Shape) -> np.ndarray:
    """A smooth random field about 0, float (N, H, W, 3)."""
    y, x = _grid(shape)
    field = np.zeros((n, *shape))
    for _ in range(N_WAVES):
        across, down, phase, height = (
            part[:, None, None] for part in random.uniform(-1, 1, (4, n, 3))
        )
        angle = np.pi * (across * x[..., None] + down * y[..., None]) + np.pi * phase
        field += height * np.cos(angle)
    return field


SHUFFLED = "shuffled"
DRAWN: dict[str, Draw] = {
    "wall": wall,
    "out of focus": smooth,
    "hand": hand,
    "lens cap": lens_cap,
    "stripes": stripes,
    "disc": disc,
    "noise": noise,
    "grey noise": grey_noise,
}
KINDS = (*DRAWN, SHUFFLED)
