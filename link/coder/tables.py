"""Probability tables: integers that both ends hold, so that no float and no network decides a
probability.

A table set is a mixture over K latent classes. Each component gives every latent its own table; the
weights of the components start at `prior` and follow the symbols already coded, so one latent tells
about the next. The static histogram per latent is the mixture with K = 1. All arithmetic that
reaches the coder is exact in int64: cumulative counts are at most 2**16, weights below 2**24 and
components at most 2**10, so no sum passes 2**50.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from link.coder.range_coder import TOTAL_BITS

TOTAL = 1 << TOTAL_BITS

WEIGHT_BITS = 24
"Bit length of the largest weight; a component may fall behind by 2**24 and still come back."

MAX_LATENTS, MAX_COMPONENTS, MAX_ALPHABET = 4096, 1024, 256
MAX_FREQUENCIES = 1 << 24
"Components times symbols over all latents: what a damaged or hostile file may make us allocate."

STORED = {
    "symbol_min": ("<i2", 1),
    "alphabet": ("<u2", 1),
    "frequencies": ("<u2", 2),
    "prior": ("<u4", 1),
}
"Arrays of tables.npz: type and number of dimensions."
OWNER, OWNER_KIND = "owner", ("<i2", 1)
"Another one, which only a team's has."
MAX_BYTES, MAX_BYTES_KIND = "max_bytes", ("<u2", 1)
"And another, one number, where bitstreams are cut."


@dataclass(frozen=True, eq=False)
class Tables:
    """Latent d takes symbols symbol_min[d] .. symbol_min[d] + n_d - 1; the sender clamps."""

    symbol_min: np.ndarray
    "int16 (D,)"
    counts: np.ndarray
    """int64 (Σ (n_d + 1), K), latent after latent: counts below each symbol, from 0 to 2**16, every
    step at least 1.
    """
    alphabet: np.ndarray
    "int64 (D,): number of symbols n_d of each latent."
    prior: np.ndarray
    """int64 (K,): weights before the first symbol, the largest of bit length WEIGHT_BITS, each at
    least 1.
    """
    owner: tuple[int, ...] | None = None
    """By symbol, the flag, an earlier symbol, that must be 1 or it is not sent and counts as 0; -1:
    it is always sent. None: all are.
    """
    max_bytes: int | None = None
    """The sender cuts a longer bitstream after so many bytes: the last, least useful symbols are
    then not known.
    """

    def __post_init__(self) -> None:
        _require(
            self.max_bytes is None or self.max_bytes >= 1,
            f"bitstreams are cut after {self.max_bytes} bytes; at least 1 must be left",
        )
        if self.owner is not None:
            self._check_owner(self.owner)

    def _check_owner(self, owner: tuple[int, ...]) -> None:
        _require(
            len(owner) == self.n_latents,
            f"{len(owner)} symbols have an owner, the tables are for {self.n_latents}",
        )
        for d, flag in enumerate(owner):
            if flag == -1:
                continue
            _require(0 <= flag < d and owner[flag] == -1, f"symbol {d} cannot hang on {flag}")
            is_flag = self.symbol_min[flag] == 0 and len(self.cumulative[flag]) == 3
            _require(bool(is_flag), f"symbol {flag} is no flag: it takes other values than 0 and 1")

    def is_sent(self, d: int, symbols: np.ndarray) -> bool:
        """Whether symbol d follows earlier ones, `symbols` (≥ d,)."""
        flag = -1 if self.owner is None else self.owner[d]
        return flag < 0 or symbols[flag] != 0

    def is_whole(self, bitstream: bytes) -> bool:
        """Whether a bitstream of which all has come holds all symbols: not where it may be cut."""
        return self.max_bytes is None or len(bitstream) < self.max_bytes

    @property
    def n_latents(self) -> int:
        return len(self.alphabet)

    @property
    def n_components(self) -> int:
        return len(self.prior)

    @cached_property
    def first_rows(self) -> np.ndarray:
        """Where in counts each latent begins, int64 (D,)."""
        return np.cumsum(self.alphabet + 1) - self.alphabet - 1

    @cached_property
    def cumulative(self) -> tuple[np.ndarray, ...]:
        """The counts of each latent, int64 (n_d + 1, K)."""
        return tuple(np.split(self.counts, self.first_rows[1:]))

    @cached_property
    def packed_counts(self) -> np.ndarray:
        """The counts as `native` reads them, uint32 (Σ (n_d + 1), K), row after row."""
        return np.ascontiguousarray(self.counts, np.uint32)

    @cached_property
    def packed_prior(self) -> np.ndarray:
        """The prior in the same way, uint32 (K,)."""
        return np.ascontiguousarray(self.prior, np.uint32)

    def indices(self, symbols: np.ndarray) -> np.ndarray:
        """Symbols (D,) as table indices, int64 (D,), each clamped to its latent's range."""
        if np.shape(symbols) != (self.n_latents,):
            raise ValueError(
                f"symbols have shape {np.shape(symbols)}, the tables are for ({self.n_latents},)"
            )
        return np.clip(np.asarray(symbols, np.int64) - self.symbol_min, 0, self.alphabet - 1)

    def mixed(self, d: int, weights: np.ndarray) -> np.ndarray:
        """Cumulative counts of latent d under the weights, int64 (n_d + 1,), 0 to 2**16 with steps
        >= 1.

        Every component steps by at least 1, so the weighted sum steps by at least weights.sum() and
        its quotient by at least 1; the first row is 0 and the last 2**16 in every component, so
        also in the mean.
        """
        return (self.cumulative[d] @ weights) // weights.sum()

    def reweigh(self, d: int, weights: np.ndarray, index: int) -> np.ndarray:
        """Weights (K,) after latent d was `index`: Bayes' rule, scaled to WEIGHT_BITS, no component
        below 1.

        The largest weight is at least 2**23 and a frequency at least 1, so the shift is never
        negative.
        """
        low, high = self.cumulative[d][index : index + 2]
        weights = weights * (high - low)
        return np.maximum(weights >> int(weights.max()).bit_length() - WEIGHT_BITS, 1)

    def expected(self, d: int, weights: np.ndarray) -> float:
        """Posterior mean of latent d: the host's guess for a symbol that has not arrived."""
        frequencies = np.diff(self.mixed(d, weights))
        return float(self.symbol_min[d]) + float(frequencies @ np.arange(len(frequencies))) / TOTAL

    @classmethod
    def from_frequencies(
        cls,
        symbol_min: Sequence[int] | np.ndarray,
        frequencies: Iterable[np.ndarray],
        prior: np.ndarray,
        owner: Sequence[int] | None = None,
    ) -> "Tables":
        """From integer frequencies, per latent (K, n_d), rows of 2**16, and prior weights (K,)."""
        prior = np.asarray(prior, np.int64)
        cumulative = []
        for d, rows in enumerate(np.asarray(rows, np.int64) for rows in frequencies):
            _check_rows(d, rows, len(prior))
            cumulative.append(np.cumsum(np.pad(rows.T, ((1, 0), (0, 0))), axis=0))
        _require(
            1 <= len(prior) <= MAX_COMPONENTS,
            f"{len(prior)} components, between 1 and {MAX_COMPONENTS} are allowed",
        )
        _require(prior.min() >= 1, f"prior holds {prior.min()}, every weight must be at least 1")
        _require(
            int(prior.max()).bit_length() == WEIGHT_BITS,
            f"largest prior weight is {prior.max()}, its bit length must be {WEIGHT_BITS}",
        )
        minima = np.asarray(symbol_min, np.int16)
        _require(
            1 <= len(minima) == len(cumulative) <= MAX_LATENTS,
            (
                f"{len(minima)} symbol minima for {len(cumulative)} latents, 1 to {MAX_LATENTS} "
                "are allowed"
            ),
        )
        return cls.from_cumulative(
            minima, cumulative, prior, None if owner is None else tuple(owner)
        )

    @classmethod
    def from_cumulative(
        cls,
        symbol_min: np.ndarray,
        cumulative: Sequence[np.ndarray],
        prior: np.ndarray,
        owner: tuple[int, ...] | None = None,
    ) -> "Tables":
        """From counts that were checked before, per latent (n_d + 1, K)."""
        counts = np.ascontiguousarray(np.concatenate(cumulative))
        counts.setflags(write=False)
        alphabet = np.array([len(rows) - 1 for rows in cumulative])
        return cls(symbol_min, counts, alphabet, prior, owner)

    @classmethod
    def from_probabilities(
        cls,
        symbol_min: Sequence[int] | np.ndarray,
        probabilities: Iterable[np.ndarray],
        prior: np.ndarray,
    ) -> "Tables":
        """From probabilities or counts, per latent (K, n_d) or, K = 1, (n_d,), and a prior (K,)."""
        weights = np.asarray(prior, np.float64)
        weights = np.maximum(np.rint(weights / weights.max() * ((1 << WEIGHT_BITS) - 1)), 1)
        return cls.from_frequencies(
            symbol_min, [quantise(np.atleast_2d(rows)) for rows in probabilities], weights
        )

    @classmethod
    def from_counts(
        cls, symbol_min: Sequence[int] | np.ndarray, counts: Iterable[np.ndarray]
    ) -> "Tables":
        """The static histogram, one component: per latent the counts (n_d,) of its symbols."""
        return cls.from_probabilities(symbol_min, counts, np.ones(1))

    def to_npz(self, path: Path | str) -> None:
        """Write the tables; the same tables give the same bytes on any machine (nothing is
        compressed).
        """
        arrays = {
            "symbol_min": self.symbol_min,
            "alphabet": self.alphabet,
            "frequencies": np.concatenate(
                [np.diff(counts, axis=0).T for counts in self.cumulative], axis=1
            ),
            "prior": self.prior,
        }
        kinds = dict(STORED)
        if self.owner is not None:
            arrays[OWNER], kinds[OWNER] = np.array(self.owner), OWNER_KIND
        if self.max_bytes is not None:
            arrays[MAX_BYTES], kinds[MAX_BYTES] = np.array([self.max_bytes]), MAX_BYTES_KIND
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, (dtype, _) in kinds.items():
                member = io.BytesIO()
                np.lib.format.write_array(
                    member, np.ascontiguousarray(arrays[name], dtype), version=(1, 0)
                )
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())

    @classmethod
    def from_npz(cls, path: Path | str) -> "Tables":
        """Read what to_npz wrote; a damaged file is a ValueError naming it. Nothing in it is
        unpickled.
        """
        try:
            # a file would be asked for as much as the archive claims
            content = io.BytesIO(Path(path).read_bytes())
            with zipfile.ZipFile(content) as archive:
                stored = {name: read_member(archive, name, *kind) for name, kind in STORED.items()}
                owner = max_bytes = None
                if f"{OWNER}.npy" in archive.namelist():
                    owner = read_member(archive, OWNER, *OWNER_KIND).tolist()
                if f"{MAX_BYTES}.npy" in archive.namelist():
                    [max_bytes] = read_member(archive, MAX_BYTES, *MAX_BYTES_KIND).tolist()
            alphabet = stored["alphabet"].astype(np.int64)
            _require(
                1 <= len(alphabet) <= MAX_LATENTS
                and alphabet.min() >= 2
                and alphabet.max() <= MAX_ALPHABET,
                f"alphabet sizes must be 2 to {MAX_ALPHABET} for 1 to {MAX_LATENTS} latents",
            )
            rows = stored["frequencies"]
            expected_shape = (len(stored["prior"]), int(alphabet.sum()))
            _require(
                rows.shape == expected_shape,
                f"frequencies are {rows.shape}, alphabet and prior ask for {expected_shape}",
            )
            columns = np.split(rows, np.cumsum(alphabet)[:-1], axis=1)
            made = cls.from_frequencies(stored["symbol_min"], columns, stored["prior"], owner)
            return replace(made, max_bytes=max_bytes)
        except FileNotFoundError:
            raise
        except Exception as error:  # zipfile and NumPy raise whatever their parts do
            raise ValueError(
                f"{path} is damaged: {error}; export the bundle again or copy it anew"
            ) from None


def quantise(probabilities: np.ndarray) -> np.ndarray:
    """Rows of probabilities or counts (K, n) to integers >= 1 that sum to 2**16.

    Every symbol gets 1, the rest goes by largest remainder, ties to the lower symbol.
    """
    probabilities = np.asarray(probabilities, np.float64)
    _require(
        bool(np.isfinite(probabilities).all() and (probabilities >= 0).all()),
        "a probability is negative or not finite",
    )
    _require(bool((probabilities.sum(axis=1) > 0).all()), "a table has no probability at all")
    n_symbols = probabilities.shape[1]
    share = probabilities / probabilities.sum(axis=1, keepdims=True) * (TOTAL - n_symbols)
    frequencies = np.floor(share).astype(np.int64)
    by_remainder = np.argsort(-(share - frequencies), axis=1, kind="stable")
    left_over = TOTAL - n_symbols - frequencies.sum(axis=1)
    for row, order, n_left in zip(frequencies, by_remainder, left_over, strict=True):
        row[order[:n_left]] += 1
    return frequencies + 1


def _check_rows(d: int, rows: np.ndarray, n_components: int) -> None:
    _require(
        rows.ndim == 2 and len(rows) == n_components,
        (
            f"frequencies of latent {d} have shape {rows.shape}, the prior has {n_components} "
            "components"
        ),
    )
    _require(
        2 <= rows.shape[1] <= MAX_ALPHABET,
        f"latent {d} has {rows.shape[1]} symbols, between 2 and {MAX_ALPHABET} are allowed",
    )
    _require(
        rows.min() >= 1, f"latent {d} has a frequency of {rows.min()}, every one must be at least 1"
    )
    _require(
        bool((rows.sum(axis=1) == TOTAL).all()),
        f"frequencies of latent {d} sum to {rows.sum(axis=1).tolist()[:3]}, not to {TOTAL}",
    )


def read_member(archive: zipfile.ZipFile, name: str, dtype: str, n_dimensions: int) -> np.ndarray:
    """One .npy member, its size bounded before anything is allocated, type and shape checked."""
    entry = archive.getinfo(f"{name}.npy")
    _require(
        entry.file_size <= 2 * MAX_FREQUENCIES + 4096, f"{name} claims {entry.file_size} bytes"
    )
    _require(
        entry.compress_type == zipfile.ZIP_STORED,
        f"{name} is compressed, which takes any amount of memory",
    )
    member = io.BytesIO(archive.read(entry))
    _require(np.lib.format.read_magic(member) == (1, 0), f"{name} is not a version 1 array")
    shape, fortran_order, stored_dtype = np.lib.format.read_array_header_1_0(member)
    _require(
        stored_dtype == np.dtype(dtype) and not fortran_order and len(shape) == n_dimensions,
        (
            f"{name} is {stored_dtype} {shape}, expected {np.dtype(dtype)} with {n_dimensions} "
            "dimension(s)"
        ),
    )
    content = member.read()
    return np.frombuffer(content, dtype).reshape(shape)


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)
