"""Inputs: what all parts look at, and the points that they find."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.encoder.symbols import Int8Encoder
from host_decoder.decode.classifier import Classifier
from host_training.data.batches import evaluation_batches
from host_training.data.dataset import DataSet, Split
from host_training.models.autoencoder import AutoEncoder
from host_training.presets import recipe
from host_training.training.checkpoint import Checkpoint
from link.bundle.bundle import Bundle
from tests.studies.common import RUNS, trained
from tests.studies.rivals.factorised_prior import (
    MissingError,
    backbone_features,
)
from tests.studies.rivals.macs import encoder_macs, network

FOLDER = RUNS / "rivals"
BRIEF = dict(duphil_epochs=0, optimiser="sgd", learning_rate=0.02)
"Training that goes on with a trained network."


@dataclass(frozen=True)
class Point:
    """One rival in the picture of accuracy against bytes."""

    name: str
    group: str
    bytes_per_image: float
    accuracy: float
    node_macs: int
    note: str = ""
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Study:
    """What all parts look at."""

    bundle: Bundle
    data: DataSet
    preset: str
    checkpoint: Path
    epochs: int
    n_images: int
    seed: int

    @cached_property
    def symbols(self) -> dict[str, np.ndarray]:
        """int8 (N, D) of the training and the test split, by the bundle's encoder."""
        path = FOLDER / f"symbols-{self.bundle.id.hex()}.npz"
        if not path.exists():
            encode = Int8Encoder(self.bundle.encoder_path, self.bundle.image)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, train=encode(self.data.train.images), test=encode(self.data.test.images))
        with np.load(path) as file:
            return dict(file)

    @property
    def codec_images(self) -> Split:
        return self.data.test.subset(np.arange(self.n_images))

    @cached_property
    def classify(self) -> Callable[[np.ndarray], np.ndarray]:
        """Symbols (N, D) to the class of each, by the bundle's decoder."""
        classifier = Classifier.of(self.bundle)
        return lambda symbols: classifier(symbols.astype(np.float32)).argmax(1)

    @cached_property
    def encoder_macs(self) -> int:
        views = self.bundle.provenance.views or 1
        return views * encoder_macs(network(self.bundle_preset, self.data, self.bundle.n_latents))

    @property
    def bundle_preset(self) -> str:
        return str(self.bundle.provenance.preset)

    @cached_property
    def model(self) -> AutoEncoder:
        """The float network whose weights the rivals begin with."""
        if not self.checkpoint.exists():
            raise MissingError(
                f"there is no checkpoint {self.checkpoint}: make train DATASET=cifar10 "
                f"PRESET={self.preset}"
            )
        return Checkpoint.read(self.checkpoint).model

    @cached_property
    def features(self) -> dict[str, np.ndarray]:
        """float32 (N, hidden) of the training and the test split: what its last dense layer is
        given.
        """
        path = FOLDER / f"features-{self.inputs['checkpoint_sha256']}.npz"
        if not path.exists():
            splits = {"train": self.data.train, "test": self.data.test}
            features = {
                name: backbone_features(self.model, split).numpy() for name, split in splits.items()
            }
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **features)  # type: ignore[arg-type]
        with np.load(path) as file:
            return dict(file)

    def train_on(self, data: DataSet, variant: str, epochs: int) -> AutoEncoder:
        """That network, trained further without a bottleneck."""
        _ = self.model
        changes: dict[str, Any] = BRIEF | dict(
            model=replace(recipe(self.preset).model, noise_half_width=0.0), ce_epochs=epochs
        )
        run = trained(
            data, self.preset, self.seed, variant=variant, start_from=self.checkpoint, **changes
        )
        return Checkpoint.read(run / "ce.pt").model

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What a part's figures depend on."""
        checkpoint = (
            hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()
            if self.checkpoint.exists()
            else None
        )
        return {
            "bundle": self.bundle.id.hex(),
            "checkpoint_sha256": checkpoint,
            "epochs": self.epochs,
            "images": self.n_images,
            "seed": self.seed,
        }


def accuracy(classes: np.ndarray, split: Split) -> float:
    return float((classes == split.labels).mean())


@torch.no_grad()
def classes_of(model: AutoEncoder, split: Split) -> np.ndarray:
    """int64 (N,): the whole float network, nothing rounded in the middle."""
    batches = evaluation_batches(split, 500, torch.device("cpu"), model.config.pixel_pad)
    return torch.cat(
        [model.decoder(model.encoder(images)).argmax(1) for images, _ in batches]
    ).numpy()
