"""A decoder file of a bundle, run by ONNX Runtime on one thread: symbols in, what its task asks for
out.
"""

import os
from pathlib import Path

import numpy as np

from link.bundle import BundleError

# From 1.29 on it tells its maker of models and machines, unless it is told not to before it loads.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

INPUT = "symbols"
REMEDY = "export the bundle again with this version"
BATCH_IMAGES = 512
"As many as go through the network at once, so that its memory does not grow with a data set."


class OnnxDecoder:
    """Maps symbols (N, D) to `output` (N, …); checked once, on loading, by running it on two
    latents.
    """

    def __init__(self, path: Path, n_latents: int, output: str) -> None:
        self.n_latents = n_latents
        self.output = output
        self._path = path
        self._session = open_session(path)
        self._check_ends()
        self.example = self._first_run()
        "What two latents of zeros give, for further checks."

    def __call__(self, symbols: np.ndarray) -> np.ndarray:
        """The output (N, …) of the symbols (N, D)."""
        if symbols.ndim != 2 or symbols.shape[1] != self.n_latents:
            raise ValueError(
                f"symbols have shape {symbols.shape}, {self._path} takes (N, {self.n_latents})"
            )
        starts = range(BATCH_IMAGES, len(symbols), BATCH_IMAGES)
        return np.concatenate([self._run(part) for part in np.split(symbols, starts)])

    def _run(self, symbols: np.ndarray) -> np.ndarray:
        try:
            [output] = self._session.run(
                [self.output], {INPUT: np.ascontiguousarray(symbols, np.float32)}
            )
        except Exception as error:  # as above
            raise BundleError(
                f"{self._path} fails at {len(symbols)} images ({_first_line(error)}); {REMEDY}"
            ) from None
        is_array = (
            isinstance(output, np.ndarray)
            and output.dtype.kind in "fiu"
            and output.shape[:1] == symbols.shape[:1]
        )
        if not is_array or not np.isfinite(output).all():
            raise BundleError(f"{self._path} gives no finite numbers for each image; {REMEDY}")
        return output

    def _check_ends(self) -> None:
        ends = (
            [entry.name for entry in self._session.get_inputs()],
            [entry.name for entry in self._session.get_outputs()],
        )
        if ends[0] != [INPUT] or self.output not in ends[1]:
            raise BundleError(
                f'{self._path} maps {ends[0]} to {ends[1]}, expected ["{INPUT}"] to '
                f'["{self.output}"]; {REMEDY}'
            )

    def _first_run(self) -> np.ndarray:
        try:
            return self(np.zeros((2, self.n_latents), np.float32))
        except BundleError as error:
            raise BundleError(
                f"{self._path} does not take {self.n_latents} symbols per image: {error}"
            ) from None


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX file, ready to be run on one thread; BundleError when it is none."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # ONNX Runtime has an exception of its own for every way a file can be wrong
    except Exception as error:
        raise BundleError(
            f"{path} is no model that ONNX Runtime can run ({_first_line(error)}); {REMEDY}"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
