"""Bulk: many images at once, the same result as link.coder.latent_coder gives for each: bitstreams
decoded, and the bits that symbols would take.

Images walk through the latents side by side: one matrix product mixes the tables of all of them,
and the range coder's 64-bit state becomes a column of numbers. Tables are mixed in float64 and
nothing is rounded: counts are at most 2**16, weights below 2**24 and components at most 2**10, so
every sum is an integer below 2**53, whatever its order; and the quotient of two such integers,
below 2**17 with a divisor up to 2**34, cannot be rounded up to the next integer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from link.coder import latent_coder
from link.coder.range_coder import (
    PRECISION_BITS,
    STATE_BITS,
    STATE_BYTES,
    TOTAL_BITS,
    WORD_BITS,
    WORD_BYTES,
)
from link.coder.tables import TOTAL, WEIGHT_BITS, Tables

BLOCK_IMAGES = 2048
"Fewer calls for each: two thirds of the time that 256 at once take, and some megabytes."
FEW_IMAGES = 8
"Fewer are decoded sooner one by one."
BITS_BLOCK_IMAGES = 1024
"Sums of bits are rounded block by block: another size would move their last digits."


@dataclass(frozen=True, eq=False)
class Latents:
    """What is known of N latents, one row each."""

    symbols: np.ndarray
    "float32 (N, D): received symbols, then expectations for the rest."
    n_known: np.ndarray
    "int64 (N,): how many leading symbols were received."
    is_valid: np.ndarray
    """bool (N,): False where no encoder with these tables can have written the bitstream (its row
    is zeros).
    """

    def __len__(self) -> int:
        return len(self.symbols)


def decode_bulk(
    bitstreams: Sequence[bytes], tables: Tables, complete: Sequence[bool] | None = None
) -> Latents:
    """Bitstreams to latents; `complete[i]`: all of bitstream i is here (None: of every one)."""
    n_images = len(bitstreams)
    is_complete = np.array([tables.is_whole(one) for one in bitstreams], bool)
    if complete is not None:
        is_complete &= np.asarray(complete, bool)
    latents = Latents(
        np.zeros((n_images, tables.n_latents), np.float32),
        np.zeros(n_images, np.int64),
        np.ones(n_images, bool),
    )
    for start in range(0, n_images, BLOCK_IMAGES):
        rows = slice(start, start + BLOCK_IMAGES)
        block = Latents(latents.symbols[rows], latents.n_known[rows], latents.is_valid[rows])
        decode = _decode_each if len(block) < FEW_IMAGES else _decode_block
        decode(bitstreams[rows], is_complete[rows], tables, block)
    return latents


def _decode_each(
    bitstreams: Sequence[bytes], is_complete: np.ndarray, tables: Tables, out: Latents
) -> None:
    for row, bitstream in enumerate(bitstreams):
        try:
            latent = latent_coder.decode(bitstream, tables, bool(is_complete[row]))
            out.symbols[row], out.n_known[row] = latent.symbols, latent.n_known
        except ValueError:
            out.is_valid[row] = False


def _decode_block(
    bitstreams: Sequence[bytes], is_complete: np.ndarray, tables: Tables, out: Latents
) -> None:
    states = _CoderStates(bitstreams, is_complete)
    weights = np.tile(tables.prior.astype(np.float64), (len(bitstreams), 1))
    posteriors = np.empty_like(weights)
    is_open = np.ones(len(bitstreams), bool)
    for d, counts in enumerate(tables.cumulative):
        is_sent = _is_sent(d, tables, out.symbols)
        indices, is_valid, is_determined = states.decode(
            _mixed(counts, weights).astype(np.uint64), is_sent
        )
        out.is_valid[is_open & ~is_valid] = False
        has_ended = is_open & is_valid & ~is_determined
        if has_ended.any():
            posteriors[has_ended] = weights[has_ended]
        is_open &= is_valid & is_determined
        if not is_open.any():
            break
        out.symbols[is_open, d] = np.where(is_sent, tables.symbol_min[d] + indices, 0)[is_open]
        out.n_known[is_open] += 1
        learned = _reweigh(weights, np.diff(counts, axis=0)[indices])
        weights = learned if is_sent.all() else np.where(is_sent[:, None], learned, weights)
    for d in range(out.n_known.min(), tables.n_latents):
        counts, rows = tables.cumulative[d], np.flatnonzero(out.is_valid & (out.n_known <= d))
        frequencies = np.diff(_mixed(counts, posteriors[rows]), axis=1)
        expected = tables.symbol_min[d] + frequencies @ np.arange(frequencies.shape[1]) / TOTAL
        out.symbols[rows, d] = np.where(_is_sent(d, tables, out.symbols[rows]), expected, 0)
    out.symbols[~out.is_valid] = 0
    out.n_known[~out.is_valid] = 0


def _is_sent(d: int, tables: Tables, symbols: np.ndarray) -> np.ndarray:
    """Tables.is_sent for every row of symbols (N, D), bool (N,)."""
    flag = -1 if tables.owner is None else tables.owner[d]
    return np.ones(len(symbols), bool) if flag < 0 else symbols[:, flag] != 0


def mean_bits(symbols: np.ndarray, tables: Tables, block_images: int = BITS_BLOCK_IMAGES) -> float:
    """Mean of link.coder.latent_coder.ideal_bits over symbols (N, D)."""
    total = sum(
        float(_ideal_bits(symbols[start : start + block_images], tables).sum())
        for start in range(0, len(symbols), block_images)
    )
    return total / len(symbols)


def _ideal_bits(symbols: np.ndarray, tables: Tables) -> np.ndarray:
    indices = np.clip(symbols.astype(np.int64) - tables.symbol_min, 0, tables.alphabet - 1)
    weights = np.tile(tables.prior.astype(np.float64), (len(symbols), 1))
    bits = np.zeros(len(symbols))
    for d, (index, counts) in enumerate(zip(indices.T, tables.cumulative, strict=True)):
        is_sent = _is_sent(d, tables, symbols)
        rows = counts.astype(np.float64)
        low, high = rows[index], rows[index + 1]
        spent = TOTAL_BITS - np.log2(_mean(high, weights) - _mean(low, weights))
        bits += np.where(is_sent, spent, 0)
        weights = np.where(is_sent[:, None], _reweigh(weights, high - low), weights)
    return bits


def _mean(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Entries of `_mixed`, one for each row: (N,) of counts (N, K)."""
    return np.einsum("nk,nk->n", counts, weights) // weights.sum(axis=1)


def _mixed(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Tables.mixed for every row of weights (N, K), float64 (N, n + 1)."""
    return (weights @ counts.T.astype(np.float64)) // weights.sum(axis=1, keepdims=True)


def _reweigh(weights: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Tables.reweigh for every row; both (N, K), the weights integers in float64."""
    learned = weights * frequencies
    _, bit_length = np.frexp(learned.max(axis=1, keepdims=True))
    learned *= np.ldexp(1.0, WEIGHT_BITS - bit_length)
    return np.maximum(np.floor(learned, out=learned), 1, out=learned)


class _CoderStates:
    """link.coder.range_coder.RangeDecoder for N streams; the names are the same."""

    def __init__(self, bitstreams: Sequence[bytes], is_complete: np.ndarray) -> None:
        n_words = 1 + max(STATE_BYTES, *map(len, bitstreams)) // WORD_BYTES + 1
        padded = b"".join(bitstream.ljust(n_words * WORD_BYTES, b"\0") for bitstream in bitstreams)
        self._words = (
            np.frombuffer(padded, ">u4").reshape(len(bitstreams), n_words).astype(np.uint64)
        )
        self._rows = np.arange(len(bitstreams))
        self._range = np.full(len(bitstreams), (1 << STATE_BITS) - 1, np.uint64)
        self._offset = self._words[:, 0] << np.uint64(WORD_BITS) | self._words[:, 1]
        self._next_word = np.full(len(bitstreams), STATE_BYTES // WORD_BYTES)
        self._n_bytes = np.where(
            is_complete, np.iinfo(np.int64).max, [len(bitstream) for bitstream in bitstreams]
        )

    def decode(
        self, cumulative: np.ndarray, is_sent: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Next index of each row under cumulative counts uint64 (N, n + 1); is it valid; do the
        bytes determine it. A row of which nothing was sent stays where it is.
        """
        n_symbols = cumulative.shape[1] - 1
        spread = np.uint64((1 << PRECISION_BITS) - n_symbols)
        bounds = (cumulative * spread >> np.uint64(TOTAL_BITS)) + np.arange(
            n_symbols + 1, dtype=np.uint64
        )
        step = self._range >> np.uint64(PRECISION_BITS)
        quantile = self._offset // step
        indices = (bounds[:, 1:-1] <= quantile[:, None]).sum(axis=1)
        low, high = bounds[self._rows, indices], bounds[self._rows, indices + 1]
        is_determined = self._last_offset(step) < step * high
        self._offset = np.where(is_sent, self._offset - step * low, self._offset)
        self._range = np.where(is_sent, step * (high - low), self._range)
        self._refill()
        is_valid = quantile >> np.uint64(PRECISION_BITS) == 0
        return indices, is_valid | ~is_sent, is_determined | ~is_sent

    def _last_offset(self, step: np.ndarray) -> np.ndarray:
        n_missing = np.clip(self._next_word * WORD_BYTES - self._n_bytes, 0, STATE_BYTES)
        unread = (np.uint64(1) << 8 * n_missing.astype(np.uint64) % STATE_BITS) - np.uint64(1)
        unread[n_missing == STATE_BYTES] = (1 << STATE_BITS) - 1
        farthest = self._offset + unread
        farthest[farthest < unread] = (1 << STATE_BITS) - 1
        return np.minimum(farthest, (step << np.uint64(PRECISION_BITS)) - np.uint64(1))

    def _refill(self) -> None:
        short = np.flatnonzero(self._range >> np.uint64(WORD_BITS) == 0)
        word = self._words[short, np.minimum(self._next_word[short], self._words.shape[1] - 1)]
        self._range[short] <<= np.uint64(WORD_BITS)
        self._offset[short] = self._offset[short] << np.uint64(WORD_BITS) | word
        self._next_word[short] += 1
