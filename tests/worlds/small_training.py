"""Small training: images whose class is a corner, and a recipe that learns them in a second."""

from typing import Any

import numpy as np
import torch

from host_training.data.dataset import Augmentation, DataSet, Split
from host_training.models.architecture import Architecture
from host_training.training.recipe import Recipe

CPU = torch.device("cpu")
MODEL: dict[str, Any] = dict(
    base_width=8,
    blocks=(1, 1, 1),
    hidden=16,
    latents=6,
    latent_decoder_width=8,
    upsamplings=2,
    features=4,
)
RECIPE = Recipe(
    model=Architecture(**MODEL), ce_epochs=2, duphil_epochs=2, batch_size=16, duphil_batch_size=32,
    schedule="one-cycle", mcr2_learning_rate=1e-2,
)  # fmt: skip


def blobs(n: int = 96, n_classes: int = 3, seed: int = 0) -> DataSet:
    """Images that are bright in one corner: the corner is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    images = rng.integers(0, 60, (n, 8, 8, 1))
    for image, label in zip(images, labels, strict=True):
        rows, columns = (label // 2) * 4, (label % 2) * 4
        image[rows : rows + 4, columns : columns + 4] += 150
    part = Split(images.astype(np.uint8), labels.astype(np.int64))
    classes = tuple(str(i) for i in range(n_classes))
    return DataSet(
        "blobs", classes, part, part.subset(np.arange(0, n, 3)), part, Augmentation(crop_pad=1)
    )
