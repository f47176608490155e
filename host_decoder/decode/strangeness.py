"""Strangeness: whether an image shows any of the bundle's classes at all, by the score that its
export fitted.
"""

import numpy as np

from host_decoder.decode.onnx_decoder import REMEDY, OnnxDecoder
from host_decoder.decode.verdict import Strangeness
from link.bundle import Bundle, BundleError, Task
from link.bundle.manifest import ANOMALY_TASK, Output


class StrangenessScorer:
    """A bundle's decoder of a score."""

    def __init__(self, task: Task, n_latents: int) -> None:
        self._threshold = task.threshold
        self._decode = OnnxDecoder(task.decoder_path, n_latents, Output.SCORE)
        shape = self._decode.example.shape
        if shape != (2,):
            raise BundleError(
                f"{task.decoder_path} gives {shape[1:]} numbers per image, a score is one; {REMEDY}"
            )

    @classmethod
    def of(cls, bundle: Bundle) -> "StrangenessScorer | None":
        """The one that an export makes; None in a bundle from before there was one."""
        if not bundle.has_task(ANOMALY_TASK) or bundle.task(ANOMALY_TASK).output != Output.SCORE:
            return None
        return cls(bundle.task(ANOMALY_TASK), bundle.n_latents)

    def __call__(self, symbols: np.ndarray) -> list[Strangeness]:
        """How strange whole latents are: symbols (N, D)."""
        scores = self._decode(symbols).tolist() if len(symbols) else []
        return [Strangeness(score, score > self._threshold) for score in scores]
