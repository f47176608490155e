"""The rate in the loss: a finished model learns on, and pays for every bit that the coder's mixture
spends on its symbols.

    cross-entropy + λ · bits        λ in nats a bit, Recipe.rate

Mixture, encoder and decoder learn together. Batch norms of the encoder keep their statistics, as it
classifies already.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from host_training.data.batches import Batches
from host_training.data.dataset import Augmentation, Split
from host_training.models.autoencoder import AutoEncoder
from host_training.training.distillation import taught
from host_training.training.evaluation import Evaluation, autocast, encode_split
from host_training.training.mixture import SymbolMixture
from host_training.training.recipe import Recipe
from host_training.training.stages import Progress, Stage

TRUNK_SHARE = 0.1
"Share of the learning rate for what is before the encoder's last layers."
MIXTURE_LEARNING_RATE = 0.02


class RateStage(Stage):
    """What the stage before it found is improved in nats of cross-entropy plus rate."""

    name = "rate"

    def __init__(self, model: AutoEncoder, recipe: Recipe, teacher: nn.Module | None) -> None:
        if model.config.team is not None:
            raise ValueError(
                "the symbols of a team have tables with flags, which no rate is learned for; train "
                "it without RATE"
            )
        self.recipe, self.teacher = recipe, teacher
        self.mixture = SymbolMixture(model.config.latents, recipe.rate_components)
        encoder = model.encoder
        last = encoder.dense if model.config.backbone is None else encoder.latents
        head = [*last.parameters(), *model.decoder.parameters()]
        trunk = [
            each
            for each in encoder.parameters()
            if each.requires_grad and not any(each is one for one in head)
        ]
        self.learned = [*head, *trunk, *self.mixture.parameters()]
        rates = (
            (head, recipe.rate_learning_rate),
            (trunk, TRUNK_SHARE * recipe.rate_learning_rate),
            (list(self.mixture.parameters()), MIXTURE_LEARNING_RATE),
        )
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(parameters, rate) for parameters, rate in rates
        ]
        super().__init__(model, recipe.rate_epochs, recipe.batch_size, optimisers)
        self.beside = self.mixture
        self._split: Split | None = None

    def batches(
        self, split: Split, augmentation: Augmentation, seed: int, device: torch.device
    ) -> Batches:
        self._split = split
        self.mixture.to(device)
        return super().batches(split, augmentation, seed, device)

    def begin(self, batches: Any, is_new: bool, until: Callable[[], bool]) -> bool:
        if not self.mixture.is_fitted:
            assert self._split is not None
            device = self.mixture.minimum.device
            self.mixture.fit(*encode_split(self.model, self._split, device), self.recipe.seed)
        return True

    def update(self, images: Tensor, labels: Tensor) -> Progress:
        self.model.encoder.eval()
        self.model.decoder.train()
        with autocast(images.device, self.model.config):
            latents = self.model.encoder(images)
        latents = latents.float()
        with autocast(images.device):
            scores = self.model.decoder(self.model.relax(latents)).float()
        loss = cross_entropy(scores, labels, label_smoothing=self.recipe.label_smoothing)
        if self.teacher is not None:
            with torch.no_grad(), autocast(images.device):
                wanted = self.teacher(images).float()
            loss = taught(loss, scores, wanted)
        loss = loss + self.recipe.rate * self.mixture.bits(latents).mean()
        for parameter in self.learned:
            parameter.grad = None
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        return Progress(loss.detach())

    @torch.no_grad()
    def merit(self, figures: Evaluation, split: Split, device: torch.device) -> tuple[float, float]:
        """Least cross-entropy plus rate on a split."""
        symbols, _ = encode_split(self.model, split, device)
        return 0.0, -figures.loss - self.recipe.rate * float(self.mixture.bits(symbols).mean())
