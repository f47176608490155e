"""The classifier: a bundle's decoder.onnx, run by ONNX Runtime on one thread. Symbols in, class probabilities out."""

from pathlib import Path

import numpy as np
import onnxruntime

from link.bundle import Bundle, BundleError

INPUT, OUTPUT = "symbols", "probabilities"
REMEDY = "export the bundle again with this version"


class Classifier:
    """Maps symbols (N, D) to probabilities (N, classes); checked once, on loading, by running it on two latents."""

    def __init__(self, path: Path, n_latents: int, n_classes: int) -> None:
        self.n_latents, self.n_classes = n_latents, n_classes
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an exception of its own for every way a file can be wrong
            raise BundleError(
                f"{path} is no model that ONNX Runtime can run ({_first_line(error)}); {REMEDY}"
            ) from None
        self._check_ends()
        self._check_run()

    @classmethod
    def of(cls, bundle: Bundle) -> "Classifier":
        """The label task's decoder of a bundle."""
        return cls(bundle.decoder_path, bundle.n_latents, len(bundle.classes))

    def __call__(self, symbols: np.ndarray) -> np.ndarray:
        """Probabilities float32 (N, classes) of the symbols (N, D)."""
        if symbols.ndim != 2 or symbols.shape[1] != self.n_latents:
            raise ValueError(f"symbols have shape {symbols.shape}, {self._path} takes (N, {self.n_latents})")
        [probabilities] = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(symbols, np.float32)})
        return probabilities

    def _check_ends(self) -> None:
        ends = (
            [entry.name for entry in self._session.get_inputs()],
            [entry.name for entry in self._session.get_outputs()],
        )
        if ends[0] != [INPUT] or OUTPUT not in ends[1]:
            raise BundleError(
                f'{self._path} maps {ends[0]} to {ends[1]}, expected ["{INPUT}"] to ["{OUTPUT}"]; {REMEDY}'
            )

    def _check_run(self) -> None:
        try:
            probabilities = self(np.zeros((2, self.n_latents), np.float32))
        except Exception as error:
            raise BundleError(
                f"{self._path} does not take {self.n_latents} symbols per image ({_first_line(error)}); {REMEDY}"
            ) from None
        if probabilities.shape != (2, self.n_classes):
            raise BundleError(
                f"{self._path} gives {probabilities.shape[1:]} numbers per image, "
                f"the manifest names {self.n_classes} classes; {REMEDY}"
            )
        if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3) or probabilities.min() < 0:
            raise BundleError(
                f"{self._path} does not give probabilities: they sum to {probabilities[0].sum():.3f}; {REMEDY}"
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
