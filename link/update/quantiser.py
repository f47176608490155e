"""Quantiser: the largest entries of a vector, in six values, as many as a number of bytes holds.

What is smaller than a threshold is nothing; above it are three bins, and a bin's level is the mean
of what fell into it, which makes the squared error least. A bin's bounds minimise squared error +
λ · bits (entropy-constrained scalar quantisation, Chou, Lookabaugh and Gray 1989), where λ is what
an entry at the threshold saves a bit. The receiver knows the levels, not the threshold: so that is
whatever makes the coded update fill its bytes.
"""

from dataclasses import replace

import numpy as np

from link.update import code
from link.update.layout import Layout
from link.update.quantised import N_LEVELS, Quantised, to_bfloat16

N_PASSES = 4
LEAST_ENTRY_BITS = 4
"No coded entry is shorter where few are: so many candidates are looked at first."
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
    n_some = int(np.count_nonzero(sizes))
    n = min(n_some, max(8 * budget_bytes // LEAST_ENTRY_BITS, 1))
    while True:
        search = _Search(values, sizes, layout, chosen, n)
        fitting = search.most(budget_bytes)
        if len(fitting.positions) < n or n == n_some:
            return fitting
        n = min(2 * n, n_some)


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

    def most(self, budget_bytes: int) -> Quantised:
        """The longest code that fits."""
        room = 8 * (budget_bytes - SPARE_BYTES)
        fits, exceeds = 0, len(self._places) + 1
        best = self._nothing
        guess = exceeds - 1
        while exceeds - fits > 1:
            quantised = self.of(guess)
            bits = code.n_bits(quantised, self._layout)
            if bits <= room:
                fits, best = guess, quantised
            else:
                exceeds = guess
            near = round(guess * room / bits) if bits else 0
            guess = near if fits < near < exceeds else (fits + exceeds) // 2
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
        levels = tuple(to_bfloat16(mean) for mean in means)
        return Quantised(places[order], signed[order], levels, self._nothing.scales)

    def _bins(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Where, among the n largest, the bins of 3, 2 and 1 begin and where the last ends, int
        (4,); and the means of 1, 2 and 3.
        """
        sizes, sums = -self._sizes[:n], self._sums
        least = self._sizes[n - 1]
        bounds = np.array([0, n // 16, n // 4, n])
        # what it takes to say that there is one more entry, and its sign
        entry_bits = max(np.log2(max(self._layout.size - n, 1) / n) + 1, 1)
        for _ in range(N_PASSES):
            counts = np.diff(bounds)
            means = np.where(counts, np.diff(sums[bounds]) / np.maximum(counts, 1), least)
            bits = np.log2(n / np.maximum(counts, 1))
            worth = (least**2 - (least - means[-1]) ** 2) / (entry_bits + bits[-1])
            gaps = np.maximum(means[:-1] - means[1:], 1e-9 * least)
            middles = (means[:-1] + means[1:]) / 2 + worth * (bits[:-1] - bits[1:]) / 2 / gaps
            inner = np.searchsorted(sizes, -middles)
            bounds = np.array([0, *np.minimum.accumulate(inner[::-1])[::-1], n])
        counts = np.diff(bounds)
        means = np.where(counts, np.diff(sums[bounds]) / np.maximum(counts, 1), least)
        # more than twice the smallest of its bin: the memory would have to round the difference
        smallest = self._sizes[np.maximum(bounds[1:] - 1, 0)]
        return bounds, np.minimum(means, 1.99 * smallest)[::-1]


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
