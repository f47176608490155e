"""Quantised: an update of which few entries are left, each one of six values.

An entry is ± level · 2^scale: the three levels are bfloat16 (8 significant bits), the same for the
whole update, and a tensor's scale is a whole number. So a float32 holds every value exactly.
"""

from dataclasses import dataclass

import numpy as np

from link.update.layout import Layout

N_LEVELS = 3
MIN_LEVEL, MAX_LEVEL = 2.0**-100, 2.0**60
MIN_SCALE, MAX_SCALE = -8, 7


@dataclass(frozen=True, eq=False)
class Quantised:
    """What is sent of an update."""

    positions: np.ndarray
    "int64 (K,), rising: which entries of the vector are not zero."
    symbols: np.ndarray
    "int8 (K,): -3 to 3, never 0."
    levels: tuple[float, ...]
    "What the symbols 1, 2 and 3 are worth: bfloat16s from MIN_LEVEL to MAX_LEVEL."
    scales: tuple[int, ...]
    "The power of two by which each tensor's values are larger, MIN_SCALE to MAX_SCALE."

    @classmethod
    def nothing(cls, layout: Layout) -> "Quantised":
        """An update that changes no weight."""
        none = np.zeros(0, np.int64)
        return cls(none, none.astype(np.int8), (1.0, 1.0, 1.0), (0,) * len(layout.names))

    def values(self, layout: Layout) -> np.ndarray:
        """The entries at `positions`, float32 (K,), exact."""
        levels = np.array((0, *self.levels), np.float32)[np.abs(self.symbols)]
        scales = np.array(self.scales)[layout.tensor_of[self.positions]]
        return np.copysign(np.ldexp(levels, scales), self.symbols).astype(np.float32)

    def dense(self, layout: Layout) -> np.ndarray:
        """All entries, float32 (P,)."""
        return apply(np.zeros(layout.size, np.float32), self, layout, -1)


def apply(weights: np.ndarray, quantised: Quantised, layout: Layout, sign: int = 1) -> np.ndarray:
    """weights - update, float32 (P,), as every end computes it: one float32 subtraction an entry.

    `sign` -1: weights + update.
    """
    moved = np.array(weights, np.float32)
    moved[quantised.positions] -= np.float32(sign) * quantised.values(layout)
    return moved


def to_bfloat16(value: float) -> float:
    """The nearest level that can be sent."""
    bits = np.float32(min(max(value, MIN_LEVEL), MAX_LEVEL)).view(np.uint32)
    return level_of(int(bits + np.uint32(1 << 15)) >> 16)


def level_of(bits: int) -> float:
    """The bfloat16 of these 16 bits."""
    return float(np.uint32(bits << 16).view(np.float32))


def level_bits(level: float) -> int:
    """The other way round."""
    return int(np.float32(level).view(np.uint32)) >> 16
