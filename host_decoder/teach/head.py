"""Head: what tells classes apart by a bundle's symbols, learned in closed form from a few examples.

Linear discriminant analysis (Fisher, 1936) with a covariance that is shrunk towards a sphere
(Friedman, JASA 84, 1989): every class is a Gaussian around its mean, all of one covariance
S = (1 − γ) W + γ tr(W) / D · I, where W is what the examples vary within their classes.

    z = L (x − mean), Lᵀ L = S⁻¹ / τ        distances in z are those that count
    score of class k = z · m_k − |m_k|² / 2
    probabilities = softmax of the scores
    strangeness = distance² to the nearest class mean = |z|² − 2 · the largest score

Which γ, and the temperature τ that makes probabilities true, is chosen by cross-validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from host_decoder.teach.network_file import head_file
from link.bundle.calibration import softmax

SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 0.6)
TEMPERATURES = tuple(np.geomspace(0.25, 64, 33).tolist())
MAX_FOLDS = 5
TINIEST = 1e-12
"A probability of 0 has no logarithm."
NORMAL_SHARE = 0.95
"Of images like the examples so many are to pass as one of the classes."


@dataclass(frozen=True, eq=False)
class Head:
    """z = x @ analysis + shift, scores = z @ weights + bias."""

    analysis: np.ndarray
    "float64 (D, r)"
    shift: np.ndarray
    "float64 (r,)"
    weights: np.ndarray
    "float64 (r, C)"
    bias: np.ndarray
    "float64 (C,)"

    def __call__(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (N, C) and strangeness (N,) of symbols (N, D)."""
        z = symbols @ self.analysis + self.shift
        scores = z @ self.weights + self.bias
        return softmax(scores), (z**2).sum(1) - 2 * scores.max(1)

    def cooled(self, temperature: float) -> "Head":
        """Scores and strangeness divided by it; the order of the classes stays."""
        by = temperature**-0.5
        return Head(self.analysis * by, self.shift * by, self.weights * by, self.bias / temperature)

    def to_onnx(self) -> bytes:
        return head_file(self.analysis, self.shift, self.weights, self.bias)


class Spread:
    """Class means of examples, and how these vary within their classes: what a head of any
    shrinkage is made of.
    """

    def __init__(self, symbols: np.ndarray, labels: np.ndarray, n_classes: int) -> None:
        """Symbols (N, D), labels (N,), every class among them."""
        members = np.eye(n_classes)[labels]
        sums = members.T @ symbols
        self.means = sums / members.sum(0)[:, None]
        self.centre = self.means.mean(0)
        within = symbols - self.means[labels]
        covariance = within.T @ within / max(len(symbols) - n_classes, 1)
        self.variances, self.axes = np.linalg.eigh(covariance)
        self.mean_variance = max(float(self.variances.mean()), TINIEST)

    def head(self, shrinkage: float) -> Head:
        shrunk = (1 - shrinkage) * np.maximum(self.variances, 0) + shrinkage * self.mean_variance
        analysis = self.axes / np.sqrt(shrunk)
        weights = ((self.means - self.centre) @ analysis).T
        return Head(analysis, -self.centre @ analysis, weights, -(weights**2).sum(0) / 2)


@dataclass(frozen=True, eq=False)
class Taught:
    """A head, and what it was worth on examples that it did not learn from."""

    head: Head
    shrinkage: float
    folds: tuple[Head, ...]
    "Heads that each left some examples out."
    fold_of: np.ndarray
    "int64 (N,): which of them left an example out."
    probabilities: np.ndarray
    "float64 (N, C): what that one says of it."
    strangeness: np.ndarray
    "float64 (N,): how strange that one finds it."
    threshold: float
    "A strangeness above it is none of the classes."

    def accuracy(self, labels: np.ndarray) -> float:
        """Share 0…1 of the examples that a head which did not know them gets right."""
        return float((self.probabilities.argmax(1) == labels).mean())

    def confusion(self, labels: np.ndarray) -> np.ndarray:
        """How many of each class (rows) are taken for each (columns), int64 (C, C)."""
        n_classes = self.probabilities.shape[1]
        taken_for = self.probabilities.argmax(1)
        counts = np.bincount(labels * n_classes + taken_for, minlength=n_classes**2)
        return counts.reshape(n_classes, n_classes)


def teach(symbols: np.ndarray, labels: np.ndarray, n_classes: int, seed: int = 0) -> Taught:
    """From symbols (N, D) and labels (N,), at least two of each class."""
    symbols = symbols.astype(np.float64)
    n_folds = int(min(MAX_FOLDS, np.bincount(labels, minlength=n_classes).min()))
    fold_of = folds(labels, n_folds, seed)
    spreads = [
        Spread(symbols[fold_of != fold], labels[fold_of != fold], n_classes)
        for fold in range(n_folds)
    ]

    def left_out(heads: Sequence[Head]) -> tuple[np.ndarray, np.ndarray]:
        probabilities = np.empty((len(labels), n_classes))
        strangeness = np.empty(len(labels))
        for fold, head in enumerate(heads):
            rows = fold_of == fold
            probabilities[rows], strangeness[rows] = head(symbols[rows])
        return probabilities, strangeness

    best: tuple[float, float, float] | None = None
    for shrinkage in SHRINKAGES:
        said, _ = left_out([spread.head(shrinkage) for spread in spreads])
        logits = np.log(np.maximum(said, TINIEST))
        for temperature in TEMPERATURES:
            cooled = softmax(logits / temperature)[np.arange(len(labels)), labels]
            loss = -float(np.log(np.maximum(cooled, TINIEST)).mean())
            if best is None or loss < best[0]:
                best = loss, shrinkage, temperature
    assert best is not None
    _, shrinkage, temperature = best
    heads = tuple(spread.head(shrinkage).cooled(temperature) for spread in spreads)
    probabilities, strangeness = left_out(heads)
    whole = Spread(symbols, labels, n_classes).head(shrinkage).cooled(temperature)
    threshold = float(np.quantile(strangeness, NORMAL_SHARE))
    return Taught(whole, shrinkage, heads, fold_of, probabilities, strangeness, threshold)


def folds(labels: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Each example's fold, int64 (N,): every class lies evenly in all of them."""
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        fold_of[members] = np.arange(len(members)) % n_folds
    return fold_of
