"""Memory: what a device learned and has not sent yet, e, so that nothing is lost.

With float32 it conserves every update exactly: what was in it is what was sent and what is in it
now, e + Δ = q + e′, without rounding. For q is at most twice of e + Δ (the quantiser sees to that);
where it is half of it or more, the difference is exact (Sterbenz), and below, because q has 8
significant bits: up to 2^16 times of it.

With int8 an entry is stored as a whole number of 127ths of its tensor's largest, rounded up or down
at random so that the mean is right: off by less than one such part.
"""

from dataclasses import dataclass

import numpy as np

from link.update.layout import Layout
from link.update.quantised import Quantised, apply

MAX_INT8 = 127


def settle(memory: np.ndarray, sent: Quantised, layout: Layout) -> np.ndarray:
    """e − q, float32 (P,): an accepted update leaves the memory."""
    return apply(memory, sent, layout)


@dataclass(frozen=True, eq=False)
class Int8Memory:
    """A memory as it is stored where there are many: a byte an entry."""

    entries: np.ndarray
    "int8 (P,)."
    units: np.ndarray
    "float32 (T,): what 1 means, tensor by tensor; the most that an entry is off by."

    @classmethod
    def store(cls, memory: np.ndarray, layout: Layout, key: tuple[int, int, int]) -> "Int8Memory":
        """Memory float32 (P,), rounded at random by (seed, device, round)."""
        largest = np.maximum.reduceat(np.abs(memory), layout.starts[:-1])
        units = (largest / np.float32(MAX_INT8)).astype(np.float32)
        per_entry = np.repeat(np.where(units > 0, units, 1), np.diff(layout.starts))
        parts = memory / per_entry + draws(layout.size, key)
        entries = np.clip(np.floor(parts), -MAX_INT8, MAX_INT8).astype(np.int8)
        return cls(entries, units)

    def load(self, layout: Layout) -> np.ndarray:
        """Memory float32 (P,)."""
        return self.entries * np.repeat(self.units, np.diff(layout.starts))


def draws(n: int, key: tuple[int, int, int]) -> np.ndarray:
    """float32 (n,) from 0 to below 1, the same everywhere: 16 bits each of Philox."""
    seed, device, round_ = key
    source = np.random.Philox(key=seed << 64 | device << 32 | round_)
    raw = np.asarray(source.random_raw(-(-n // 4)), np.uint64).astype("<u8").view("<u2")[:n]
    return raw.astype(np.float32) / np.float32(1 << 16)
