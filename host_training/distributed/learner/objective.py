"""Objectives: what a step on a device descends. End-to-end cross-entropy, or DuPHiL's two phases.

Both leave their gradient in the flat model's vector. Nothing is computed in less than float32: a
device's numpy learner has nothing else, and the two are held against each other.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from host_training.models.autoencoder import AutoEncoder
from host_training.training.mcr2 import rate_reduction
from host_training.training.recipe import EPS_SQ

Objective = Callable[[AutoEncoder, Tensor, Tensor], Tensor]
"Model in training mode, images (N, C, H, W) in 0…1 and labels (N,) → a scalar, nats."


def end_to_end(label_smoothing: float, bias: Tensor | None = None) -> Objective:
    """Cross-entropy of the scores behind the noise that stands in for rounding; `bias`: (K,), added
    to them.
    """

    def loss(model: AutoEncoder, images: Tensor, labels: Tensor) -> Tensor:
        scores = model(images) if bias is None else model(images) + bias
        return cross_entropy(scores, labels, label_smoothing=label_smoothing)

    return loss


def duphil(mcr2_weight: float, eps_sq: float = EPS_SQ) -> Objective:
    """Phase 1 for encoder and side branch, maximal coding rate reduction; phase 2 for the decoder,
    cross-entropy on latents that it cannot move.

    Both phases look from the same weights: a device's step is one. `mcr2_weight` is the encoder's
    learning rate in the decoder's. The encoder of phase 2 is as in the paper, its batch norms
    frozen, where the flat model's are; its phase 1 then has them frozen too.
    """

    def loss(model: AutoEncoder, images: Tensor, labels: Tensor) -> Tensor:
        latents = model.encoder(images)
        features = model.side_branch(model.relax(latents))
        reduction = rate_reduction(features, labels, eps_sq).reduction
        scores = model.decoder(model.relax(latents.detach()))
        return cross_entropy(scores, labels) - mcr2_weight * reduction.to(torch.float32)

    return loss
