"""The encoder of a photo: a pretrained backbone, averaged to one point, and a layer of latents.

    image → front, frozen → rest, fine-tuned → mean → standardised → y

What the front makes of an image never changes, so training computes it once.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from host_training.models.architecture import Backbone
from host_training.models.backbone.lite0 import Lite0, Size
from host_training.models.backbone.weights import folded

MIDDLE, HALF_RANGE = 128.0, 128.0
"Pixels enter as (pixel − 128) / 128: zero padding is grey, and int8's steps are pixels."
LEAST_DEVIATION = 1e-3
"A feature that varies less on the training images says nothing."


def normalised(images: Tensor) -> Tensor:
    """Images in 0…1 as the backbone has learned to read them, −1…1."""
    return (255 * images - MIDDLE) / HALF_RANGE


class Standardise(nn.Module):
    """Features (N, C, 1, 1) with the mean and deviation that they had before fine-tuning."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width, 1, 1))
        self.register_buffer("scale", torch.ones(width, 1, 1))

    def fit(self, features: Tensor) -> None:
        """To features (N, C, 1, 1)."""
        self.mean.copy_(features.mean(0))
        self.scale.copy_(1 / features.std(0).clamp_min(LEAST_DEVIATION))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) * self.scale


class PhotoEncoder(nn.Module):
    """Images (N, 3, H, W) in 0…1 to latents y (N, D)."""

    def __init__(self, backbone: Backbone, size: Size, latents: int) -> None:
        super().__init__()
        self.n_frozen = backbone.frozen
        self.lite0 = Lite0(backbone.blocks, size)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.standardise = Standardise(self.lite0.width)
        self.latents = nn.Conv2d(self.lite0.width, latents, 1)

    def start_from(self, saved: Mapping[str, Tensor]) -> None:
        """Take the weights of ImageNet, as `weights.read_file` gives them."""
        self.lite0.load_state_dict(folded(saved, len(self.lite0.blocks)))

    @torch.no_grad()
    def front(self, images: Tensor) -> Tensor:
        """What never changes: images (N, 3, H, W) in 0…1 to maps."""
        return self.lite0.front(normalised(images), self.n_frozen)

    def features(self, maps: Tensor) -> Tensor:
        """What the front's maps (N, C, h, w) come to, (N, C, 1, 1)."""
        return self.pool(self.lite0.rest(maps, self.n_frozen))

    def of_features(self, features: Tensor) -> Tensor:
        """Latents (N, D)."""
        return self.latents(self.standardise(features)).flatten(1)

    def of_maps(self, maps: Tensor) -> Tensor:
        """Latents (N, D) of what `front` gives."""
        return self.of_features(self.features(maps))

    def forward(self, images: Tensor) -> Tensor:
        return self.of_maps(self.front(images))
