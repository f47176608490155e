"""Verdicts: when the host has seen enough of an image, so that the node may drop the rest of its
bitstream.

    policy = VerdictPolicy(bundle.calibration, price_per_s=0.5)
    [raw] = classify(latent.symbols[None])
    verdict = policy.judge(raw, latent.n_known, next_chunk_s=0.046)
    verdict.is_enough, verdict.confidence, verdict.gain_to_come

Enough is when the label is sure, or when what is still to come is not worth its airtime:

    confidence    the calibrated probability of the label is at least `min_confidence`; or
    worth         the gain to come, the probability that the label is wrong and will yet be put
                  right, is at most min_gain, or less than it costs: price_per_s · next_chunk_s

What is to come counts as a whole, not chunk by chunk: a chunk is also the way to the one behind it,
and small chunks each look worthless just before they settle the label. So an image that no further
byte would make clearer is let go of too, however unsure its label is. And it counts in labels put
right, not in bits: a sure label made surer is worth none. A bundle without a calibration gets no
verdicts: nobody knows what its confidence means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from link.bundle import Calibration
from link.settings import setting

MIN_CONFIDENCE = 0.95
MIN_GAIN = 0.02
"""Chosen on CIFAR-10's validation split: at most 0.1 points of accuracy, whatever the chunks
(tests.studies.verdicts).
"""


@dataclass(frozen=True)
class VerdictConfig:
    """[verdict] of host.toml."""

    confidence: float = setting.key(
        setting.number(0, 1).explained("an image needs no more when its label is as sure as this"),
        MIN_CONFIDENCE,
    )
    min_gain: float = setting.key(
        setting.number(0, 1).explained(
            "nor when what is missing will put the label right so seldom"
        ),
        MIN_GAIN,
    )
    price_per_s: float = setting.key(
        setting.number(0, setting.MANY).explained(
            "nor when it will so seldom for its airtime: share of labels put right that a second "
            "must bring"
        ),
        0.0,
    )


def read_verdict(table: Mapping[str, Any]) -> VerdictConfig:
    """ValueError with a sentence when it says something that cannot be."""
    config = setting.read(VerdictConfig, table)
    if config.confidence == 0:
        raise ValueError("confidence is 0; it must be above 0, usually 0.9 to 0.99")
    return config


@dataclass(frozen=True)
class Strangeness:
    """How unlike the images that the bundle was made for an image is."""

    score: float
    is_anomaly: bool
    "It shows none of these: the score is above what the bundle's own images rarely pass."


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the host makes of an image as far as it has arrived."""

    probabilities: np.ndarray
    "float32 (C,): calibrated, or the decoder's own without a calibration; the order is the same."
    confidence: float | None
    "Probability that the label is right; None without a calibration."
    gain_to_come: float | None
    """Probability that the label is wrong and the missing symbols put it right; None without a
    calibration.
    """
    is_enough: bool
    strangeness: Strangeness | None = None
    """Whether it shows any of the classes; None while symbols are missing, or where the bundle has
    no score for that.
    """


@dataclass(frozen=True)
class VerdictPolicy:
    """When an image needs no further chunk; see above."""

    calibration: Calibration | None
    "The calibration of the bundle that the image was sent with."
    min_confidence: float = MIN_CONFIDENCE
    "More than 1: confidence alone is never enough."
    min_gain: float = MIN_GAIN
    price_per_s: float = 0.0
    """Labels that a second of airtime must put right. 0: airtime costs nothing. Raise it as the
    budget falls.
    """

    def __post_init__(self) -> None:
        for name, value in (("min_gain", self.min_gain), ("price_per_s", self.price_per_s)):
            if not 0 <= value < np.inf:
                raise ValueError(f"{name} is {value}; it must be 0 or more")
        if not self.min_confidence > 0:
            raise ValueError(
                f"min_confidence is {self.min_confidence}; it must be above 0, usually 0.9 to 0.99"
            )

    @property
    def notice(self) -> str | None:
        """What the host should say once, or None."""
        if self.calibration is not None:
            return None
        return (
            "the bundle's confidence is not calibrated, so every image is awaited whole; "
            "'python -m export calibrate' adds a calibration and leaves the nodes as they are"
        )

    def judge(self, probabilities: np.ndarray, n_known: int, next_chunk_s: float = 0.0) -> Verdict:
        """The verdict on the decoder's probabilities (C,) with n_known symbols; next_chunk_s:
        airtime of the next chunk.
        """
        [verdict] = self.judge_all(probabilities[None], np.array([n_known]), next_chunk_s)
        return verdict

    def judge_all(
        self,
        probabilities: np.ndarray,
        n_known: np.ndarray,
        next_chunk_s: float | np.ndarray = 0.0,
    ) -> list[Verdict]:
        """The same of many images: probabilities (N, C), n_known (N,), next_chunk_s one or (N,)."""
        if self.calibration is None:
            return [Verdict(row, None, None, is_enough=False) for row in probabilities]
        calibrated = self.calibration.apply(probabilities, n_known)
        confidence = calibrated.max(1)
        gain = self.calibration.gain_to_come(confidence, n_known)
        is_enough = (confidence >= self.min_confidence) | (gain <= self._least_gain(next_chunk_s))
        rows = zip(calibrated.astype(np.float32), confidence, gain, is_enough, strict=True)
        return [
            Verdict(row, float(sure), float(more), bool(enough)) for row, sure, more, enough in rows
        ]

    def is_enough(
        self, probabilities: np.ndarray, n_known: np.ndarray, next_chunk_s: float = 0.0
    ) -> np.ndarray:
        """`judge` for many images at once: probabilities (N, C), n_known (N,) → bool (N,)."""
        if self.calibration is None:
            return np.zeros(len(probabilities), bool)
        confidence = self.calibration.apply(probabilities, n_known).max(1)
        gain = self.calibration.gain_to_come(confidence, n_known)
        return (confidence >= self.min_confidence) | (gain <= self._least_gain(next_chunk_s))

    def _least_gain(self, next_chunk_s: float | np.ndarray) -> np.ndarray:
        return np.maximum(self.min_gain, self.price_per_s * next_chunk_s)
