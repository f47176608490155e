"""What a channel does to what passes: losses with or without memory, flipped bits, copies, delay.
Seeded: repeatable.

Radio frames are lost whole and in bursts (Attia et al., GLOBECOM 2019: once the preamble is caught
the frame is usually good); on a cable single bytes vanish and bits flip.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, log1p
from random import Random
from typing import Protocol


def check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value:g}; it must be between 0 and 1")


class LossModel(Protocol):
    """Decides for one frame (radio) or byte (cable) after another whether it is lost."""

    def losses(self, random: Random) -> Iterator[bool]: ...


@dataclass(frozen=True)
class NoLoss:
    def losses(self, random: Random) -> Iterator[bool]:
        while True:
            yield False


@dataclass(frozen=True)
class IidLoss:
    """Each one is lost with the same probability, whatever befell the one before."""

    probability: float

    def __post_init__(self) -> None:
        check_probability("loss", self.probability)

    def losses(self, random: Random) -> Iterator[bool]:
        while True:
            yield random.random() < self.probability


@dataclass(frozen=True)
class GilbertElliott:
    """All is lost in bad times, which alternate with good: mean loss p/(p+r), burst 1/r."""

    p_good_to_bad: float
    p_bad_to_good: float

    def __post_init__(self) -> None:
        check_probability("p (good to bad)", self.p_good_to_bad)
        check_probability("r (bad to good)", self.p_bad_to_good)
        if not self.p_good_to_bad or not self.p_bad_to_good:
            raise ValueError(
                "p and r of a Gilbert-Elliott channel must both be above 0, or it never changes "
                "its state"
            )

    @classmethod
    def with_burst(cls, loss: float, mean_burst: float) -> "GilbertElliott":
        p_bad_to_good = 1 / mean_burst
        return cls(p_bad_to_good * loss / (1 - loss), p_bad_to_good)

    @property
    def mean_loss(self) -> float:
        return self.p_good_to_bad / (self.p_good_to_bad + self.p_bad_to_good)

    def losses(self, random: Random) -> Iterator[bool]:
        is_bad = random.random() < self.mean_loss
        while True:
            yield is_bad
            p_bad = 1 - self.p_bad_to_good if is_bad else self.p_good_to_bad
            is_bad = random.random() < p_bad


NAMED_LOSSES: dict[str, LossModel] = {
    "none": NoLoss(),
    "mild": GilbertElliott.with_burst(loss=0.05, mean_burst=2),
    "mid": GilbertElliott.with_burst(loss=0.10, mean_burst=3),
    "edge": GilbertElliott.with_burst(loss=0.20, mean_burst=4),
}


def parse_loss(text: str) -> LossModel:
    """A name of NAMED_LOSSES, a probability ("0.1"), or one's own Gilbert-Elliott "ge:p,r"."""
    if text in NAMED_LOSSES:
        return NAMED_LOSSES[text]
    try:
        if text.startswith("ge:"):
            p_good_to_bad, p_bad_to_good = map(float, text.removeprefix("ge:").split(","))
            return GilbertElliott(p_good_to_bad, p_bad_to_good)
        return IidLoss(float(text))
    except ValueError as error:
        names = ", ".join(NAMED_LOSSES)
        raise ValueError(
            f'loss "{text}" is not understood ({error}): give {names}, a probability such as '
            "0.1, or ge:p,r"
        ) from None


class BitErrors:
    """Flips bits independently with probability `rate`, drawing only the gaps between them."""

    def __init__(self, rate: float, random: Random) -> None:
        check_probability("bit error rate", rate)
        self._rate = rate
        self._random = random
        self._gap_bits = self._next_gap()

    def _next_gap(self) -> float:
        """Untouched bits before the next flip: geometric."""
        if self._rate == 0:
            return float("inf")
        if self._rate == 1:
            return 0
        return log(1 - self._random.random()) // log1p(-self._rate)

    def damage(self, data: bytes) -> tuple[bytes, int]:
        """The bytes after the channel, and how many of their bits were flipped."""
        if self._gap_bits >= 8 * len(data):
            self._gap_bits -= 8 * len(data)
            return data, 0
        damaged, n_flipped, position = bytearray(data), 0, 0
        while position + self._gap_bits < 8 * len(data):
            position += int(self._gap_bits)
            damaged[position // 8] ^= 0x80 >> position % 8
            n_flipped += 1
            position += 1
            self._gap_bits = self._next_gap()
        self._gap_bits -= 8 * len(data) - position
        return bytes(damaged), n_flipped


@dataclass(frozen=True)
class Impairments:
    """All that a channel may do, beside being slow."""

    loss: LossModel = NoLoss()
    bit_error_rate: float = 0.0
    duplicate_probability: float = 0.0
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        check_probability("bit error rate", self.bit_error_rate)
        check_probability("share of duplicates", self.duplicate_probability)
        if not 0 <= self.delay_s < float("inf"):
            raise ValueError(f"delay is {self.delay_s:g} s; it must be 0 or more")


UNIMPAIRED = Impairments()
