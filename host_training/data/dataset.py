"""Labelled images in three splits; shapes and classes of everything downstream come from here.

Validation images are taken from the training split, stratified and always the same: checkpoints and
tables are chosen on them, never on the test split.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

SPLIT_SEED = 0


class DataSetError(Exception):
    """The data set is not there or can not be used; the message says what to do."""


@dataclass(frozen=True)
class Split:
    """images uint8 (N, H, W, C), labels int64 (N,), and superclasses where there are any."""

    images: np.ndarray
    labels: np.ndarray
    coarse_labels: np.ndarray | None = None
    names: np.ndarray | None = None
    "The images' files, below their folder, texts (N,), where they are files."

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: np.ndarray) -> "Split":
        coarse = None if self.coarse_labels is None else self.coarse_labels[indices]
        names = None if self.names is None else self.names[indices]
        return Split(self.images[indices], self.labels[indices], coarse, names)


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image without changing its class."""

    crop_pad: int = 0
    "Random crops out of the image padded by so many pixels."
    flip: bool = False
    "Mirroring left to right."
    rotation_degrees: float = 0.0
    zoom: float = 0.0
    "Random scale within 1 ± zoom."
    crop: float = 1.0
    "Random crops of at least this share of the side, enlarged to the whole; 1: the whole."
    cutout: int = 0
    """Side of a square of black pixels somewhere on the image (DeVries and Taylor,
    arXiv:1708.04552).
    """


@dataclass(frozen=True)
class DataSet:
    """One data set, ready to train on."""

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    augmentation: Augmentation
    coarse_classes: tuple[str, ...] = ()
    "Names of the superclasses, where there are any."
    siblings: Split | None = None
    """Photos that nothing is learned from, of series that are trained on: what a random split would
    test on.
    """

    @cached_property
    def sha256(self) -> str:
        """Over the images and labels of all splits: another set of images is another data set,
        whatever its name.
        """
        digest = hashlib.sha256()
        for split in self.splits:
            for array in (split.images, split.labels):
                digest.update(repr(array.shape).encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @property
    def splits(self) -> tuple[Split, ...]:
        """All images."""
        three = (self.train, self.validation, self.test)
        return three if self.siblings is None else (*three, self.siblings)

    @property
    def coarse_of(self) -> np.ndarray:
        """The superclass of each class, int64 (K,), where there are any."""
        coarse, labels = self.train.coarse_labels, self.train.labels
        assert coarse is not None
        _, first = np.unique(labels, return_index=True)
        return coarse[first]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels


def stratified_holdout(labels: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held out), sorted; each class gives the same fraction, at least one sample if
    it has two.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    held = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        n_held = round(len(members) * fraction)
        held.append(members[: max(n_held, 1) if len(members) > 1 else 0])
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


def corrupt_labels(labels: np.ndarray, ratio: float, n_classes: int, seed: int) -> np.ndarray:
    """Labels of which `ratio` were drawn anew, uniformly over all classes, the true one among them
    (DuPHiL, section 4).

    So a ratio of 0.10 with ten classes makes 9 % of the labels wrong.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"label corruption is a ratio between 0 and 1, not {ratio}")
    rng = np.random.default_rng(seed)
    corrupted = labels.copy()
    chosen = rng.choice(len(labels), round(ratio * len(labels)), replace=False)
    corrupted[chosen] = rng.integers(0, n_classes, len(chosen))
    return corrupted


def with_corrupted_labels(data: DataSet, ratio: float, seed: int) -> DataSet:
    """The data set with corrupted training and validation labels; test labels stay clean."""

    def corrupted(split: Split, seed: int) -> Split:
        return replace(split, labels=corrupt_labels(split.labels, ratio, len(data.classes), seed))

    return replace(
        data, train=corrupted(data.train, seed), validation=corrupted(data.validation, seed + 1)
    )
