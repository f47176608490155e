"""Latent coder: symbols (D,) ↔ bitstream, the range coder driven by the tables of a bundle.

Symbols are coded in their order, most useful first, so any prefix of the bitstream decodes to a
prefix of the latent; what has not arrived is filled with its expected value given what has.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from link.coder import native
from link.coder.range_coder import TOTAL_BITS, RangeDecoder, RangeEncoder, coder_bound
from link.coder.tables import WEIGHT_BITS, Tables

BLOCK_NUMBERS = 1 << 14
"The size of an array that is made at once; a larger one the system would map anew each time."
SHIFTS = tuple(np.arange(64)[:, np.newaxis])
"By as many bits; a number of Python's would be converted each time."


@dataclass(frozen=True, eq=False)
class Latent:
    """What the host knows of one image's latent."""

    symbols: np.ndarray
    "float32 (D,): received symbols, then expectations for the rest."
    n_known: int
    "How many leading symbols were received; D when all were."


def encode(symbols: np.ndarray, tables: Tables) -> bytes:
    """Symbols, integers (D,), to their bitstream, cut where the tables say; a symbol outside its
    table is clamped to it.
    """
    latents = _sent(symbols, tables)
    indices, n_symbols = tables.indices(symbols)[latents], tables.alphabet[latents]
    low, high = intervals(latents, indices, tables)
    encoder = RangeEncoder()
    encoder.encode_all(
        coder_bound(low, indices, n_symbols).tolist(),
        coder_bound(high, indices + 1, n_symbols).tolist(),
    )
    return encoder.finish()[: tables.max_bytes]


def intervals(
    latents: np.ndarray, indices: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """What an encoder needs of each of these latents (n,), which take the indices (n,) in turn:
    entries index and index + 1 of Tables.mixed, int64 (n,) each, with the weights of Tables.reweigh
    after those before it.

    An encoder knows all indices beforehand, so that only the weights go symbol by symbol.
    """
    rows = tables.first_rows[latents] + indices
    compiled = native.intervals()
    if compiled is None:
        return intervals_by_numpy(rows, tables)
    low, high = compiled(tables.packed_counts, rows, tables.packed_prior)
    return low, high


def intervals_by_numpy(rows: np.ndarray, tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    """The same from the rows of Tables.counts below the symbols, int64 (n,)."""
    low, high = np.empty_like(rows), np.empty_like(rows)
    block_rows = max(1, BLOCK_NUMBERS // tables.n_components)
    least = np.ones_like(tables.prior)
    weights = tables.prior[np.newaxis]
    for start in range(0, len(rows), block_rows):
        block = slice(start, start + block_rows)
        below, up_to = tables.counts[rows[block]], tables.counts[rows[block] + 1]
        weights = np.concatenate([weights[-1:], up_to - below])
        for before, after in pairwise(weights):
            np.multiply(before, after, after)
            largest = after.item(after.argmax())
            np.right_shift(after, SHIFTS[largest.bit_length() - WEIGHT_BITS], after)
            np.maximum(after, least, out=after)
        total = weights[:-1].sum(axis=1)
        low[block] = np.einsum("nk,nk->n", below, weights[:-1]) // total
        high[block] = np.einsum("nk,nk->n", up_to, weights[:-1]) // total
    return low, high


def _sent(symbols: np.ndarray, tables: Tables) -> np.ndarray:
    """The latents that are sent, (n,)."""
    if tables.owner is None:
        return np.arange(tables.n_latents)
    return np.array([d for d in range(tables.n_latents) if tables.is_sent(d, symbols)], np.int64)


def decode(data: bytes, tables: Tables, complete: bool = True) -> Latent:
    """Bitstream to latent; `complete=False` when only the first bytes of the bitstream are here.

    Raises ValueError when no encoder with these tables can have written the data.
    """
    decoder = RangeDecoder(data, complete and tables.is_whole(data))
    weights = tables.prior
    symbols = np.empty(tables.n_latents, np.float32)
    for d in range(tables.n_latents):
        if not tables.is_sent(d, symbols):
            symbols[d] = 0
            continue
        index = decoder.decode(tables.mixed(d, weights).tolist())
        if index is None:
            for later in range(d, tables.n_latents):
                is_sent = tables.is_sent(later, symbols)
                symbols[later] = tables.expected(later, weights) if is_sent else 0
            return Latent(symbols, n_known=d)
        symbols[d] = tables.symbol_min[d] + index
        weights = tables.reweigh(d, weights, index)
    return Latent(symbols, n_known=tables.n_latents)


def ideal_bits(symbols: np.ndarray, tables: Tables) -> float:
    """-Σ log2 of the coder's probabilities: on average no bitstream can be shorter."""
    latents = _sent(symbols, tables)
    low, high = intervals(latents, tables.indices(symbols)[latents], tables)
    return float(np.sum(TOTAL_BITS - np.log2(high - low)))
