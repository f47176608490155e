"""Code: a quantised update as the fewest bytes, by link.coder's range coder.

    levels (3 x 16 bits) | shares of the levels (2 x 8) | are there scales (1), then 4 bits each |
    for every group: count, then where its entries are | all symbols

The tensors of two and more dimensions are a group each, in their order; all the others are one
together, the last. Of a group's n places k hold an entry, and its k gaps (places passed over before
each) are geometric: with q = 1 - (2 k + 1) / (2 n + 2), a gap g = hi · M + lo has independent
parts, hi with ratio q^M, lo below M with ratio q. M is a power of two near half the mean gap. hi of
HI or more is told as HI and once more, less HI. First all his of the group, then all los.

Everything that decides a probability is an integer; ratios are 32-bit fractions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Protocol

import numpy as np

from link.coder.range_coder import PRECISION_BITS, TOTAL_BITS, RangeDecoder, RangeEncoder
from link.update.layout import Layout
from link.update.quantised import (
    MAX_LEVEL,
    MIN_LEVEL,
    MIN_SCALE,
    N_LEVELS,
    Quantised,
    level_bits,
    level_of,
)

TOTAL = 1 << TOTAL_BITS
ONE = 1 << 32
HI = 16
MAX_LO_BITS = 10
LEVEL_BITS, SHARE_BITS = 16, 8
SCALE_BITS = 4
SIZE_BITS = 5
"A count's length in bits, below 32, goes before it."
N_KEPT = 64
"Decoded updates that are kept: in a simulation many ends read the same bytes."


Counts = Sequence[int]
"Cumulative counts, from 0 to TOTAL."
Symbol = tuple[int, Counts]
"An index, and the counts that it is told under."


class CodeError(ValueError):
    """Bytes that are no update of this network; the message says why."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The order in which places are coded."""

    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    "Where each begins, and where the last one ends."
    rank: np.ndarray
    "int64 (P,): where each place of the vector stands in that order."
    place: np.ndarray
    "int64 (P,): the other way round."


@lru_cache(maxsize=16)
def groups_of(layout: Layout) -> Groups:
    is_flat = [len(shape) < 2 for shape in layout.shapes]
    sizes = np.diff(layout.starts)
    place = np.argsort(np.repeat(is_flat, sizes), kind="stable")
    rank = np.empty_like(place)
    rank[place] = np.arange(layout.size)
    n_flat = int(sizes[is_flat].sum())
    solid = [int(size) for size, flat in zip(sizes, is_flat, strict=True) if not flat]
    found = [*solid, n_flat] if n_flat else solid
    return Groups(tuple(found), (0, *accumulate(found)), rank, place)


@dataclass(frozen=True)
class Gaps:
    """How the gaps of k entries in n places are told."""

    lo_bits: int
    hi: Counts
    "Cumulative counts of hi, HI + 1 symbols."
    lo: Counts
    "The same of lo, 2^lo_bits symbols."

    @cached_property
    def hi_costs(self) -> np.ndarray:
        """What each hi takes, float64 (HI + 1,)."""
        return costs_of(self.hi)

    @cached_property
    def lo_costs(self) -> np.ndarray:
        """What each lo takes, float64 (2^lo_bits,)."""
        return costs_of(self.lo) if self.lo_bits else np.zeros(1)


@lru_cache(maxsize=4096)
def gaps_of(n_entries: int, n_places: int) -> Gaps:
    q = ONE - (2 * n_entries + 1) * ONE // (2 * n_places + 2)
    lo_bits = min(max((n_places // n_entries).bit_length() - 1, 0), MAX_LO_BITS)
    powers = _powers(q, 1 << lo_bits)
    ratio = powers[-1]
    lo = [(ONE - power) * TOTAL // (ONE - ratio) for power in powers]
    hi = [(ONE - power) * TOTAL // ONE for power in _powers(ratio, HI)]
    return Gaps(lo_bits, (*hi, TOTAL), tuple(lo))


def _powers(ratio: int, n: int) -> list[int]:
    powers = [ONE]
    for _ in range(n):
        powers.append(powers[-1] * ratio // ONE)
    return powers


EVEN = [tuple(range(0, TOTAL + 1, TOTAL >> width)) for width in range(9)]
"The counts of a number of so many bits."


def symbol_counts(shares: tuple[int, int]) -> Counts:
    """Cumulative counts of 1, -1, 2, -2, 3, -3, where of 256 entries shares[0] are ±1, and of 256
    others shares[1] are ±2.
    """
    ones = shares[0] << 7
    twos = ((TOTAL // 2 - ones) * shares[1]) >> 8
    threes = TOTAL // 2 - ones - twos
    counts = [0]
    for n in (ones, ones, twos, twos, threes, threes):
        counts.append(counts[-1] + n)
    return tuple(counts)


def shares_of(symbols: np.ndarray) -> tuple[int, int]:
    """The two shares that fit these symbols."""
    n = np.bincount(np.abs(symbols), minlength=N_LEVELS + 1)
    rest = int(n[2] + n[3])
    return _share(int(n[1]), len(symbols)), _share(int(n[2]), rest)


def _share(part: int, whole: int) -> int:
    return min(max((512 * part + whole) // (2 * whole), 1), 255) if whole else 128


def _raw(value: int, bits: int) -> Iterator[Symbol]:
    """A number below 2^bits, evenly, at most 8 bits at once."""
    for width in _widths(bits):
        bits -= width
        yield value >> bits & ((1 << width) - 1), EVEN[width]


def _widths(bits: int) -> Iterator[int]:
    """How many of its bits, highest first, a number's symbols have."""
    while bits:
        width = (bits - 1) % 8 + 1
        yield width
        bits -= width


def symbols_of(quantised: Quantised, layout: Layout) -> Iterator[Symbol]:
    """All that is told of an update, in order."""
    for level in quantised.levels:
        yield from _raw(level_bits(level), LEVEL_BITS)
    shares = shares_of(quantised.symbols)
    for share in shares:
        yield from _raw(share, SHARE_BITS)
    yield from _raw(int(any(quantised.scales)), 1)
    if any(quantised.scales):
        for scale in quantised.scales:
            yield from _raw(scale - MIN_SCALE, SCALE_BITS)
    groups = groups_of(layout)
    ranks = groups.rank[quantised.positions]
    order = np.argsort(ranks)
    ranks = ranks[order]
    ends = np.searchsorted(ranks, groups.starts)
    for size, start, first, last in zip(groups.sizes, groups.starts, ends, ends[1:], strict=False):
        yield from _gaps(ranks[first:last] - start, size)
    counts = symbol_counts(shares)
    indices = 2 * np.abs(quantised.symbols[order]) - 2 + (quantised.symbols[order] < 0)
    for index in indices.tolist():
        yield index, counts


def _gaps(places: np.ndarray, n_places: int) -> Iterator[Symbol]:
    n = len(places)
    yield from _raw(n.bit_length(), SIZE_BITS)
    if n.bit_length() > 1:
        yield from _raw(n - (1 << n.bit_length() - 1), n.bit_length() - 1)
    if not n:
        return
    model = gaps_of(n, n_places)
    gaps = np.diff(places, prepend=-1) - 1
    for hi in (gaps >> model.lo_bits).tolist():
        for part in (*[HI] * (hi // HI), hi % HI):
            yield part, model.hi
    if model.lo_bits:
        for lo in (gaps & ((1 << model.lo_bits) - 1)).tolist():
            yield lo, model.lo


def encode(quantised: Quantised, layout: Layout) -> bytes:
    """The coded update; one without entries is no bytes."""
    encoder = RangeEncoder()
    if len(quantised.positions):
        for index, counts in symbols_of(quantised, layout):
            encoder.encode(index, counts[index], counts[index + 1], len(counts) - 1)
    return encoder.finish()


def n_bits(quantised: Quantised, layout: Layout) -> float:
    """What the coder spends; the bytes are those of it, and two more at the most."""
    if not len(quantised.positions):
        return 0.0
    head = N_LEVELS * LEVEL_BITS + 2 * SHARE_BITS + 1
    bits = float(head + SCALE_BITS * len(quantised.scales) * any(quantised.scales))
    groups = groups_of(layout)
    ranks = np.sort(groups.rank[quantised.positions])
    ends = np.searchsorted(ranks, groups.starts)
    for size, start, first, last in zip(groups.sizes, groups.starts, ends, ends[1:], strict=False):
        bits += SIZE_BITS + max(int(last - first).bit_length() - 1, 0)
        if last > first:
            model = gaps_of(int(last - first), size)
            gaps = np.diff(ranks[first:last], prepend=start - 1) - 1
            his = gaps >> model.lo_bits
            bits += float(model.hi_costs[his % HI].sum() + model.hi_costs[HI] * (his // HI).sum())
            bits += float(model.lo_costs[gaps & ((1 << model.lo_bits) - 1)].sum())
    sizes = np.bincount(np.abs(quantised.symbols), minlength=N_LEVELS + 1)[1:]
    return bits + float(sizes @ costs_of(symbol_counts(shares_of(quantised.symbols)))[::2])


def costs_of(counts: Counts) -> np.ndarray:
    """Bits that each symbol takes under cumulative counts, float64 (n,)."""
    n = len(counts) - 1
    bounds = (np.array(counts) * ((1 << PRECISION_BITS) - n) >> TOTAL_BITS) + np.arange(n + 1)
    return PRECISION_BITS - np.log2(np.diff(bounds))


class Source(Protocol):
    """Where symbols come from."""

    def take(self, counts: Counts, n: int) -> np.ndarray:
        """The next n symbols under cumulative counts, int64 (n,); ValueError where no encoder can
        have written the bytes.
        """


class RangeSource:
    """Symbols out of link.coder's range decoder, one by one."""

    def __init__(self, data: bytes) -> None:
        self._decoder = RangeDecoder(data, complete=True)

    def take(self, counts: Counts, n: int) -> np.ndarray:
        indices = [self._decoder.decode(counts) for _ in range(n)]
        return np.array(indices, np.int64)


@lru_cache(maxsize=N_KEPT)
def decode(
    data: bytes, layout: Layout, source: Callable[[bytes], Source] = RangeSource
) -> Quantised:
    """The update of these bytes; CodeError where they are none of this network. `source`: what
    decodes them.
    """
    if not data:
        return Quantised.nothing(layout)
    try:
        return _Reader(source(data)).update(layout)
    except CodeError:
        raise
    except ValueError as error:
        raise CodeError(f"the coded update is damaged: {error}") from None


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source

    def update(self, layout: Layout) -> Quantised:
        levels = tuple(level_of(self._raw(LEVEL_BITS)) for _ in range(N_LEVELS))
        if not all(MIN_LEVEL <= level <= MAX_LEVEL for level in levels):
            raise CodeError(f"the coded update is damaged: its levels are {levels}")
        shares = self._raw(SHARE_BITS), self._raw(SHARE_BITS)
        if not all(shares):
            raise CodeError(f"the coded update is damaged: shares of its levels are {shares}")
        scales = [0] * len(layout.names)
        if self._raw(1):
            scales = [self._raw(SCALE_BITS) + MIN_SCALE for _ in scales]
        groups = groups_of(layout)
        starts = zip(groups.starts, groups.sizes, strict=False)
        ranks = np.concatenate([start + self._places(size) for start, size in starts])
        indices = self._source.take(symbol_counts(shares), len(ranks))
        symbols = (indices // 2 + 1) * (1 - 2 * (indices % 2))
        positions = groups.place[ranks]
        order = np.argsort(positions)
        return Quantised(positions[order], symbols[order].astype(np.int8), levels, tuple(scales))

    def _places(self, n_places: int) -> np.ndarray:
        length = self._raw(SIZE_BITS)
        n = 1 << length >> 1
        if length > 1 and n <= n_places:
            n += self._raw(length - 1)
        if n > n_places:
            raise CodeError(f"the coded update is damaged: {n} entries in {n_places} places")
        if not n:
            return np.zeros(0, np.int64)
        model = gaps_of(n, n_places)
        gaps = self._his(model, n, n_places) << model.lo_bits
        if model.lo_bits:
            gaps += self._source.take(model.lo, n)
        places = np.cumsum(gaps + 1) - 1
        _check(n_places - 1 - int(places[-1]))
        return places

    def _his(self, model: Gaps, n: int, n_places: int) -> np.ndarray:
        """The high parts of n gaps, int64 (n,)."""
        parts = self._source.take(model.hi, n)
        while n_open := n - int((parts < HI).sum()):
            _check((n_places >> model.lo_bits) - int(parts.sum()))
            parts = np.concatenate([parts, self._source.take(model.hi, n_open)])
        ends = np.flatnonzero(parts < HI)
        return np.add.reduceat(parts, np.concatenate([[0], ends[:-1] + 1]))

    def _raw(self, bits: int) -> int:
        value = 0
        for width in _widths(bits):
            [part] = self._source.take(EVEN[width], 1)
            value = value << width | int(part)
        return value


def _check(room: int) -> None:
    if room < 0:
        raise CodeError("the coded update is damaged: an entry behind the last place")
