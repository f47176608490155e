"""Task readers: what a decoder of the bundle, the label's or a further task's, says of each image,
ready for JSON.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from host_decoder.decode.classifier import Classifier
from host_decoder.decode.onnx_decoder import REMEDY, OnnxDecoder
from host_decoder.decode.reader import Reader
from host_decoder.decode.strangeness import StrangenessScorer
from host_decoder.events import rounded, said, said_of_strangeness
from link.bundle import Bundle, BundleError, Task
from link.bundle.manifest import LABEL_TASK, Output

TaskReader = Callable[..., Iterator[dict[str, Any]]]
"Symbols (N, D), and how many of each were received (N,), None: all → N answers."


def task_reader(bundle: Bundle, name: str) -> TaskReader:
    """The reader of one of the bundle's tasks; a BundleError says what does not fit."""
    task = bundle.task(name)
    if name == LABEL_TASK:
        return _calibrated(bundle)
    if task.output == Output.PROBABILITIES and task.has_threshold:
        return _calibrated(bundle.asked(name))
    if task.output == Output.PROBABILITIES:
        return _labels(task, Classifier(task.decoder_path, bundle.n_latents, len(task.classes)))
    if task.output == Output.PIXELS:
        return _pictures(
            bundle, task, OnnxDecoder(task.decoder_path, bundle.n_latents, task.output)
        )
    return _scores(StrangenessScorer(task, bundle.n_latents))


def _calibrated(bundle: Bundle) -> TaskReader:
    """The label with its confidence, as every answer has them."""
    reader = Reader(bundle, None)

    def read(symbols: np.ndarray, n_known: np.ndarray | None = None) -> Iterator[dict[str, Any]]:
        n_received = np.full(len(symbols), bundle.n_latents) if n_known is None else n_known
        for verdict in reader.judge_all(symbols, n_received):
            yield {
                **said(bundle.classes, verdict.probabilities),
                "confidence": rounded(verdict.confidence),
                **said_of_strangeness(verdict.strangeness),
            }

    return read


def _labels(task: Task, classify: Classifier) -> TaskReader:
    def read(symbols: np.ndarray, n_known: np.ndarray | None = None) -> Iterator[dict[str, Any]]:
        for row in classify(symbols):
            yield said(task.classes, row)

    return read


def _scores(scorer: StrangenessScorer) -> TaskReader:
    def read(symbols: np.ndarray, n_known: np.ndarray | None = None) -> Iterator[dict[str, Any]]:
        for one in scorer(symbols):
            yield {"score": rounded(one.score), "is_anomaly": one.is_anomaly}

    return read


def _pictures(bundle: Bundle, task: Task, decoder: OnnxDecoder) -> TaskReader:
    shape = bundle.image.shape
    if decoder.example.shape[1:] != shape or decoder.example.dtype != np.uint8:
        raise BundleError(
            f"{task.decoder_path} gives {decoder.example.dtype} {decoder.example.shape[1:]} per "
            f"image, the bundle's images are uint8 {shape}; {REMEDY}"
        )

    def read(symbols: np.ndarray, n_known: np.ndarray | None = None) -> Iterator[dict[str, Any]]:
        for pixels in decoder(symbols):
            yield {"pixels": base64.b64encode(pixels.tobytes()).decode(), "shape": list(shape)}

    return read
