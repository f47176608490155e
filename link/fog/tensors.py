"""Tensors: what crosses a boundary, as bytes.

    byte 0    0 nibbles: two symbols a byte, the first one high
              1 zeros left out: a bit for each symbol, 1 where it is not 0, then those as nibbles
              2 range-coded: a static table for each channel, as the bundle's boundaries.npz says
              3 bytes: where a boundary has more than 16 levels
    rest      symbols (h, w, c) in that order, the last axis fastest

Fast links get 0 or 1, whichever is shorter; slow ones 2. What is decoded was sealed by a member,
but its length and every symbol are checked all the same.
"""

import io
import zipfile
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np

from link.bundle.bundle import Bundle
from link.bundle.manifest import BOUNDARIES, Segment
from link.coder.range_coder import TOTAL_BITS, RangeDecoder, RangeEncoder
from link.coder.tables import read_member
from link.fog.frame import MAX_PIECES, PIECE_BYTES

MAX_NIBBLE_LEVELS = 16
MAX_TENSOR_BYTES = MAX_PIECES * PIECE_BYTES - 1
FREQUENCIES = ("<u2", 2)
"Type and number of dimensions of an array of boundaries.npz."


class Form(IntEnum):
    """The first byte."""

    NIBBLES = 0
    NO_ZEROS = 1
    CODED = 2
    BYTES = 3


class Boundary:
    """What one segment publishes: symbols 0 to levels - 1 of shape (h, w, c)."""

    def __init__(self, segment: Segment, frequencies: np.ndarray | None = None) -> None:
        """`frequencies`: integers (c, levels), each row 2**16 in all; None: never range-coded."""
        self.shape, self.levels = segment.shape, segment.levels
        self.n_symbols = int(np.prod(self.shape))
        self.is_nibbles = self.levels <= MAX_NIBBLE_LEVELS
        plain_bytes = 1 + (-(-self.n_symbols // 2) if self.is_nibbles else self.n_symbols)
        if plain_bytes > MAX_TENSOR_BYTES:
            raise ValueError(
                f"a boundary of {self.n_symbols} symbols takes {plain_bytes} bytes, a tensor has "
                f"at most {MAX_TENSOR_BYTES}; cut the encoder where it is narrower"
            )
        self.cumulative = None if frequencies is None else self._cumulative(frequencies)

    def _cumulative(self, frequencies: np.ndarray) -> list[list[int]]:
        expected = (self.shape[2], self.levels)
        if frequencies.shape != expected or not np.issubdtype(frequencies.dtype, np.integer):
            raise ValueError(f"tables are {frequencies.shape}, the boundary asks for {expected}")
        rows = frequencies.astype(np.int64)
        if rows.min() < 1 or (rows.sum(1) != 1 << TOTAL_BITS).any():
            raise ValueError("a table has a frequency below 1, or does not sum to 65536")
        return np.pad(rows.cumsum(1), ((0, 0), (1, 0))).tolist()

    def encode(self, symbols: np.ndarray, is_coded: bool) -> bytes:
        """Symbols, uint8 (h, w, c) below `levels`, to bytes; range-coded where there are tables."""
        flat = symbols.reshape(-1)
        if is_coded and self.cumulative is not None:
            return bytes([Form.CODED]) + self._range_coded(flat.tolist())
        if not self.is_nibbles:
            return bytes([Form.BYTES]) + flat.tobytes()
        present = flat[flat != 0]
        bitmap = np.packbits(flat != 0).tobytes()
        if len(bitmap) + -(-len(present) // 2) < -(-len(flat) // 2):
            return bytes([Form.NO_ZEROS]) + bitmap + _nibbles(present)
        return bytes([Form.NIBBLES]) + _nibbles(flat)

    def decode(self, data: bytes) -> np.ndarray:
        """Bytes to symbols, uint8 (h, w, c); ValueError where nobody encoded them so."""
        if not data or data[0] not in tuple(Form):
            raise ValueError("a tensor of no known form")
        form, rest = Form(data[0]), data[1:]
        if form == Form.CODED:
            flat = self._range_decoded(rest)
        elif form == Form.BYTES:
            flat = np.frombuffer(rest, np.uint8)
        elif form == Form.NIBBLES:
            flat = _from_nibbles(rest, self.n_symbols)
        else:
            flat = self._with_zeros(rest)
        if len(flat) != self.n_symbols or flat.max() >= self.levels:
            raise ValueError(f"a tensor of other symbols than {self.shape} below {self.levels}")
        return flat.reshape(self.shape)

    def _with_zeros(self, data: bytes) -> np.ndarray:
        n_bitmap = -(-self.n_symbols // 8)
        bitmap = np.frombuffer(data[:n_bitmap], np.uint8)
        if len(bitmap) < n_bitmap:
            raise ValueError("a tensor ends within its bitmap")
        is_present = np.unpackbits(bitmap, count=self.n_symbols).astype(bool)
        flat = np.zeros(self.n_symbols, np.uint8)
        flat[is_present] = _from_nibbles(data[n_bitmap:], int(is_present.sum()))
        return flat

    def _range_coded(self, symbols: Sequence[int]) -> bytes:
        assert self.cumulative is not None
        encoder, n_channels = RangeEncoder(), len(self.cumulative)
        for place, symbol in enumerate(symbols):
            counts = self.cumulative[place % n_channels]
            encoder.encode(symbol, counts[symbol], counts[symbol + 1], self.levels)
        return encoder.finish()

    def _range_decoded(self, data: bytes) -> np.ndarray:
        if self.cumulative is None:
            raise ValueError("a tensor is range-coded, and there are no tables")
        decoder, n_channels = RangeDecoder(data, complete=True), len(self.cumulative)
        flat = [decoder.decode(self.cumulative[i % n_channels]) for i in range(self.n_symbols)]
        return np.array(flat, np.uint8)


class TensorCoder:
    """The boundaries of a bundle, and whether the link is so slow that tensors are range-coded."""

    def __init__(self, boundaries: Sequence[Boundary], is_coded: bool = False) -> None:
        self.boundaries = tuple(boundaries)
        self.is_coded = is_coded

    @classmethod
    def load(cls, bundle: Bundle, is_coded: bool = False) -> "TensorCoder":
        """With the tables of a team's bundle. Raises ValueError where they do not fit it."""
        if bundle.team is None:
            raise ValueError(f"bundle {bundle.path} is for one node; export one for a team")
        cut = bundle.team.cut[:-1]
        try:
            tables = _read_tables(bundle.path / BOUNDARIES, len(cut))
            return cls([Boundary(*pair) for pair in zip(cut, tables, strict=True)], is_coded)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{BOUNDARIES} of bundle {bundle.path} cannot be used: {error}; "
                "export the bundle again or copy it anew"
            ) from error

    def encode(self, segment: int, symbols: np.ndarray) -> bytes:
        """What that segment makes, uint8 (h, w, c), as bytes."""
        return self.boundaries[segment].encode(symbols, self.is_coded)

    def decode(self, segment: int, data: bytes) -> np.ndarray:
        """And back; ValueError where it cannot be."""
        return self.boundaries[segment].decode(data)


def _read_tables(path: Path, n_boundaries: int) -> list[np.ndarray]:
    """Arrays segment_0 …; nothing is unpickled, and nothing is read that claims too much."""
    content = io.BytesIO(path.read_bytes())
    try:
        with zipfile.ZipFile(content) as archive:
            names = [f"segment_{number}" for number in range(n_boundaries)]
            return [read_member(archive, name, *FREQUENCIES) for name in names]
    except Exception as error:  # zipfile and NumPy raise whatever their parts do
        raise ValueError(str(error)) from error


def _nibbles(symbols: np.ndarray) -> bytes:
    even = np.pad(symbols, (0, len(symbols) % 2))
    return (even[::2] << 4 | even[1::2]).astype(np.uint8).tobytes()


def _from_nibbles(data: bytes, n_symbols: int) -> np.ndarray:
    if len(data) != -(-n_symbols // 2):
        raise ValueError(f"{len(data)} bytes of nibbles for {n_symbols} symbols")
    pairs = np.frombuffer(data, np.uint8)
    return np.stack([pairs >> 4, pairs & 15], 1).reshape(-1)[:n_symbols]
