"""The classifier: a bundle's decoder.onnx. Symbols in, class probabilities out."""

from pathlib import Path

import numpy as np

from host_decoder.decode.onnx_decoder import REMEDY, OnnxDecoder
from link.bundle import Bundle, BundleError
from link.bundle.manifest import Output


class Classifier(OnnxDecoder):
    """Maps symbols (N, D) to probabilities float32 (N, classes)."""

    def __init__(self, path: Path, n_latents: int, n_classes: int) -> None:
        super().__init__(path, n_latents, Output.PROBABILITIES)
        if self.example.shape != (2, n_classes):
            raise BundleError(
                f"{path} gives {self.example.shape[1:]} numbers per image, "
                f"the manifest names {n_classes} classes; {REMEDY}"
            )
        if not np.allclose(self.example.sum(axis=1), 1, atol=1e-3) or self.example.min() < 0:
            raise BundleError(
                f"{path} does not give probabilities: they sum to {self.example[0].sum():.3f}; "
                f"{REMEDY}"
            )

    @classmethod
    def of(cls, bundle: Bundle) -> "Classifier":
        """The label task's decoder of a bundle."""
        return cls(bundle.decoder_path, bundle.n_latents, len(bundle.classes))
