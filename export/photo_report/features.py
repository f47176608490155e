"""Features: what photos are to a pretrained backbone as it came, before it learned any of them, so
that a learning curve on them is not flattered.
"""

import numpy as np
import torch

from host_training.data.batches import to_model_input, to_pixels
from host_training.models.architecture import Backbone
from host_training.models.backbone import WeightsError, weights
from host_training.models.backbone.encoder import PhotoEncoder
from host_training.presets import PRESETS
from link.bundle import Bundle

BATCH = 50


def backbone_of(bundle: Bundle) -> Backbone | None:
    """What its encoder started from; None: from nothing, or from weights that are not here."""
    preset = bundle.provenance.preset
    backbone = None if preset not in PRESETS else PRESETS[preset].recipe.model.backbone
    if backbone is None:
        return None
    try:
        weights.read_file()
    except WeightsError:
        return None
    return backbone


@torch.no_grad()
def as_it_came(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    """Float32 (N, C) of images uint8 (N, H, W, 3)."""
    _, height, width, _ = images.shape
    encoder = PhotoEncoder(backbone, (height, width), latents=1).eval()
    encoder.start_from(weights.read_file())
    pixels = to_pixels(images)
    return np.concatenate(
        [
            encoder.features(encoder.front(to_model_input(part, 0))).flatten(1).numpy()
            for part in pixels.split(BATCH)
        ]
    )
