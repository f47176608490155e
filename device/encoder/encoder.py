"""The encoder: pixels in, symbols out: the model's int8 output, quantised and in order of use."""

from pathlib import Path
from typing import Any

import numpy as np

from device.encoder.edgetpu import load_for_edgetpu, sentence
from device.encoder.interpreter import load_model
from device.encoder.model import EncoderError, Model, shape_name
from link.bundle import Bundle, ImageSpec
from link.bundle.manifest import ENCODER


class Encoder:
    """A bundle's encoder.tflite on this machine's runtime, on an Edge TPU if that is wanted and
    there.
    """

    def __init__(self, bundle: Bundle, wants_edgetpu: bool = False) -> None:
        self._image = bundle.image
        self.notice: str | None = None
        "What computes, when an Edge TPU was wanted."
        self.uses_edgetpu = False
        self._model = Model(
            bundle,
            ENCODER,
            (1, *self._image.input_shape),
            bundle.n_latents,
            self._load_for_edgetpu if wants_edgetpu else load_model,
        )

    def _load_for_edgetpu(self, path: Path) -> Any:
        interpreter, why = load_for_edgetpu(path)
        self.notice = sentence(why)
        self.uses_edgetpu = why is None
        return interpreter

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """pixels uint8 (H, W, C) to symbols int8 (D,), most useful first."""
        return self.infer(self.prepare(pixels))

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """The model's input, int8 (1, H + 2 pad, W + 2 pad, C), of an image that is checked."""
        check_image(pixels, self._image)
        return self._image.to_model_input(pixels[np.newaxis])

    def infer(self, prepared: np.ndarray) -> np.ndarray:
        """One run of the model: symbols int8 (D,)."""
        return self._model(prepared).reshape(-1)


def check_image(pixels: np.ndarray, spec: ImageSpec) -> None:
    """EncoderError unless it is an image as the bundle's encoder takes it."""
    if pixels.shape != spec.shape:
        raise EncoderError(
            f"image is {shape_name(pixels.shape)}, the bundle's encoder takes "
            f"{shape_name(spec.shape)}: "
            "resize the images, or use a bundle that was trained on their size"
        )
    if pixels.dtype != np.uint8:
        raise EncoderError(
            f"image is {pixels.dtype}, the encoder takes uint8: scale the images to 0 to 255"
        )
