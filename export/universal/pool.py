"""Pool: images of several sets at one size, and variations of them, which a universal encoder is
fitted to: none of them is of a question that will be asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.universal import varied
from host_training.data.catalogue import load
from host_training.data.dataset import Augmentation, DataSet, Split
from link.picture import fit

SIDE = 128
VALIDATION_SHARE = 10
"One image of so many is validated on."
DRAWN = -1
"In the place of a set: of none."


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of images."""

    labels: np.ndarray
    """int64 (N,): places among the classes; what was varied has a further label for each set, what
    was drawn another.
    """
    set_of: np.ndarray
    "int64 (N,): places in the pool's sets, also of what was varied; or DRAWN."
    is_varied: np.ndarray
    "bool (N,)"

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "Known":
        return Known(self.labels[rows], self.set_of[rows], self.is_varied[rows])

    @property
    def groups(self) -> np.ndarray:
        """int64 (N,): a number for each set and for what was varied of it."""
        _, groups = np.unique(2 * self.set_of + self.is_varied, return_inverse=True)
        return groups


@dataclass(frozen=True, eq=False)
class Pool:
    """Images of every set, one after another, in a random order each; behind them what is varied
    and drawn.
    """

    images: np.ndarray
    "uint8 (N, SIDE, SIDE, 3)"
    known: Known
    classes: tuple[str, ...]
    sets: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.known)

    @classmethod
    def of(
        cls, sets: Sequence[str], data_dir: Path, seed: int, n_images: int, n_varied: int = 0
    ) -> "Pool":
        """Sets by name or folder; training and validation images, at most `n_images` of each, and
        `n_varied` of each set's and as many drawn.
        """
        images, labels = [], []
        classes: list[str] = []
        for name in sets:
            data = load(name, data_dir, SIDE)
            own = _joined(data.train, data.validation)
            chosen = np.random.default_rng(seed).permutation(len(own))[:n_images]
            images.append(enlarged(own.images[chosen]))
            labels.append(own.labels[chosen] + len(classes))
            classes += data.classes
        places = [*range(len(sets))]
        rng = np.random.default_rng(seed)
        if n_varied:
            images += [varied.varied(one, n_varied, rng) for one in images]
            images.append(varied.drawn(SIDE, n_varied, rng))
            places += [*places, DRAWN]
            labels += [np.full(n_varied, len(classes) + at) for at in range(len(sets) + 1)]
        known = Known(
            np.concatenate(labels),
            np.repeat(places, [len(one) for one in images]),
            np.repeat(np.arange(len(images)) >= len(sets), [len(one) for one in images]),
        )
        names = tuple(Path(name).name for name in sets)
        return cls(np.concatenate(images), known, tuple(classes), names)

    def data_set(self) -> DataSet:
        """One data set of them all, a part of every set to validate on, which stands for the test
        too.
        """
        is_held = np.arange(len(self)) % VALIDATION_SHARE == 0
        labels = self.known.labels
        kept, held = (Split(self.images[rows], labels[rows]) for rows in (~is_held, is_held))
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
