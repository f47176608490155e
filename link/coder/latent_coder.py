"""Latent coder: symbols (D,) ↔ bitstream, the range coder driven by the tables of a bundle.

Symbols are coded in their order, most useful first, so any prefix of the bitstream decodes to a
prefix of the latent; what has not arrived is filled with its expected value given what has.
"""

from dataclasses import dataclass

import numpy as np

from link.coder.range_coder import TOTAL_BITS, RangeDecoder, RangeEncoder
from link.coder.tables import Tables


@dataclass(frozen=True, eq=False)
class Latent:
    """What the host knows of one image's latent."""

    symbols: np.ndarray
    "float32 (D,): received symbols, then expectations for the rest."
    n_known: int
    "How many leading symbols were received; D when all were."


def encode(symbols: np.ndarray, tables: Tables) -> bytes:
    """Symbols, integers (D,), to their bitstream; a symbol outside its table is clamped to it."""
    encoder = RangeEncoder()
    weights = tables.prior
    for d, index in enumerate(tables.indices(symbols)):
        if not tables.is_sent(d, symbols):
            continue
        low, high = tables.interval(d, weights, index)
        encoder.encode(index, low, high, len(tables.cumulative[d]) - 1)
        weights = tables.reweigh(d, weights, index)
    return encoder.finish()


def decode(data: bytes, tables: Tables, complete: bool = True) -> Latent:
    """Bitstream to latent; `complete=False` when only the first bytes of the bitstream are here.

    Raises ValueError when no encoder with these tables can have written the data.
    """
    decoder = RangeDecoder(data, complete)
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
    bits = 0.0
    weights = tables.prior
    for d, index in enumerate(tables.indices(symbols)):
        if not tables.is_sent(d, symbols):
            continue
        low, high = tables.interval(d, weights, index)
        bits += TOTAL_BITS - float(np.log2(high - low))
        weights = tables.reweigh(d, weights, index)
    return bits
