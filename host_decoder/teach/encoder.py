"""The bundle's own int8 encoder, for photos that a person has in a folder: as if the node had taken
them. LiteRT is wanted here and nowhere else at the host.
"""

from importlib import import_module
from pathlib import Path

import numpy as np

from host_decoder.errors import HostError
from link.base import extras
from link.bundle import Bundle
from link.output import without_information


def encode(bundle: Bundle, images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, C) → symbols int8 (N, D), as they would come: clamped to their tables."""
    # a bundle loaded for a host says nothing of its encoder, and LiteRT dies of a damaged one
    run = _Interpreter(Bundle.load(bundle.path, "node").encoder_path)
    inputs = bundle.image.to_model_input(images)
    symbols = np.stack([run(one) for one in inputs]).reshape(len(images), bundle.n_latents)
    low = bundle.tables.symbol_min.astype(np.int64)
    return np.clip(symbols, low, low + bundle.tables.alphabet - 1).astype(np.int8)


class _Interpreter:
    """One image after another, on one thread."""

    def __init__(self, path: Path) -> None:
        try:
            litert = import_module("ai_edge_litert.interpreter")
        except ImportError:
            raise HostError(
                "photos in a folder need LiteRT to go through the encoder, which is not installed; "
                f"type: {extras.install('node')}"
            ) from None
        try:
            with without_information():
                self._interpreter = litert.Interpreter(str(path), num_threads=1)
                self._interpreter.allocate_tensors()
        except Exception as error:  # LiteRT's answer to what is no model
            raise HostError(
                f"{path} does not run ({' '.join(str(error).split())}); export the bundle again"
            ) from None
        [source], [target] = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        self._source, self._target = source["index"], target["index"]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """int8 (H, W, C) → int8 (1, D)."""
        self._interpreter.set_tensor(self._source, image[None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._target)
