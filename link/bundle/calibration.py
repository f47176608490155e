"""Calibration: what a decoder's probabilities are worth while only the first symbols of a latent
are here.

A decoder that is shown expectations in place of missing symbols is far too sure of itself. Dividing
its logits by a temperature (Guo et al., arXiv:1706.04599) that depends on how many symbols are
known makes its confidence mean what it says, and leaves the order of the classes as it is. The
export fits both curves on the validation split.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_KNOTS = 64
TEMPERATURE_BOUNDS = (0.05, 100.0)
TINIEST = 1e-30
"A probability of 0 has no logarithm."
DECIMALS = 4


@dataclass(frozen=True)
class Calibration:
    """Two curves over the number of known symbols, linear between their knots; the last knot is the
    whole latent.
    """

    n_known: tuple[int, ...]
    "The knots: 0 first, rising."
    temperature: tuple[float, ...]
    "What the logits are divided by; linear in its logarithm between knots."
    share_to_come: tuple[float, ...]
    """Share of the wrong labels that the missing symbols put right, 0…1; 0 at the last knot, where
    none is missing.
    """

    def __post_init__(self) -> None:
        low, high = TEMPERATURE_BOUNDS
        n_knots, knots = len(self.n_known), np.array(self.n_known)
        _require(
            2 <= n_knots <= MAX_KNOTS and self.n_known[0] == 0 and bool((np.diff(knots) > 0).all()),
            f"knots are {self.n_known}, they must rise from 0, 2 to {MAX_KNOTS} of them",
        )
        _require(
            len(self.temperature) == len(self.share_to_come) == n_knots,
            (
                f"{len(self.temperature)} temperatures and {len(self.share_to_come)} shares for "
                f"{n_knots} knots"
            ),
        )
        _require(
            all(low <= value <= high for value in self.temperature),
            f"temperatures are {self.temperature}, they must lie within {low:g} and {high:g}",
        )
        _require(
            all(0 <= value <= 1 for value in self.share_to_come) and self.share_to_come[-1] == 0,
            f"shares to come are {self.share_to_come}, they must lie within 0 and 1 and end with 0",
        )

    @property
    def n_latents(self) -> int:
        return self.n_known[-1]

    def apply(self, probabilities: np.ndarray, n_known: np.ndarray | int) -> np.ndarray:
        """Calibrated probabilities float64, in the shape of the decoder's: (N, C) with n_known
        (N,), or (C,) with one.

        The largest stays the largest; it is the confidence.
        """
        temperature = np.exp(np.interp(n_known, self.n_known, np.log(self.temperature)))
        return softmax(
            np.log(np.maximum(probabilities, TINIEST, dtype=np.float64)) / temperature[..., None]
        )

    def gain_to_come(self, confidence: np.ndarray | float, n_known: np.ndarray | int) -> np.ndarray:
        """Probability, given the calibrated confidence, that the label is wrong and the missing
        symbols put it right.

        This is what they are worth: other information does not change the answer.
        """
        return (1 - np.asarray(confidence)) * np.interp(n_known, self.n_known, self.share_to_come)

    def to_dict(self) -> dict[str, Any]:
        """For a manifest; rounded, so that from_dict gives what is used everywhere."""
        return {
            "n_known": list(self.n_known),
            "temperature": [round(value, DECIMALS) for value in self.temperature],
            "share_to_come": [round(value, DECIMALS) for value in self.share_to_come],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Calibration":
        """KeyError, TypeError or ValueError say what is wrong; further keys are left alone."""
        return cls(
            tuple(map(int, stored["n_known"])),
            tuple(map(float, stored["temperature"])),
            tuple(map(float, stored["share_to_come"])),
        )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)
