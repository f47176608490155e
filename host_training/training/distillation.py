"""Distillation (Hinton, Vinyals, Dean, arXiv:1503.02531): a small model also learns a large one's
scores.
"""

from contextlib import suppress
from operator import attrgetter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from host_training.data.dataset import DataSet
from host_training.models.autoencoder import ModelConfig
from host_training.training.checkpoint import Checkpoint, CheckpointError, NoModelError

SHARE = 0.9
"The share of the loss that is the teacher's; the rest is the labels'."
TEMPERATURE = 4.0


def read_teacher(
    path: Path, student: ModelConfig, data: DataSet, device: torch.device
) -> nn.Module:
    """A finished model of the same images and classes, or of photos of another size where both are
    photos; CheckpointError for any other.
    """
    reads = attrgetter("height", "width", "channels", "wavelet")
    with suppress(NoModelError):
        teacher = Checkpoint.read(path, device)
        config = teacher.model.config
        is_same = teacher.classes == data.classes
        if is_same and reads(config) == reads(student):
            return teacher.model
        if is_same and config.backbone is not None and student.backbone is not None:
            return Resized(teacher.model, config)
    raise CheckpointError(
        f"{path} can not teach: it is no finished stage (ce.pt, duphil.pt), or of other classes, "
        f"image sizes or another wavelet; name a checkpoint of {data.name}"
    )


class Resized(nn.Module):
    """A teacher that sees a student's images (N, C, H, W) in the size of its own."""

    def __init__(self, teacher: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.teacher, self.size = teacher, (config.height, config.width)

    def forward(self, images: Tensor) -> Tensor:
        return self.teacher(interpolate(images, self.size, mode="bilinear", antialias=True))


def taught(loss: Tensor, scores: Tensor, teacher_scores: Tensor) -> Tensor:
    """The labels' loss and the teacher's; both scores (N, K)."""
    return SHARE * loss_to_teacher(scores, teacher_scores) + (1 - SHARE) * loss


def loss_to_teacher(scores: Tensor, teacher_scores: Tensor) -> Tensor:
    """Cross-entropy, nats, between both scores (N, K) softened; times T², which keeps the size of
    its gradient.
    """
    softened = (teacher_scores / TEMPERATURE).softmax(1)
    return TEMPERATURE**2 * cross_entropy(scores / TEMPERATURE, softened)
