"""Symbols: what the int8 encoder makes of images. It alone is *the* encoder from here on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from export import ExportError
from link.bundle import ImageSpec
from link.coder import Tables
from link.output import without_information

Encode = Callable[[np.ndarray], np.ndarray]
"uint8 images (N, H, W, C) → symbols int8 (N, D)."


class Int8Encoder:
    """One interpreter per thread, each on its share of the images; the symbols are the same."""

    def __init__(self, path: Path, image: ImageSpec, n_threads: int = 1) -> None:
        self.image = image
        try:
            with without_information():
                self.interpreters = [
                    Interpreter(str(path), num_threads=1) for _ in range(max(n_threads, 1))
                ]
                for interpreter in self.interpreters:
                    interpreter.allocate_tensors()
        except Exception as error:  # LiteRT's answer to what is no model
            raise ExportError(
                f"{path} does not run ({' '.join(str(error).split())}); export it again"
            ) from None
        self.input_index = self.interpreters[0].get_input_details()[0]["index"]
        self.output_index = self.interpreters[0].get_output_details()[0]["index"]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, C) → symbols int8 (N, D)."""
        shares = np.array_split(images, len(self.interpreters))
        with ThreadPoolExecutor(len(self.interpreters)) as pool:
            return np.concatenate(list(pool.map(self._encode, self.interpreters, shares)))

    def _encode(self, interpreter: Interpreter, images: np.ndarray) -> np.ndarray:
        n_latents = interpreter.get_output_details()[0]["shape"][-1]
        symbols = np.empty((len(images), n_latents), np.int8)
        for row, image in zip(symbols, images, strict=True):
            interpreter.set_tensor(self.input_index, self.image.to_model_input(image[None]))
            interpreter.invoke()
            row[:] = interpreter.get_tensor(self.output_index)[0]
        return symbols


def received(encode: Encode, tables: Tables) -> Encode:
    """The encoder as the host hears it: a symbol outside its table is clamped to it, and nothing
    else is lost.
    """
    low = tables.symbol_min.astype(np.int64)
    high = low + tables.alphabet - 1
    return lambda images: np.clip(encode(images), low, high).astype(np.int8)
