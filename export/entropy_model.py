"""Entropy model: probability tables fitted to the int8 encoder's own symbols.

The static histogram of each latent is the baseline (the paper's). The latents of a classifier
depend on one another through the class, so a mixture over latent classes (each component a product
of per-latent tables) describes the same symbols in far fewer bits. It is fitted by expectation
maximisation with a Dirichlet prior around the global histogram, which keeps small components
honest. The bits that the *integer* tables spend on the validation split decide among the
candidates.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from host_training.training.mixture import SPAN, SymbolMixture
from link.coder import MAX_COMPONENTS, MAX_FREQUENCIES, Tables, mean_bits

MIN_IMAGES_PER_COMPONENT = 20
MAX_IMAGES = 60_000
"Images used to fit; mirrored ones may be added to them."

PRIOR_STRENGTH = 1.0
"Weight of the global histogram in every component's table, in images."
WEIGHT_PRIOR = 0.5
"Weight that every component has before the first image, in images."

MAX_ITERATIONS = 12
MIN_GAIN_BITS = 0.05
"EM ends when an iteration gains less, in bits per image."
LLOYD_ITERATIONS = 5
SYMBOL_LIMITS = (-128, 127)


@dataclass(frozen=True, eq=False)
class Alphabet:
    """Symbols that each latent can take: those of training and one more on each side, in int8."""

    minimum: np.ndarray
    "int64 (D,)"
    sizes: np.ndarray
    "int64 (D,), each at least 2."

    @classmethod
    def of(cls, symbols: np.ndarray) -> "Alphabet":
        """From symbols (N, D)."""
        low = np.maximum(symbols.min(0).astype(np.int64) - 1, SYMBOL_LIMITS[0])
        high = np.minimum(symbols.max(0).astype(np.int64) + 1, SYMBOL_LIMITS[1])
        return cls(low, high - low + 1)

    @property
    def starts(self) -> np.ndarray:
        """First column of each latent when all tables lie side by side."""
        return np.cumsum(self.sizes) - self.sizes

    def columns(self, symbols: np.ndarray) -> np.ndarray:
        """Symbols (N, D), clamped, as columns int64 (N, D) of the tables side by side."""
        return np.clip(symbols.astype(np.int64) - self.minimum, 0, self.sizes - 1) + self.starts

    def one_hot(self, symbols: np.ndarray) -> sparse.csr_matrix:
        """Symbols (N, D) as a matrix (N, Σ sizes) with D ones per row: sums over it are matrix
        products.
        """
        columns = self.columns(symbols)
        n, d = columns.shape
        rows = np.arange(0, n * d + 1, d)
        return sparse.csr_matrix(
            (np.ones(n * d, np.float32), columns.ravel(), rows), (n, int(self.sizes.sum()))
        )


@dataclass(frozen=True, eq=False)
class Mixture:
    """Product tables of K latent classes, in floats."""

    alphabet: Alphabet
    tables: np.ndarray
    "float64 (Σ sizes, K); each latent's block of each column sums to 1."
    prior: np.ndarray
    "float64 (K,)"
    log_posterior: tuple[float, ...] = ()
    "What EM never decreases, after each iteration: log2 of likelihood times prior, per image."

    @classmethod
    def learned(
        cls, mixture: SymbolMixture, order: Sequence[int], symbols: np.ndarray
    ) -> "Mixture":
        """What was learned with the encoder, for latents in that order; symbols (N, D) say which
        there are.
        """
        alphabet = Alphabet.of(symbols)
        with torch.no_grad():
            tables = mixture.log_tables[list(order)].exp().double().numpy()
            prior = mixture.weights.softmax(0).double().numpy()
            first = mixture.minimum[list(order)].numpy().astype(np.int64)
        columns = [
            np.clip(np.arange(low, low + size) - start, 0, SPAN - 1)
            for low, size, start in zip(alphabet.minimum, alphabet.sizes, first, strict=True)
        ]
        rows = [table[chosen] for table, chosen in zip(tables, columns, strict=True)]
        return cls(alphabet, _normalised(alphabet, np.concatenate(rows)), prior)

    def quantised(self) -> Tables:
        """The integer tables that node and host share."""
        blocks = np.split(self.tables, self.alphabet.starts[1:])
        return Tables.from_probabilities(
            self.alphabet.minimum, [block.T for block in blocks], self.prior
        )


def static_histogram(symbols: np.ndarray) -> Mixture:
    """One component: each latent's histogram over symbols (N, D); one never seen counts half."""
    alphabet = Alphabet.of(symbols)
    counts = np.bincount(alphabet.columns(symbols).ravel(), minlength=int(alphabet.sizes.sum()))
    return Mixture(alphabet, _normalised(alphabet, np.maximum(counts, 0.5)[:, None]), np.ones(1))


def fit_mixture(
    symbols: np.ndarray,
    labels: np.ndarray,
    n_components: int,
    seed: int = 0,
    start: Mixture | None = None,
) -> Mixture:
    """Mixture by EM on symbols (N, D); labels (N,) only say where to start, if not at `start`."""
    background = static_histogram(symbols)
    alphabet, global_table = background.alphabet, background.tables
    one_hot = alphabet.one_hot(symbols)
    if start is None:
        membership = clusters(symbols, labels, n_components, seed)
    else:
        n_components = len(start.prior)
        membership = _joint(start.alphabet.one_hot(symbols), start.tables, start.prior)
        _to_membership(membership)
    log_posterior: list[float] = []
    for _ in range(MAX_ITERATIONS):
        mass = membership.sum(0, dtype=np.float64)
        counts = np.asarray(one_hot.T @ membership, np.float64)
        tables = (counts + PRIOR_STRENGTH * global_table) / (mass + PRIOR_STRENGTH)
        prior = (mass + WEIGHT_PRIOR) / (len(symbols) + n_components * WEIGHT_PRIOR)
        joint = _joint(one_hot, tables, prior)
        likelihood = _to_membership(joint)
        membership = joint
        penalty = (
            PRIOR_STRENGTH * float((global_table * np.log(tables)).sum())
            + WEIGHT_PRIOR * np.log(prior).sum()
        )
        log_posterior.append((likelihood + penalty) / len(symbols) / math.log(2))
        if len(log_posterior) > 1 and log_posterior[-1] - log_posterior[-2] < MIN_GAIN_BITS:
            break
    return Mixture(alphabet, tables, prior, tuple(log_posterior))


def _joint(one_hot: sparse.csr_matrix, tables: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """log p(symbols, component), float32 (N, K)."""
    return one_hot @ np.log(tables).astype(np.float32) + np.log(prior).astype(np.float32)


def _to_membership(joint: np.ndarray) -> float:
    """Turn log p(symbols, component) (N, K) into the components' posteriors, in place; returns Σ
    log p(symbols).
    """
    largest = joint.max(1, keepdims=True)
    joint -= largest
    np.exp(joint, out=joint)
    total = joint.sum(1, keepdims=True)
    joint /= total
    return float(largest.sum(dtype=np.float64) + np.log(total.astype(np.float64)).sum())


def _normalised(alphabet: Alphabet, counts: np.ndarray) -> np.ndarray:
    """Counts (Σ sizes, K) to probabilities, latent by latent."""
    totals = np.add.reduceat(counts, alphabet.starts, axis=0)
    return counts / np.repeat(totals, alphabet.sizes, axis=0)


def clusters(symbols: np.ndarray, labels: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Where EM starts: k-means within each class, or over all images when there are more classes
    than clusters.

    Returns the memberships, float32 one-hot (N, K).
    """
    membership = np.zeros((len(symbols), n_clusters), np.float32)
    classes = np.unique(labels)
    groups = (
        [labels == label for label in classes]
        if n_clusters >= len(classes)
        else [np.ones(len(labels), bool)]
    )
    bounds = [n_clusters * i // len(groups) for i in range(len(groups) + 1)]
    rng = np.random.default_rng(seed)
    for group, first, last in zip(groups, bounds, bounds[1:], strict=False):
        members = np.flatnonzero(group)
        membership[
            members, first + nearest_centre(symbols[members].astype(np.float32), last - first, rng)
        ] = 1
    return membership


def nearest_centre(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k-means by Lloyd's iterations from random points; float32 (N, D) → centre's index (N,)."""
    centres = points[rng.permutation(len(points))[:k]]
    for iteration in range(LLOYD_ITERATIONS + 1):
        nearest = ((centres**2).sum(1) - 2 * points @ centres.T).argmin(1)
        if iteration < LLOYD_ITERATIONS:
            sizes = np.bincount(nearest, minlength=len(centres))
            assignment = sparse.csr_matrix(
                (np.ones(len(points), np.float32), (nearest, np.arange(len(points))))
            )
            filled = np.flatnonzero(sizes)
            centres[filled] = (assignment @ points)[filled] / sizes[filled, None]
    return nearest


@dataclass(frozen=True, eq=False)
class Candidate:
    """One fitted table set and what it costs."""

    n_components: int
    mirrored: bool
    "Whether the training images' mirror images helped to fit it."
    tables: Tables
    validation_bits: float
    "Mean over the validation split."
    is_learned: bool = False
    "Whether training learned it with the encoder."

    def describe(self) -> str:
        name = (
            "static histogram" if self.n_components == 1 else f"{self.n_components} latent classes"
        )
        told = (
            ", learned with the encoder" * self.is_learned + ", mirror images too" * self.mirrored
        )
        return f"{name}{told}: {self.validation_bits:.2f} bits per validation image"

    def to_dict(self) -> dict[str, Any]:
        return {
            "components": self.n_components,
            "mirrored": self.mirrored,
            "validation_bits": self.validation_bits,
            **({"learned": True} if self.is_learned else {}),
        }


@dataclass(frozen=True, eq=False)
class FittedTables:
    """All candidates, the static histogram first."""

    candidates: tuple[Candidate, ...]

    @property
    def static(self) -> Candidate:
        return self.candidates[0]

    @property
    def chosen(self) -> Candidate:
        """The fewest bits on the validation split."""
        return min(self.candidates, key=lambda candidate: candidate.validation_bits)

    @property
    def best_mixture(self) -> Candidate:
        """The best with several components; the static histogram where the data carry none."""
        mixtures = self.candidates[1:] or self.candidates
        return min(mixtures, key=lambda candidate: candidate.validation_bits)


def fit_candidates(
    symbols: np.ndarray,
    labels: np.ndarray,
    mirrored: np.ndarray | None,
    validation: np.ndarray,
    components: Sequence[int],
    learned: Callable[[np.ndarray], Mixture] | None = None,
) -> Iterator[Candidate]:
    """The static histogram, then a mixture of each size that the data can carry, then the best
    again with `mirrored`.

    Symbols (N, D), labels (N,) and mirrored symbols (N, D) are the training split's. What training
    learned, for these symbols, is taken as it is, and once more as where EM starts.
    """

    def candidate(mixture: Mixture, is_mirrored: bool, is_learned: bool = False) -> Candidate:
        tables = mixture.quantised()
        bits = mean_bits(validation, tables)
        return Candidate(tables.n_components, is_mirrored, tables, bits, is_learned)

    best = candidate(static_histogram(symbols), False)
    yield best
    if len(symbols) > MAX_IMAGES:
        chosen = np.sort(np.random.default_rng(0).choice(len(symbols), MAX_IMAGES, replace=False))
        symbols, labels = symbols[chosen], labels[chosen]
        mirrored = None if mirrored is None else mirrored[chosen]
    width = int(Alphabet.of(symbols).sizes.sum())
    limit = min(len(symbols) // MIN_IMAGES_PER_COMPONENT, MAX_COMPONENTS, MAX_FREQUENCIES // width)
    for n_components in sorted({k for k in components if 1 < k <= limit}):
        following = candidate(fit_mixture(symbols, labels, n_components), False)
        yield following
        best = min(best, following, key=lambda c: c.validation_bits)
    if learned is not None:
        known = learned(symbols)
        yield candidate(known, False, is_learned=True)
        yield candidate(fit_mixture(symbols, labels, 0, start=known), False, is_learned=True)
    if mirrored is not None and best.n_components > 1:
        both = np.concatenate([symbols, mirrored])
        yield candidate(
            fit_mixture(both, np.concatenate([labels, labels]), best.n_components), True
        )
