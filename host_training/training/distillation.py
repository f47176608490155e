"""Distillation (Hinton, Vinyals, Dean, arXiv:1503.02531): a small model also learns a large one's
scores.
"""

from contextlib import suppress
from operator import attrgetter
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from host_training.data.dataset import DataSet
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.training.checkpoint import Checkpoint, CheckpointError, NoModelError

SHARE = 0.9
"The share of the loss that is the teacher's; the rest is the labels'."
TEMPERATURE = 4.0


def read_teacher(
    path: Path, student: ModelConfig, data: DataSet, device: torch.device
) -> AutoEncoder:
    """A finished model of the same images and classes; CheckpointError for any other."""
    reads = attrgetter("height", "width", "channels", "wavelet")
    with suppress(NoModelError):
        teacher = Checkpoint.read(path, device)
        if (teacher.classes, reads(teacher.model.config)) == (data.classes, reads(student)):
            return teacher.model
    raise CheckpointError(
        f"{path} can not teach: it is no finished stage (ce.pt, duphil.pt), or of other classes, "
        f"image sizes or another wavelet; name a checkpoint of {data.name}"
    )


def taught(loss: Tensor, scores: Tensor, teacher_scores: Tensor) -> Tensor:
    """The labels' loss and the teacher's; both scores (N, K)."""
    return SHARE * loss_to_teacher(scores, teacher_scores) + (1 - SHARE) * loss


def loss_to_teacher(scores: Tensor, teacher_scores: Tensor) -> Tensor:
    """Cross-entropy, nats, between both scores (N, K) softened; times T², which keeps the size of
    its gradient.
    """
    softened = (teacher_scores / TEMPERATURE).softmax(1)
    return TEMPERATURE**2 * cross_entropy(scores / TEMPERATURE, softened)
