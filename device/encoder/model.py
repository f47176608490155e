"""Model: one TFLite file of a bundle on this machine's runtime, int8 in and int8 out, of the shapes
that the manifest says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from device.encoder.interpreter import RuntimeMissingError, load_model
from link.bundle import Bundle


class EncoderError(ValueError):
    """Image or model do not fit the bundle; the message says both shapes and what to do."""


class Model:
    """A model that was looked at."""

    def __init__(
        self,
        bundle: Bundle,
        name: str,
        input_shape: tuple[int, ...],
        n_outputs: int,
        load: Callable[[Path], Any] = load_model,
    ) -> None:
        """`name`: the file's. `load` makes an interpreter of it."""
        self._what = f"{name} of bundle {bundle.path}"
        self._name = name
        try:
            self._interpreter = load(bundle.path / name)
        except RuntimeMissingError:
            raise
        # LiteRT's answer to what is no model, or uses operators it lacks
        except Exception as error:
            reason = " ".join(str(error).split())
            raise EncoderError(f"{self._what} does not run: {reason}; export it again") from None
        try:
            [self._input], [self._output] = (
                self._interpreter.get_input_details(),
                self._interpreter.get_output_details(),
            )
        except ValueError:
            raise EncoderError(f"{self._what} must have one input and one output") from None
        self._check("input", self._input, input_shape)
        found = int(np.prod(self._output["shape"]))
        self._check("output", self._output | {"shape": (found,)}, (n_outputs,))

    def _check(self, side: str, tensor: dict, shape: tuple[int, ...]) -> None:
        found = tuple(int(n) for n in tensor["shape"])
        if found != shape or tensor["dtype"] != np.int8:
            raise EncoderError(
                f"{self._what} has {side} {shape_name(found)} {np.dtype(tensor['dtype'])}, "
                f"its manifest needs {shape_name(shape)} int8; export it again"
            )

    def __call__(self, prepared: np.ndarray) -> np.ndarray:
        """One run, on int8 of the input's shape; int8 of the output's."""
        self._interpreter.set_tensor(self._input["index"], prepared)
        try:
            self._interpreter.invoke()
        except Exception as error:  # LiteRT's, or an accelerator's that was taken away
            raise EncoderError(
                f"{self._name} failed at an image ({' '.join(str(error).split())})"
            ) from None
        made: np.ndarray = self._interpreter.get_tensor(self._output["index"])
        return made


def shape_name(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
