"""Other coders for the same symbols: Huffman codes as in PNC, fixed lengths, raw bytes, Deflate and
Zstandard.

Each codes one image by itself, to whole bytes, and gives its symbols back. What it knows of the
symbols it learned from the training split, and so do both ends.
"""

import heapq
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from export.entropy_model import Alphabet
from link.coder import latent_coder
from link.coder.bulk import decode_bulk
from link.coder.tables import Tables

DICTIONARY_BYTES = 32_768
"Deflate's window."


class SymbolCoder(Protocol):
    """An image's symbols (D,) to bytes, and many images' bytes to symbols (N, D)."""

    def encode(self, symbols: np.ndarray) -> bytes: ...

    def decode(self, coded: Sequence[bytes]) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class RangeCoder:
    """The wire coder, with these tables."""

    tables: Tables

    def encode(self, symbols: np.ndarray) -> bytes:
        return latent_coder.encode(symbols, self.tables)

    def decode(self, coded: Sequence[bytes]) -> np.ndarray:
        return decode_bulk(coded, self.tables).symbols


class Raw:
    """A byte for each symbol."""

    def encode(self, symbols: np.ndarray) -> bytes:
        return symbols.astype(np.int8).tobytes()

    def decode(self, coded: Sequence[bytes]) -> np.ndarray:
        return np.stack([np.frombuffer(data, np.int8) for data in coded])


@dataclass(frozen=True, eq=False)
class PrefixCoder:
    """One prefix code per latent; the last byte is filled with zeros."""

    minimum: np.ndarray
    "int64 (D,): the first symbol of each latent's alphabet."
    lengths: tuple[Sequence[int], ...]
    "Bits of each symbol, per latent."

    @classmethod
    def huffman(cls, training: np.ndarray) -> "PrefixCoder":
        """By each latent's histogram over the symbols (N, D); one never seen counts half a time, as
        in our tables.
        """
        alphabet = Alphabet.of(training)
        columns = alphabet.columns(training) - alphabet.starts
        counts = [
            np.maximum(np.bincount(column, minlength=size), 0.5)
            for column, size in zip(columns.T, alphabet.sizes, strict=True)
        ]
        return cls(alphabet.minimum, tuple(huffman_lengths(each) for each in counts))

    @classmethod
    def fixed(cls, training: np.ndarray) -> "PrefixCoder":
        """As many bits for each symbol as the latent's alphabet needs."""
        alphabet = Alphabet.of(training)
        return cls(
            alphabet.minimum, tuple([int(size - 1).bit_length()] * size for size in alphabet.sizes)
        )

    @cached_property
    def codes(self) -> tuple[list[str], ...]:
        """Per latent the code of each symbol, as binary digits."""
        return tuple(canonical_codes(lengths) for lengths in self.lengths)

    @cached_property
    def _symbols(self) -> list[dict[str, int]]:
        return [{code: index for index, code in enumerate(codes)} for codes in self.codes]

    def bits(self, symbols: np.ndarray) -> int:
        """Length before the last byte is filled."""
        return sum(
            lengths[index]
            for lengths, index in zip(self.lengths, self._indices(symbols), strict=True)
        )

    def encode(self, symbols: np.ndarray) -> bytes:
        digits = "".join(
            codes[index] for codes, index in zip(self.codes, self._indices(symbols), strict=True)
        )
        n_bytes = -(-len(digits) // 8)
        return int(digits.ljust(8 * n_bytes, "0"), 2).to_bytes(n_bytes, "big")

    def decode(self, coded: Sequence[bytes]) -> np.ndarray:
        return np.stack([self._decode(data) for data in coded])

    def _decode(self, data: bytes) -> np.ndarray:
        digits = iter("".join(f"{byte:08b}" for byte in data))
        indices = []
        for symbols in self._symbols:
            code = ""
            while code not in symbols:
                code += next(digits)
            indices.append(symbols[code])
        return self.minimum + indices

    def _indices(self, symbols: np.ndarray) -> list[int]:
        sizes = np.array([len(lengths) for lengths in self.lengths])
        return np.clip(symbols.astype(np.int64) - self.minimum, 0, sizes - 1).tolist()


def huffman_lengths(counts: Sequence[float] | np.ndarray) -> list[int]:
    """Bits of each symbol in a Huffman code for these counts, two at least (Huffman, 1952)."""
    lengths = [0] * len(counts)
    heap = [(float(count), index, [index]) for index, count in enumerate(counts)]
    heapq.heapify(heap)
    while len(heap) > 1:
        (count1, _, first), (count2, order, second) = heapq.heappop(heap), heapq.heappop(heap)
        for index in first + second:
            lengths[index] += 1
        heapq.heappush(heap, (count1 + count2, order, first + second))
    return lengths


def canonical_codes(lengths: Sequence[int]) -> list[str]:
    """Binary digits by rising length, then symbol (RFC 1951, section 3.2.2)."""
    codes, code, length = [""] * len(lengths), 0, 0
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        code <<= lengths[index] - length
        length = lengths[index]
        codes[index] = f"{code:0{length}b}"
        code += 1
    return codes


@dataclass(frozen=True, eq=False)
class Deflate:
    """zlib at its best level without header and checksum, its window full of training symbols."""

    dictionary: bytes

    @classmethod
    def of(cls, training: np.ndarray) -> "Deflate":
        return cls(training.astype(np.int8).tobytes()[-DICTIONARY_BYTES:])

    def encode(self, symbols: np.ndarray) -> bytes:
        compress = zlib.compressobj(
            9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY, self.dictionary
        )
        return compress.compress(symbols.astype(np.int8).tobytes()) + compress.flush()

    def decode(self, coded: Sequence[bytes]) -> np.ndarray:
        return Raw().decode(
            [
                zlib.decompressobj(-zlib.MAX_WBITS, self.dictionary).decompress(data)
                for data in coded
            ]
        )


class Zstandard:
    """At its best level with a dictionary trained on training symbols, without magic number, size,
    checksum and id.
    """

    def __init__(self, zstandard: Any, training: np.ndarray) -> None:
        """`zstandard`: the module."""
        samples = [row.tobytes() for row in training.astype(np.int8)]
        dictionary = zstandard.train_dictionary(112_640, samples)
        parameters = zstandard.ZstdCompressionParameters.from_level(
            zstandard.MAX_COMPRESSION_LEVEL,
            format=zstandard.FORMAT_ZSTD1_MAGICLESS,
            write_content_size=0,
            write_checksum=0,
            write_dict_id=0,
        )
        self._compress = zstandard.ZstdCompressor(
            dict_data=dictionary, compression_params=parameters
        )
        self._decompress = zstandard.ZstdDecompressor(
            dict_data=dictionary, format=zstandard.FORMAT_ZSTD1_MAGICLESS
        )

    def encode(self, symbols: np.ndarray) -> bytes:
        return self._compress.compress(symbols.astype(np.int8).tobytes())

    def decode(self, coded: Sequence[bytes]) -> np.ndarray:
        return Raw().decode(
            [self._decompress.decompress(data, max_output_size=4096) for data in coded]
        )
