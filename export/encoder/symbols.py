"""Symbols: what the int8 encoder makes of images. It alone is *the* encoder from here on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from export.encoder.int8_model import Int8Model
from link.bundle import ImageSpec
from link.coder import Tables

Encode = Callable[[np.ndarray], np.ndarray]
"uint8 images (N, H, W, C) → symbols int8 (N, D)."


class Int8Encoder:
    """An encoder that one node runs."""

    def __init__(self, path: Path, image: ImageSpec, n_threads: int = 1) -> None:
        self.model, self.image = Int8Model(path, n_threads), image

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, C) → symbols int8 (N, D)."""
        return self.model(self.image.to_model_input(images))


def received(encode: Encode, tables: Tables) -> Encode:
    """The encoder as the host hears it: what leaves the coder is all that is lost."""
    return lambda images: clamped(encode(images), tables)


def clamped(symbols: np.ndarray, tables: Tables) -> np.ndarray:
    """Symbols int8 (N, D), one outside its table clamped to it; those of a dead group are not sent,
    and stay 0.
    """
    low = tables.symbol_min.astype(np.int64)
    owner = np.array(tables.owner or [-1] * tables.n_latents)
    is_sent = (owner < 0) | (symbols[:, owner] != 0)
    return np.where(is_sent, np.clip(symbols, low, low + tables.alphabet - 1), 0).astype(np.int8)
