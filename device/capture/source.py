"""What a source of images gives: captures, and why there are none."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class SourceError(RuntimeError):
    """The source gives no images; the message says why and what to do."""


class SourceAwayError(SourceError):
    """It gives no images now, and may later: a camera that is not plugged in."""


@dataclass(frozen=True, eq=False)
class Image:
    """One camera capture."""

    pixels: np.ndarray
    "uint8 (H, W, C)"
    captured_s: float
    "On the monotonic clock."
    label: str | None = None
    "Its class where that is known."
    picture: Callable[[int], np.ndarray] | None = None
    """Where pictures are kept: what it was fitted from, uint8 (H, W, 3), with at least so many
    pixels of the shorter side, if there are so many; UnreadableImageError.
    """


Capture = Callable[[], Image]
"An image that is not yet taken."


def library(module: str, advice: str) -> Any:
    """What a source needs and not every node has; SourceError with advice where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise SourceError(advice) from None
