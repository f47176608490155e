"""Head: what tells classes apart by a bundle's symbols, learned in closed form from a few examples.

Kernel ridge regression on the classes (Saunders et al., ICML 1998) with a Gaussian kernel, from at
most MAX_CENTRES examples as centres c_j (subset of regressors). Rounded latents are not told apart
best by planes: a straight head loses two to five points to this one.

    x       symbols, each over its deviation; in units of the kernel's width
    d_j     |x − c_j|²
    scores  Σ_j exp(−d_j) a_j        a: the least squares to 1 for the class, 0 for others
    probabilities = softmax of the scores, times what makes them true
    strangeness = the least d_j      how far the nearest example is

Width, ridge and that factor are chosen by cross-validation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from host_decoder.teach.network_file import head_file
from link.bundle.calibration import softmax

WIDTHS = (0.5, 1.0)
"Squared, in parts of the mean squared distance of two examples."
RIDGES = (0.03, 0.1, 0.3, 1.0)
FACTORS = np.geomspace(1, 64, 19)
"What scores are taken times: a class's is about 1, others' about 0."
MAX_CENTRES, MAX_FOLDS = 1000, 4
MAX_TRIED = 1500
"Examples that are left out in turn; of more, the others are always learned from."
ROUNDING = 1.0
"""Added to every latent's deviation, for what rounding to whole numbers does (0.3) and more, so
that those that say little count little; chosen with sets of images left out in turn.
"""
JITTER = 1e-9
TINIEST = 1e-12
"A probability of 0 has no logarithm."
NORMAL_SHARE = 0.95
"Images like the examples: so many are to pass as one of the classes."


@dataclass(frozen=True, eq=False)
class Head:
    """x = symbols * scale + shift; scores = exp(−|x − centres|²) @ weights."""

    scale: np.ndarray
    "float64 (D,)"
    shift: np.ndarray
    "float64 (D,)"
    centres: np.ndarray
    "float64 (m, D)"
    weights: np.ndarray
    "float64 (m, C)"

    def __call__(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (N, C) and strangeness (N,) of symbols (N, D)."""
        distances = self.distances(symbols)
        return softmax(np.exp(-distances) @ self.weights), distances.min(1)

    def distances(self, symbols: np.ndarray) -> np.ndarray:
        """Squared ones of symbols (N, D) to every centre (N, m)."""
        return squared_distances(symbols * self.scale + self.shift, self.centres)

    def times(self, factor: float) -> "Head":
        """Surer of everything by that factor; the order of the classes stays."""
        return Head(self.scale, self.shift, self.centres, factor * self.weights)

    def to_onnx(self) -> bytes:
        return head_file(self.scale, self.shift, self.centres, self.weights)


def squared_distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N, D) and (m, D) → (N, m), never below 0."""
    lengths = (points**2).sum(1)[:, None] + (centres**2).sum(1)
    return np.maximum(lengths - 2 * points @ centres.T, 0)


def learned(
    symbols: np.ndarray, labels: np.ndarray, n_classes: int, width: float, rng: np.random.Generator
) -> Iterator[Head]:
    """A head for each of RIDGES from symbols (N, D) and labels (N,): classes count the same,
    however many examples they have.
    """
    deviation = symbols.std(0)
    scale = 1 / (deviation + ROUNDING)
    scale /= np.sqrt(2 * width * max(((deviation * scale) ** 2).sum(), TINIEST))
    shift = -symbols.mean(0) * scale
    points = symbols * scale + shift
    chosen = np.sort(rng.permutation(len(points))[:MAX_CENTRES])
    centres = points[chosen]
    kernel = np.exp(-squared_distances(points, centres))
    between = kernel[chosen]
    counts = np.bincount(labels, minlength=n_classes)
    weighed = kernel.T * (len(labels) / n_classes / counts[labels])
    gram, wanted = weighed @ kernel, weighed @ (np.eye(n_classes)[labels] - 1 / n_classes)
    gram[np.diag_indices_from(gram)] += JITTER * len(labels)
    for ridge in RIDGES:
        yield Head(scale, shift, centres, np.linalg.solve(gram + ridge * between, wanted))


@dataclass(frozen=True, eq=False)
class Taught:
    """A head, and what it was worth on examples that it did not learn from."""

    head: Head
    folds: tuple[Head, ...]
    "Heads that each left some examples out."
    tried: np.ndarray
    "int64 (T,): the examples that were left out once."
    fold_of: np.ndarray
    "int64 (T,): which of the heads left one out."
    probabilities: np.ndarray
    "float64 (T, C): what that one says of it."
    strangeness: np.ndarray
    "float64 (T,): how strange that one finds it."
    labels: np.ndarray
    "int64 (T,): what it is."
    threshold: float
    "A strangeness above it is none of the classes."

    @property
    def accuracy(self) -> float:
        """Share 0…1 of the tried examples that a head which did not know them gets right."""
        return float((self.probabilities.argmax(1) == self.labels).mean())

    @property
    def confusion(self) -> np.ndarray:
        """How many of each class (rows) are taken for each (columns), int64 (C, C)."""
        n_classes = self.probabilities.shape[1]
        pairs = self.labels * n_classes + self.probabilities.argmax(1)
        return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def teach(symbols: np.ndarray, labels: np.ndarray, n_classes: int, seed: int = 0) -> Taught:
    """From symbols (N, D) and labels (N,), at least two of each class."""
    symbols = symbols.astype(np.float64)
    n_folds = int(min(MAX_FOLDS, np.bincount(labels, minlength=n_classes).min()))
    fold_of = folds(labels, n_folds, seed)
    tried = fold_of >= 0
    shape = (len(WIDTHS), len(RIDGES))
    heads = np.empty((*shape, n_folds), object)
    said = np.empty((*shape, len(labels), n_classes))
    for fold in range(n_folds):
        kept, rows = fold_of != fold, fold_of == fold
        for at, width in enumerate(WIDTHS):
            rng = np.random.default_rng(seed)
            alike = list(learned(symbols[kept], labels[kept], n_classes, width, rng))
            kernel = np.exp(-alike[0].distances(symbols[rows]))
            for ridge, head in enumerate(alike):
                heads[at, ridge, fold] = head
                said[at, ridge, rows] = softmax(kernel @ head.weights)
    truth = labels[tried]
    best = (np.inf, 0, 0, 1.0)
    for at, ridge in np.ndindex(shape):
        logits = np.log(np.maximum(said[at, ridge, tried], TINIEST))
        for factor in FACTORS.tolist():
            likely = softmax(factor * logits)[np.arange(len(truth)), truth]
            loss = -float(np.log(np.maximum(likely, TINIEST)).mean())
            best = min(best, (loss, at, ridge, factor))
    _, at, ridge, factor = best
    chosen = tuple(head.times(factor) for head in heads[at, ridge])
    whole = list(learned(symbols, labels, n_classes, WIDTHS[at], np.random.default_rng(seed)))[
        ridge
    ].times(factor)
    probabilities = np.empty((len(labels), n_classes))
    strangeness = np.empty(len(labels))
    for fold, head in enumerate(chosen):
        rows = fold_of == fold
        probabilities[rows], strangeness[rows] = head(symbols[rows])
    probabilities, strangeness = probabilities[tried], strangeness[tried]
    threshold = float(np.quantile(strangeness, NORMAL_SHARE))
    places = np.flatnonzero(tried)
    return Taught(
        whole, chosen, places, fold_of[places], probabilities, strangeness, truth, threshold
    )


def folds(labels: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Each example's fold, int64 (N,), every class evenly in all of them; −1 of those beyond
    MAX_TRIED, which are never left out.
    """
    rng = np.random.default_rng(seed)
    fold_of = np.full(len(labels), -1)
    n_each = max(n_folds, MAX_TRIED // len(np.unique(labels)))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))[:n_each]
        fold_of[members] = np.arange(len(members)) % n_folds
    return fold_of
