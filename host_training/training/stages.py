"""Stages: what an update of each does. End-to-end cross-entropy, then DuPHiL's two phases."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from host_training.data.batches import Batches
from host_training.data.dataset import Augmentation, Split
from host_training.models.architecture import Team
from host_training.models.autoencoder import AutoEncoder, Scores
from host_training.models.team import GroupConv
from host_training.training.cuda_graph import LossGraph
from host_training.training.distillation import taught
from host_training.training.evaluation import Evaluation, autocast
from host_training.training.mcr2 import RateReduction, rate_reduction
from host_training.training.muon import Muon
from host_training.training.recipe import Recipe, StageName


@dataclass(frozen=True)
class Progress:
    """What an update reports, still tensors: to read a number a GPU has to be waited for."""

    loss: Tensor
    rates: RateReduction | None = None


class Stage(ABC):
    """A number of epochs with one goal, whose best weights the next one goes on from."""

    name: StageName
    judged_from = 0.0
    "Share of the epochs after which one may be the best."
    beside: nn.Module = nn.Module()
    "What is learned beside the model."

    def __init__(
        self,
        model: AutoEncoder,
        epochs: int,
        batch_size: int,
        optimisers: list[torch.optim.Optimizer],
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimisers = optimisers
        self.learning_rates = [optimiser.param_groups[0]["lr"] for optimiser in optimisers]

    def set_learning_rates(self, factor: float) -> None:
        for optimiser, rate in zip(self.optimisers, self.learning_rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor

    def batches(
        self, split: Split, augmentation: Augmentation, seed: int, device: torch.device
    ) -> Batches:
        """What `update` takes, in the order of the steps."""
        pixel_pad = self.model.config.pixel_pad
        return Batches(split, augmentation, self.batch_size, seed, device, pixel_pad)

    def begin(self, batches: Any, is_new: bool, until: Callable[[], bool]) -> bool:
        """What is done before the first update of a process, and of a run that `is_new`; False
        when `until` ended it.
        """
        return True

    def merit(self, figures: Evaluation, split: Split, device: torch.device) -> tuple[float, float]:
        """What makes the model, which has these figures on a split, the best of the stage."""
        return figures.merit

    @abstractmethod
    def update(self, images: Tensor, labels: Tensor) -> Progress:
        """Learn from a mini-batch: images (N, C, H, W) in 0…1 and labels (N,)."""


def learning_rate_factor(recipe: Recipe, progress: float) -> float:
    """Multiplier of the learning rate at a stage's progress 0…1: the paper's milestones, or warm-up
    and a cosine.
    """
    if recipe.schedule == "milestones":
        return 0.1 ** sum(progress >= milestone for milestone in (0.5, 0.75, 0.9))
    warm_up = 0.1
    if progress < warm_up:
        return 0.05 + 0.95 * progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def sgd(
    recipe: Recipe, parameters: Iterator[nn.Parameter], learning_rate: float
) -> torch.optim.SGD:
    return torch.optim.SGD(
        parameters,
        learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.schedule == "one-cycle",
    )


def kernels_before_norms(module: nn.Module) -> list[Tensor]:
    """Weights of the 3 × 3 convolutions, each of which a batch norm follows."""
    return [
        each.weight
        for each in module.modules()
        if isinstance(each, nn.Conv2d | GroupConv) and each.weight.shape[-2:] == (3, 3)
    ]


class CrossEntropyStage(Stage):
    """E2E cross-entropy, to the labels and to a teacher's scores where there is one; the side
    branch is off.
    """

    name = "ce"

    def __init__(
        self,
        model: AutoEncoder,
        recipe: Recipe,
        teacher: nn.Module | None,
        coarse_of: Tensor | None = None,
    ) -> None:
        """`coarse_of`: each class's superclass, int64 (K,), where the model tells any."""
        parts = nn.ModuleList([model.encoder, model.decoder])
        kernels = kernels_before_norms(parts) if recipe.optimiser == "muon" else []
        others = (
            each for each in parts.parameters() if not any(each is kernel for kernel in kernels)
        )
        optimisers: list[torch.optim.Optimizer] = [sgd(recipe, others, recipe.learning_rate)]
        if kernels:
            optimisers.append(Muon(kernels, recipe.muon_learning_rate, recipe.momentum))
        super().__init__(model, recipe.ce_epochs, recipe.batch_size, optimisers)
        self.teacher = teacher
        self.coarse_of = torch.empty(0) if coarse_of is None else coarse_of
        self.label_smoothing = recipe.label_smoothing
        self.graph: LossGraph | None = None

    def update(self, images: Tensor, labels: Tensor) -> Progress:
        self.model.train()
        if images.is_cuda:
            self.graph = self.graph or LossGraph(self.loss, self.model, images, labels)
            loss = self.graph(images, labels)
        else:
            self.model.zero_grad(set_to_none=True)
            loss = self.loss(images, labels)
            loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        return Progress(loss.detach())

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar in nats; nothing in it may wait for a number, as a CUDA
        graph is made of it.
        """
        with autocast(images.device):
            scores = self.model.scores(images)
        wanted = None
        if self.teacher is not None:
            with torch.no_grad(), autocast(images.device):
                wanted = self.teacher(images).float()
        loss = self._loss_of(scores.classes, labels, wanted)
        team = self.model.config.team
        return loss if team is None else self._loss_of_team(team, scores, loss, labels, wanted)

    def _loss_of_team(
        self, team: Team, scores: Scores, joint: Tensor, labels: Tensor, wanted: Tensor | None
    ) -> Tensor:
        """All latents', each node's own and the superclasses' losses, by their weights."""
        assert scores.own is not None
        n = scores.own.shape[1]
        repeated = None if wanted is None else wanted.repeat_interleave(n, 0)
        own = self._loss_of(scores.own.flatten(0, 1), labels.repeat_interleave(n), repeated)
        loss = team.joint_weight * joint + team.own_weight * own
        if scores.coarse is None:
            return loss
        coarse = cross_entropy(scores.coarse.float(), self.coarse_of[labels])
        return loss + team.coarse_weight * coarse

    def _loss_of(self, scores: Tensor, labels: Tensor, wanted: Tensor | None) -> Tensor:
        loss = cross_entropy(scores.float(), labels, label_smoothing=self.label_smoothing)
        return loss if wanted is None else taught(loss, scores.float(), wanted)


class DuPHiLStage(Stage):
    """Phase 1: encoder and side branch by MCR². Phase 2: decoder by cross-entropy on a frozen
    encoder.

    The phases alternate per mini-batch, as in the authors' code; unlike there, the encoder's
    batch-norm statistics stay frozen in phase 2.
    """

    name = "duphil"

    def __init__(self, model: AutoEncoder, recipe: Recipe) -> None:
        phase1 = nn.ModuleList([model.encoder, model.side_branch])
        optimisers: list[torch.optim.Optimizer] = [
            sgd(recipe, phase1.parameters(), recipe.mcr2_learning_rate),
            sgd(recipe, model.decoder.parameters(), recipe.duphil_decoder_learning_rate),
        ]
        super().__init__(model, recipe.duphil_epochs, recipe.duphil_batch_size, optimisers)
        self.eps_sq = recipe.eps_sq

    def update(self, images: Tensor, labels: Tensor) -> Progress:
        rates = self.phase1(images, labels)
        return Progress(self.phase2(images, labels), rates)

    def phase1(self, images: Tensor, labels: Tensor) -> RateReduction:
        self.model.train()
        with autocast(images.device, self.model.config):
            latents = self.model.encoder(images)
        rates = rate_reduction(
            self.model.side_branch(self.model.relax(latents.float())), labels, self.eps_sq
        )
        _descend(-rates.reduction, self.optimisers[0])
        return RateReduction(rates.coding_rate.detach(), rates.class_coding_rate.detach())

    def phase2(self, images: Tensor, labels: Tensor) -> Tensor:
        self.model.encoder.eval()
        self.model.decoder.train()
        with autocast(images.device, self.model.config):
            with torch.no_grad():
                latents = self.model.encode_with_deaths(images)
            scores = self.model.decoder(self.model.relax(latents))
        loss = cross_entropy(scores.float(), labels)
        _descend(loss, self.optimisers[1])
        return loss.detach()


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
