"""The encoder: pixels in, symbols out: the model's int8 output, quantised and in order of use."""

import numpy as np

from device.encoder.edgetpu import load_for_edgetpu, sentence
from device.encoder.interpreter import RuntimeMissingError, load_model
from link.bundle import Bundle
from link.bundle.manifest import ENCODER


class EncoderError(ValueError):
    """Image or model do not fit the bundle; the message says both shapes and what to do."""


class Encoder:
    """A bundle's encoder.tflite on this machine's runtime, on an Edge TPU if that is wanted and
    there.
    """

    def __init__(self, bundle: Bundle, wants_edgetpu: bool = False) -> None:
        self._image = bundle.image
        self.notice: str | None = None
        "What computes, when an Edge TPU was wanted."
        self.uses_edgetpu = False
        try:
            if wants_edgetpu:
                self._interpreter, why = load_for_edgetpu(bundle.encoder_path)
                self.notice = sentence(why)
                self.uses_edgetpu = why is None
            else:
                self._interpreter = load_model(bundle.encoder_path)
        except RuntimeMissingError:
            raise
        # LiteRT's answer to what is no model, or uses operators it lacks
        except Exception as error:
            reason = " ".join(str(error).split())
            raise EncoderError(
                f"{ENCODER} of bundle {bundle.path} does not run: {reason}; export it again"
            ) from None
        try:
            [self._input], [self._output] = (
                self._interpreter.get_input_details(),
                self._interpreter.get_output_details(),
            )
        except ValueError:
            raise EncoderError(
                f"{ENCODER} of bundle {bundle.path} must have one input and one output"
            ) from None
        self._check("input", self._input, (1, *self._image.input_shape), bundle)
        n_outputs = int(np.prod(self._output["shape"]))
        self._check("output", self._output | {"shape": (n_outputs,)}, (bundle.n_latents,), bundle)

    @staticmethod
    def _check(side: str, tensor: dict, shape: tuple[int, ...], bundle: Bundle) -> None:
        found = tuple(int(n) for n in tensor["shape"])
        if found != shape or tensor["dtype"] != np.int8:
            raise EncoderError(
                f"{ENCODER} of bundle {bundle.path} has {side} {_shape_name(found)} "
                f"{np.dtype(tensor['dtype'])}, "
                f"its manifest needs {_shape_name(shape)} int8; export it again"
            )

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """pixels uint8 (H, W, C) to symbols int8 (D,), most useful first."""
        return self.infer(self.prepare(pixels))

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """The model's input, int8 (1, H + 2 pad, W + 2 pad, C), of an image that is checked."""
        if pixels.shape != self._image.shape:
            raise EncoderError(
                f"image is {_shape_name(pixels.shape)}, the bundle's encoder takes "
                f"{_shape_name(self._image.shape)}: "
                "resize the images, or use a bundle that was trained on their size"
            )
        if pixels.dtype != np.uint8:
            raise EncoderError(
                f"image is {pixels.dtype}, the encoder takes uint8: scale the images to 0 to 255"
            )
        return self._image.to_model_input(pixels[np.newaxis])

    def infer(self, prepared: np.ndarray) -> np.ndarray:
        """One run of the model: symbols int8 (D,)."""
        self._interpreter.set_tensor(self._input["index"], prepared)
        try:
            self._interpreter.invoke()
        except Exception as error:  # LiteRT's, or an accelerator's that was taken away
            raise EncoderError(
                f"{ENCODER} failed at an image ({' '.join(str(error).split())})"
            ) from None
        return self._interpreter.get_tensor(self._output["index"]).reshape(-1)


def _shape_name(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
