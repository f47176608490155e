"""Quantiser: the largest entries of a vector, in six values, as many as a number of bytes holds.

What is smaller than a threshold is nothing; above it are three bins, and a bin's level is the mean
of what fell into it, which makes the squared error least. Where bins end minimises squared error +
λ · bits (entropy-constrained scalar quantisation, Chou, Lookabaugh and Gray 1989). The receiver
knows the levels, not the threshold: so that is whatever makes the coded update fill its bytes.
"""

from dataclasses import replace

import numpy as np

from link.update import code
from link.update.layout import Layout
from link.update.quantised import MAX_SCALE, MIN_SCALE, N_LEVELS, Quantised, to_bfloat16

LEAST_ENTRY_BITS = 4
"No entry is shorter where few are: so many candidates are looked at first."
MEAN_ENTRY_BITS = 8
"What one takes near 1 %: where the bins end is settled for so many entries."
N_PASSES = 4
BIT_WORTH = 0.1
"λ, in squared thresholds: the last entry saves about one of them for its eight to ten bits."
LARGEST_LEVEL = 1.99
"A level is less than two of its bin's smallest, else the memory would have to round what is left."
SPARE_BYTES = 2
"What the coder may need beyond what its probabilities say."


def quantise(
    values: np.ndarray, layout: Layout, budget_bytes: int, scales: tuple[int, ...] | None = None
) -> Quantised:
    """The update nearest to values (P,) whose code has at most so many bytes.

    `scales`: of each tensor, the power of two by which its steps are longer.
    """
    chosen = scales or (0,) * len(layout.names)
    sizes = np.abs(values)
    if any(chosen):
        sizes = sizes * np.exp2(-np.array(chosen, np.float32))[layout.tensor_of]
    room = 8 * (budget_bytes - SPARE_BYTES)
    n_some = int(np.count_nonzero(sizes))
    n = min(n_some, max(room // LEAST_ENTRY_BITS, 0))
    while n:
        search = _Search(values, sizes, layout, chosen, n)
        found = search.most(room)
        if found < n:
            return search.of(found)
        if n == n_some:
            return search.of(search.nearest())
        n = min(2 * n, n_some)
    return replace(Quantised.nothing(layout), scales=chosen)


def scales_of(values: np.ndarray, layout: Layout) -> tuple[int, ...]:
    """Each tensor's root mean square as a power of two beside the median's, for values (P,)."""
    squares = np.add.reduceat(np.square(values, dtype=np.float64), layout.starts[:-1])
    sizes = np.sqrt(squares / np.diff(layout.starts))
    if not sizes.any():
        return (0,) * len(sizes)
    middle = np.median(sizes[sizes > 0])
    powers = np.rint(np.log2(np.maximum(sizes, 1e-30) / middle))
    return tuple(int(power) for power in np.clip(powers, MIN_SCALE, MAX_SCALE))


class _Search:
    """Among the n largest entries, by how many are taken."""

    def __init__(
        self,
        values: np.ndarray,
        sizes: np.ndarray,
        layout: Layout,
        scales: tuple[int, ...],
        n: int,
    ) -> None:
        self._values, self._layout = values, layout
        self._nothing = replace(Quantised.nothing(layout), scales=scales)
        largest = np.sort(np.argpartition(sizes, -n)[-n:]) if n else np.zeros(0, np.int64)
        self._places = largest[np.argsort(-sizes[largest], kind="stable")]
        self._sizes = sizes[self._places].astype(np.float64)
        self._sums = np.concatenate([[0.0], np.cumsum(self._sizes)])

    def most(self, room: int) -> int:
        """As many as take so many bits."""
        n = len(self._places)
        self._settle(min(n, max(room // MEAN_ENTRY_BITS, 1)))
        fits, exceeds, guess = 0, n + 1, min(n, max(room // MEAN_ENTRY_BITS, 1))
        while exceeds - fits > 1:
            bits = code.n_bits(self.of(guess), self._layout)
            fits, exceeds = (guess, exceeds) if bits <= room else (fits, guess)
            near = round(guess * room / bits)
            guess = min(max(near, fits + 1), exceeds - 1)
        return fits

    def nearest(self) -> int:
        """How many, where all fit: more than help would only take levels from the others."""
        n = len(self._places)
        tries = {max(n >> halvings, 1) for halvings in range(6)}
        best = max(tries, key=self._gain)
        self._settle(best)
        return best

    def of(self, n: int) -> Quantised:
        """The n largest."""
        if not n:
            return self._nothing
        bounds, means = self._bins(n)
        symbols = np.repeat(np.arange(N_LEVELS, 0, -1, dtype=np.int8), np.diff(bounds))
        places = self._places[:n]
        order = np.argsort(places)
        signed = np.where(self._values[places] < 0, -symbols, symbols)
        levels = tuple(to_bfloat16(mean) for mean in means[::-1])
        return Quantised(places[order], signed[order], levels, self._nothing.scales)

    def _settle(self, n: int) -> None:
        """Where bins end, in thresholds, by the n largest."""
        least = self._sizes[n - 1]
        excess = self._sums[n] / n / least - 1
        self._ends = 1 + excess * np.array([4, 2])
        for _ in range(N_PASSES):
            bounds, means = self._bins(n)
            bits = np.log2(n / np.maximum(np.diff(bounds), 1))
            apart = np.maximum(means[:-1] - means[1:], 1e-3 * least)
            middles = (means[:-1] + means[1:]) / 2
            middles += BIT_WORTH * least**2 * (bits[:-1] - bits[1:]) / 2 / apart
            self._ends = np.sort(middles)[::-1] / least

    def _bins(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Where, among the n largest, the bins of 3, 2 and 1 begin and where the last ends, int
        (4,); and their levels.
        """
        sizes = self._sizes[:n]
        bounds = np.array([0, *np.searchsorted(-sizes, -self._ends * sizes[-1]), n])
        counts = np.diff(bounds)
        smallest = sizes[np.maximum(bounds[1:] - 1, 0)]
        means = np.diff(self._sums[bounds]) / np.maximum(counts, 1)
        return bounds, np.where(counts, np.minimum(means, LARGEST_LEVEL * smallest), smallest)

    def _gain(self, n: int) -> float:
        """By how much the n largest lower the squared error."""
        self._settle(n)
        bounds, levels = self._bins(n)
        sums, counts = np.diff(self._sums[bounds]), np.diff(bounds)
        return float((2 * levels * sums - levels**2 * counts).sum())


def quantise_within(
    values: np.ndarray, layout: Layout, budget_bytes: int, scales: tuple[int, ...] | None = None
) -> tuple[Quantised, bytes]:
    """quantise, and its code, which has at most so many bytes."""
    room = budget_bytes
    while True:
        quantised = quantise(values, layout, room, scales)
        coded = code.encode(quantised, layout)
        if len(coded) <= budget_bytes:
            return quantised, coded
        room -= len(coded) - budget_bytes
