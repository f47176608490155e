"""Features: what an int8 backbone makes of images before any question is known.

The whole of EfficientNet-Lite0 with its pooled features as they are in the place of latents: each
symbol is a feature, in steps of 1 / STEPS. A universal encoder is this file with another last
layer, so that all before it is computed once for any number of fits.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch

from export import ExportError
from export.deployment import write_encoder
from export.encoder.fold import FoldedPhotoEncoder
from export.encoder.symbols import Int8Encoder
from export.measure import Agreement
from export.universal.pool import SIDE
from host_training.data.dataset import DataSet
from host_training.models.architecture import Architecture, Backbone
from host_training.models.autoencoder import ModelConfig
from host_training.models.backbone import weights
from host_training.models.backbone.encoder import PhotoEncoder
from host_training.models.backbone.lite0 import BLOCKS, HEAD_WIDTH
from link.bundle import ImageSpec
from link.bundle.manifest import ENCODER

LEAST, LARGEST = -128, 6.0
"The symbol of a feature that is 0, and the feature that ReLU6 leaves at most."
STEPS = 255 / LARGEST
IMAGE = ImageSpec(SIDE, SIDE, 3)
BACKBONE_SHA256 = "485317086dbd52e69fc08469bbc24db2a15f89eb67353624674bc5350ed5c61e"
"The int8 backbone that models/universal was made of."


def backbone() -> FoldedPhotoEncoder:
    """The float network: images (N, 3, SIDE, SIDE) in 0…1 to features as symbols (N, HEAD_WIDTH),
    not rounded.
    """
    architecture = Architecture(
        backbone=Backbone(blocks=len(BLOCKS), frozen=len(BLOCKS)), latents=HEAD_WIDTH
    )
    config = ModelConfig.of(architecture, IMAGE.shape, n_classes=2)
    assert config.backbone is not None
    encoder = PhotoEncoder(config.backbone, (SIDE, SIDE), HEAD_WIDTH)
    encoder.start_from(weights.read_file())
    with torch.no_grad():
        encoder.latents.weight.copy_(STEPS * torch.eye(HEAD_WIDTH)[:, :, None, None])
        encoder.latents.bias.fill_(LEAST)  # type: ignore[union-attr]
    return FoldedPhotoEncoder(encoder, config, range(HEAD_WIDTH)).eval()  # type: ignore[return-value]


def write_backbone(data: DataSet, folder: Path) -> Agreement:
    """encoder.tflite in `folder`, calibrated and rounded by the data set's training images."""
    return write_encoder(backbone(), data, folder)


def vouched(folder: Path) -> str:
    """A sentence on whose int8 backbone lies there; ExportError if none does."""
    path = folder / ENCODER
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ExportError(
            f"{path} cannot be read ({error.strerror}); leave --backbone out, and one is made"
        ) from None
    if found == BACKBONE_SHA256:
        return f"{path} is the one that models/universal was made of"
    return f"{path} runs as it is: nothing vouches for it but you (sha256 {found})"


def reader(folder: Path, n_threads: int = 1) -> Int8Encoder:
    return Int8Encoder(folder / ENCODER, IMAGE, n_threads)


def imagenet_head() -> np.ndarray:
    """What ImageNet's thousand classes read off the features: float64 (1000, HEAD_WIDTH)."""
    return weights.read_file()[f"{weights.CLASSIFIER}.weight"].double().numpy()
