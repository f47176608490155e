"""Lessons: what a decoder learns from, symbols as they arrive at the host, and what each should
give.

The training images go through the node's encoder in several passes: as they are, then changed as in
training.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from export.decoders.finetune import as_input
from export.encoder.symbols import Encode
from host_training.data.batches import augment, to_pixels
from host_training.data.dataset import Augmentation, DataSet

PASSED_IMAGES, MAX_PASSES = 60_000, 16
"How many images to learn from in all, and how often each at most."
PASS_SEED = 0


def passes(images: np.ndarray, augmentation: Augmentation, n_passes: int) -> Iterator[np.ndarray]:
    """Images uint8 (N, H, W, C) as they are, then changed as in training, the same each time."""
    yield images
    for seed in range(PASS_SEED, PASS_SEED + n_passes - 1):
        torch.manual_seed(seed)
        yield augment(to_pixels(images), augmentation).permute(0, 2, 3, 1).contiguous().numpy()


@dataclass(frozen=True, eq=False)
class AtHost:
    """A data set as it arrives at the host: symbols int8 of its images."""

    data: DataSet
    passes: np.ndarray
    "(passes, N, D) of the training images"
    validation: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, data: DataSet, encode: Encode, may_come: Encode | None = None) -> "AtHost":
        """`may_come`: the encoder as it is learned from; a team's, with deaths."""
        learned = may_come or encode
        n_passes = min(max(PASSED_IMAGES // len(data.train), 1), MAX_PASSES)
        seen = passes(data.train.images, data.augmentation, n_passes)
        train = np.stack([learned(images) for images in seen])
        return cls(data, train, learned(data.validation.images), encode(data.test.images))

    @property
    def symbols(self) -> Mapping[str, np.ndarray]:
        """int8 (N, D) by split, of the images as they are."""
        return {"train": self.passes[0], "validation": self.validation, "test": self.test}


@dataclass(frozen=True, eq=False)
class Lessons:
    """Symbols to learn from, and what each should give."""

    symbols: np.ndarray
    "int8 (passes, N, D)"
    wanted: np.ndarray
    "(N, …), the same in every pass, or (passes, N, …)."
    validation: np.ndarray
    "int8 (M, D)"
    validation_wanted: np.ndarray
    "(M, …)"

    @classmethod
    def of_classes(cls, heard: AtHost) -> "Lessons":
        """To learn the classes from their labels."""
        data = heard.data
        return cls(heard.passes, data.train.labels, heard.validation, data.validation.labels)

    def in_pass(self, number: int) -> tuple[Tensor, Tensor]:
        """Symbols (N, D) of a pass and what they should give; after the last comes the first."""
        number %= len(self.symbols)
        is_same = len(self.wanted) == self.symbols.shape[1]
        return as_input(self.symbols[number]), torch.from_numpy(
            self.wanted if is_same else self.wanted[number]
        )
