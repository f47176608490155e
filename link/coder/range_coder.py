"""Range coder: a sequence of intervals becomes the shortest byte string, in plain integers.

Bit-compatible with constriction 0.5's RangeEncoder/RangeDecoder over Categorical(perfect=False)
(32-bit words, 64-bit state, 24-bit precision), so a host may decode with constriction what a node
encoded here. Two things differ in form only: the stream ends at the shortest byte string inside the
final interval, the zero bytes behind it being implied, and the decoder can be given a mere prefix
of the stream and then says where its knowledge ends.

Both ends name an interval by cumulative counts with a total of 2**16 over n symbols.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

TOTAL_BITS = 16
"Cumulative counts run from 0 to 2**TOTAL_BITS."

PRECISION_BITS = 24
"What the coder works with; the surplus gives each of the n symbols one part in 2**24 of its own."

WORD_BITS, STATE_BITS = 32, 64
WORD_BYTES, STATE_BYTES = WORD_BITS // 8, STATE_BITS // 8


def coder_bound(cumulative: Any, index: Any, n_symbols: Any) -> Any:
    """Lower bound of symbol `index` in 24 bits, as Categorical(perfect=False) makes it of the
    table; integers, or arrays of them.
    """
    return (cumulative * ((1 << PRECISION_BITS) - n_symbols) >> TOTAL_BITS) + index


class RangeEncoder:
    """Narrows the interval [low, low + range) once per symbol."""

    def __init__(self) -> None:
        self._low = 0
        self._range = (1 << STATE_BITS) - 1
        self._bits = STATE_BITS
        "Bits of the numbers low and range: 64 plus 32 for every word shifted out."

    def encode(self, index: int, cumulative_low: int, cumulative_high: int, n_symbols: int) -> None:
        """Narrow to the symbol `index` of `n_symbols`, whose counts are cumulative_low ..
        cumulative_high.
        """
        low = coder_bound(cumulative_low, index, n_symbols)
        high = coder_bound(cumulative_high, index + 1, n_symbols)
        self.encode_all([low], [high])

    def encode_all(self, lower: Sequence[int], upper: Sequence[int]) -> None:
        """Narrow to one symbol after the other, each by its bounds in 24 bits."""
        start, width, bits = self._low, self._range, self._bits
        for low, high in zip(lower, upper, strict=True):
            step = width >> PRECISION_BITS
            start += step * low
            width = step * (high - low)
            if width >> WORD_BITS == 0:
                start <<= WORD_BITS
                width <<= WORD_BITS
                bits += WORD_BITS
        self._low, self._range, self._bits = start, width, bits

    def finish(self) -> bytes:
        """The shortest bytes whose zero-extension lies in [low, low + range)."""
        n_bytes = max(0, (self._bits - self._range.bit_length()) // 8)
        while True:
            shift = self._bits - 8 * n_bytes
            point = -(-self._low >> shift)
            if point << shift < self._low + self._range:
                return point.to_bytes(n_bytes, "big").rstrip(b"\0")
            n_bytes += 1


class RangeDecoder:
    """Follows the encoder's intervals; `complete=False`: the data is the first part only."""

    def __init__(self, data: bytes, complete: bool) -> None:
        self._data = data
        self._complete = complete
        self._range = (1 << STATE_BITS) - 1
        self._read = STATE_BYTES
        self._offset = int.from_bytes(data[:STATE_BYTES].ljust(STATE_BYTES, b"\0"), "big")
        "The point named by the bytes so far, as its distance from low."

    def decode(self, cumulative: Sequence[int]) -> int | None:
        """Next symbol's index, or None when the received bytes leave it open; no later one is known
        then.

        Raises ValueError when no encoder with these tables can have written the data.
        """
        n_symbols = len(cumulative) - 1

        def bound(index: int) -> int:
            return coder_bound(int(cumulative[index]), index, n_symbols)

        step = self._range >> PRECISION_BITS
        quantile = self._offset // step
        if quantile >> PRECISION_BITS:
            raise ValueError("bitstream cannot have been written with these tables")
        index = bisect_right(range(1, n_symbols), quantile, key=bound)
        low, high = bound(index), bound(index + 1)
        if self._last_offset(step) >= step * high:
            return None
        self._offset -= step * low
        self._range = step * (high - low)
        if self._range >> WORD_BITS == 0:
            self._range <<= WORD_BITS
            word = self._data[self._read : self._read + WORD_BYTES].ljust(WORD_BYTES, b"\0")
            self._offset = self._offset << WORD_BITS | int.from_bytes(word, "big")
            self._read += WORD_BYTES
        return index

    def _last_offset(self, step: int) -> int:
        """The farthest point that the bytes still to come can name (an encoder never leaves step *
        2**24).
        """
        n_missing = 0 if self._complete else max(0, self._read - len(self._data))
        return min(self._offset + (1 << 8 * n_missing) - 1, (step << PRECISION_BITS) - 1)
