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
    """The encoder as the host hears it: a symbol outside its table is clamped to it, and nothing
    else is lost.
    """
    low = tables.symbol_min.astype(np.int64)
    high = low + tables.alphabet - 1
    return lambda images: np.clip(encode(images), low, high).astype(np.int8)
