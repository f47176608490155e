"""Examination: what a bundle says of each photo of the test split, through int8 encoder, coder and
decoder, and of photos that are kept aside.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from math import sqrt

import numpy as np

from export.measure import through_coder
from export.partition.chain import encoder_of
from export.photo_report.features import as_it_came, backbone_of
from export.photo_report.learning_curve import Point, learning_curve
from host_decoder.decode.classifier import Classifier
from host_training.data.dataset import DataSet
from host_training.training.class_accuracy import ClassAccuracies
from link.bundle import Bundle

Z = 1.96
"Standard deviations of a 95 % interval."


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    n_right: int
    n: int

    @property
    def value(self) -> float:
        return self.n_right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of a binomial share (Wilson, 1927)."""
        centre = (self.value + Z * Z / (2 * self.n)) / (1 + Z * Z / self.n)
        spread = self.value * (1 - self.value) / self.n + Z * Z / (4 * self.n * self.n)
        half = Z * sqrt(spread) / (1 + Z * Z / self.n)
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, eq=False)
class Examination:
    """A bundle and its photos."""

    data: DataSet
    probabilities: np.ndarray
    "Calibrated, (N, K), of the test split."
    n_bytes: np.ndarray
    "Bytes of each test photo's bitstream, int64 (N,)."
    siblings: Share | None
    "Right of the photos kept aside, whose series are trained on."
    curve: tuple[Point, ...]
    curve_is_unseen: bool = False
    "The curve is of a network that has seen none of the photos, not of the encoder."

    @cached_property
    def said(self) -> np.ndarray:
        return self.probabilities.argmax(1)

    @property
    def accuracy(self) -> Share:
        return Share(int((self.said == self.data.test.labels).sum()), len(self.data.test))

    @property
    def gap_points(self) -> float:
        """By so much photos of new series are harder than photos of known ones; 0 where it may be
        chance, or nobody knows.
        """
        if self.siblings is None or self.siblings.interval[0] <= self.accuracy.value:
            return 0.0
        return 100 * (self.siblings.value - self.accuracy.value)

    @cached_property
    def by_class(self) -> ClassAccuracies:
        return ClassAccuracies.of(self.data.classes, self.data.test.labels, self.said)

    @cached_property
    def confusion(self) -> np.ndarray:
        """Test photos by true class and by what was said, int64 (K, K)."""
        n_classes = len(self.data.classes)
        pairs = self.data.test.labels * n_classes + self.said
        return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)

    @property
    def n_trained(self) -> np.ndarray:
        """Photos of each class that were learned from, int64 (K,)."""
        return np.bincount(self.data.train.labels, minlength=len(self.data.classes))

    def pairs(self) -> list[tuple[int, int, int]]:
        """(true class, said class, photos) of what is confused, the commonest first."""
        off = self.confusion * (1 - np.eye(len(self.data.classes), dtype=np.int64))
        found = [(int(true), int(said), int(off[true, said])) for true, said in np.argwhere(off)]
        return sorted(found, key=lambda pair: -pair[2])

    def worst(self, n: int) -> list[int]:
        """The wrong photos, the surest first."""
        labels = self.data.test.labels
        wrong = np.flatnonzero(self.said != labels)
        surest = np.argsort(-self.probabilities.max(1)[wrong], kind="stable")
        return wrong[surest][:n].tolist()


def examine(bundle: Bundle, data: DataSet, n_threads: int = 1) -> Examination:
    encode, classify = encoder_of(bundle, n_threads), Classifier.of(bundle)

    def answers(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated probabilities (N, K) and bytes (N,)."""
        coded = through_coder(encode(images), bundle.tables)
        said = classify(coded.symbols)
        known = np.full(len(said), bundle.n_latents)
        fitted = bundle.calibration
        return said if fitted is None else fitted.apply(said, known), coded.n_bytes

    probabilities, n_bytes = answers(data.test.images)
    siblings = None
    if data.siblings is not None:
        said = answers(data.siblings.images)[0].argmax(1)
        siblings = Share(int((said == data.siblings.labels).sum()), len(said))
    backbone = backbone_of(bundle)
    look = encode if backbone is None else partial(as_it_came, backbone)
    train, test = (look(split.images).astype(np.float32) for split in (data.train, data.test))
    curve = learning_curve(train, test, data.train.labels, data.test.labels)
    return Examination(data, probabilities, n_bytes, siblings, curve, backbone is not None)
