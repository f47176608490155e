"""Pool: images of several sets at one size, which a universal encoder is fitted to: none of them is
of a question that will be asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host_training.data.catalogue import load
from host_training.data.dataset import Augmentation, DataSet, Split
from link.picture import fit

SIDE = 128
VALIDATION_SHARE = 10
"One image of so many is validated on."


@dataclass(frozen=True, eq=False)
class Pool:
    """Images of every set, one after another, in a random order each."""

    images: np.ndarray
    "uint8 (N, SIDE, SIDE, 3)"
    labels: np.ndarray
    "int64 (N,): places in `classes`."
    set_of: np.ndarray
    "int64 (N,): places in `sets`."
    classes: tuple[str, ...]
    sets: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, sets: Sequence[str], data_dir: Path, seed: int, n_images: int) -> "Pool":
        """Sets by name or folder; training and validation images, at most `n_images` of each."""
        images, labels, set_of = [], [], []
        classes: list[str] = []
        for place, name in enumerate(sets):
            data = load(name, data_dir, SIDE)
            own = _joined(data.train, data.validation)
            drawn = np.random.default_rng(seed).permutation(len(own))[:n_images]
            images.append(enlarged(own.images[drawn]))
            labels.append(own.labels[drawn] + len(classes))
            set_of.append(np.full(len(drawn), place))
            classes += data.classes
        return cls(
            np.concatenate(images),
            np.concatenate(labels),
            np.concatenate(set_of),
            tuple(classes),
            tuple(Path(name).name for name in sets),
        )

    def data_set(self) -> DataSet:
        """One data set of them all, a part of every set to validate on, which stands for the test
        too.
        """
        is_held = np.arange(len(self)) % VALIDATION_SHARE == 0
        kept, held = (Split(self.images[rows], self.labels[rows]) for rows in (~is_held, is_held))
        return DataSet(
            name="+".join(self.sets),
            classes=self.classes,
            train=kept,
            validation=held,
            test=held,
            augmentation=Augmentation(),
        )


def _joined(one: Split, other: Split) -> Split:
    return Split(
        np.concatenate([one.images, other.images]), np.concatenate([one.labels, other.labels])
    )


def enlarged(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, C) in grey or RGB → uint8 (N, SIDE, SIDE, 3), as a folder's photos are
    fitted.
    """
    if images.shape[1:] == (SIDE, SIDE, 3):
        return images
    colours = np.broadcast_to(images, (*images.shape[:3], 3))
    return np.stack([fit(np.ascontiguousarray(one), (SIDE, SIDE, 3)) for one in colours])
