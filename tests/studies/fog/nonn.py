"""NoNN: a network of neural networks (Bhardwaj et al., ACM TECS 2019): students without exchange,
each of which imitates its own share of what the teacher knows.

The teacher's last hidden features are shared out by how they are active together; a student's
latents must explain its share linearly, within the mini-batch, so that no more weights are trained
than in any other arm. What joins the students is the decoder that all arms have.
"""

import numpy as np
import torch
from torch import Tensor

from host_training.models.autoencoder import AutoEncoder, DenseDecoder, quantise
from host_training.training.evaluation import autocast
from host_training.training.recipe import Recipe
from host_training.training.stages import CrossEntropyStage

WEIGHT = 1.0
RIDGE = 1e-3
"Share of the latents' mean square, on the diagonal of what is inverted."


def features_of(teacher: AutoEncoder, images: Tensor) -> Tensor:
    """The teacher's last hidden layer, float32 (N, F)."""
    decoder = teacher.decoder
    assert isinstance(decoder, DenseDecoder)
    with torch.no_grad(), autocast(images.device):
        symbols = quantise(teacher.encoder(images))
        return decoder.norm(decoder.first(symbols)).relu().float()


def shares(features: Tensor, n_students: int) -> list[np.ndarray]:
    """Features (N, F) that are active together go to one student: indices, as many for each."""
    correlation = np.nan_to_num(np.corrcoef(features.numpy().T))
    affinity = np.abs(correlation)
    degree = affinity.sum(1)
    laplacian = np.eye(len(degree)) - affinity / np.sqrt(np.outer(degree, degree))
    _, vectors = np.linalg.eigh(laplacian)
    return np.array_split(np.argsort(vectors[:, 1]), n_students)


def unexplained(latents: Tensor, wanted: Tensor) -> Tensor:
    """The share of `wanted`'s variance (B, m) that no linear function of latents (B, d) gives."""
    latents, wanted = latents - latents.mean(0), wanted - wanted.mean(0)
    gram = latents.T @ latents
    gram = gram + RIDGE * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    left = wanted - latents @ torch.linalg.solve(gram, latents.T @ wanted)
    return left.square().sum() / wanted.square().sum().clamp(min=1e-6)


class NoNNStage(CrossEntropyStage):
    """Cross-entropy, and every student's imitation of its share."""

    def __init__(
        self, model: AutoEncoder, recipe: Recipe, teacher: AutoEncoder, seen: Tensor
    ) -> None:
        """`seen`: images by which the teacher's features are shared out."""
        super().__init__(model, recipe, teacher)
        assert model.config.team is not None
        self.n_students = model.config.team.nodes
        self.shares = shares(features_of(teacher, seen).cpu(), self.n_students)
        self.made = torch.empty(0)
        model.encoder.register_forward_hook(self._keep)

    def _keep(self, encoder: object, images: object, made: Tensor) -> None:
        self.made = made

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        loss = super().loss(images, labels)
        assert isinstance(self.teacher, AutoEncoder)
        wanted = features_of(self.teacher, images)
        students = self.made[:, self.n_students :].float().unflatten(1, (self.n_students, -1))
        imitated = [
            unexplained(students[:, student], wanted[:, share])
            for student, share in enumerate(self.shares)
        ]
        return loss + WEIGHT * torch.stack(imitated).mean()
