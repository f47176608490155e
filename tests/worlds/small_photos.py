"""Small photos: images whose class is a colour, a backbone of two blocks, and weights of the shapes
that the real ones have, drawn at random.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from host_training.data.dataset import Augmentation, DataSet, Split
from host_training.models.architecture import Architecture, Backbone
from host_training.models.backbone import weights
from host_training.models.backbone.lite0 import BLOCKS, HEAD_WIDTH, STEM_WIDTH
from host_training.training.recipe import Recipe

SIDE = 32
RECIPE = Recipe(
    model=Architecture(
        backbone=Backbone(blocks=2, frozen=1), hidden=16, latents=6, noise_half_width=0.5
    ),
    ce_epochs=3,
    duphil_epochs=0,
    batch_size=16,
    learning_rate=1e-3,
    weight_decay=1e-2,
    schedule="one-cycle",
    head_epochs=20,
    front_views=2,
    rate_weight=0.01,
)


def photos(n: int = 96, side: int = SIDE) -> DataSet:
    """Noise in one of three colours: the colour is the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    images = rng.integers(0, 100, (n, side, side, 3))
    images[np.arange(n), :, :, labels] += 100
    part = Split(images.astype(np.uint8), labels.astype(np.int64))
    validation = part.subset(np.arange(30))
    usual = Augmentation(flip=True, crop_pad=2)
    return DataSet("colours", ("red", "green", "blue"), part, validation, part, usual)


def saved_weights() -> dict[str, Tensor]:
    """Tensors by the names that the package's file gives them; always the same."""
    generator = torch.Generator().manual_seed(0)
    saved: dict[str, Tensor] = {}

    def add(conv: str, norm: str, n_out: int, n_in: int, kernel: int) -> None:
        shape = (n_out, n_in, kernel, kernel)
        deviation = (2 / (n_in * kernel**2)) ** 0.5
        saved[f"{conv}.weight"] = deviation * torch.randn(shape, generator=generator)
        for key in ("weight", "running_var"):
            saved[f"{norm}.{key}"] = 0.5 + torch.rand(n_out, generator=generator)
        for key in ("bias", "running_mean"):
            saved[f"{norm}.{key}"] = 0.1 * torch.randn(n_out, generator=generator)
        saved[f"{norm}.num_batches_tracked"] = torch.tensor(1)

    add("_conv_stem", "_bn0", STEM_WIDTH, 3, 3)
    width = STEM_WIDTH
    for i, (kernel, _, expansion, out) in enumerate(BLOCKS):
        inner = expansion * width
        if expansion > 1:
            add(f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0", inner, width, 1)
        add(f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1", inner, 1, kernel)
        add(f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2", out, inner, 1)
        width = out
    add("_conv_head", "_bn1", HEAD_WIDTH, width, 1)
    return saved | {"_fc.weight": torch.zeros(10, HEAD_WIDTH), "_fc.bias": torch.zeros(10)}


def install_weights(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A package of weights drawn at random, with the checksum that is asked for."""
    path = folder / "forged_weights" / weights.FILE
    path.parent.mkdir(parents=True)
    torch.save(saved_weights(), path)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(weights, "MODULE", "forged_weights")
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
