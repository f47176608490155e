"""Fine-tuning: a pretrained backbone learns photos of one's own, and to say little of them.

First latents and decoder alone, on the features that the backbone came with, so that the first
updates of the backbone are not those of a decoder that knows nothing (Kumar et al.,
arXiv:2202.10054); then all behind the frozen front, by AdamW. The rate of the latents is part of
the loss: λ Σ ½ log₂(1 + 4 z²), about the bits of a number z that is rounded.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from host_training.data.dataset import Augmentation, Split
from host_training.models.autoencoder import AutoEncoder
from host_training.training.distillation import taught
from host_training.training.front import CHUNK, FrontBatches
from host_training.training.progress import StageProgress
from host_training.training.recipe import Recipe
from host_training.training.stages import Progress, Stage, learning_rate_factor

HEAD_VIEWS = 2
"Versions of each image whose features the head learns from."
HEAD_BATCH_SIZE, HEAD_LEARNING_RATE = 128, 3e-3


def rate_bits(latents: Tensor) -> Tensor:
    """Mean bits of an image, roughly, a scalar; latents (N, D)."""
    return 0.5 * torch.log2(1 + 4 * latents.square()).sum(1).mean()


class FineTuningStage(Stage):
    """End-to-end training of what is behind a backbone's frozen front."""

    name = "ce"
    # a few hundred photos tell epochs apart by chance; those with a small learning rate are better
    judged_from = 0.7

    def __init__(self, model: AutoEncoder, recipe: Recipe, teacher: nn.Module | None) -> None:
        self.recipe, self.teacher = recipe, teacher
        encoder = model.encoder
        for parameter in encoder.lite0.front_parameters(encoder.n_frozen):
            parameter.requires_grad = False
        self.head = [*encoder.latents.parameters(), *model.decoder.parameters()]
        body = [each for each in encoder.lite0.parameters() if each.requires_grad]
        rates = ((body, recipe.backbone_learning_rate), (self.head, recipe.learning_rate))
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(parameters, rate, weight_decay=recipe.weight_decay)
            for parameters, rate in rates
        ]
        super().__init__(model, recipe.ce_epochs, recipe.batch_size, optimisers)

    def batches(
        self, split: Split, augmentation: Augmentation, seed: int, device: torch.device
    ) -> FrontBatches:
        return FrontBatches(
            split,
            augmentation,
            self.batch_size,
            seed,
            device,
            self.model.encoder,
            self.teacher,
            min(self.recipe.front_views, max(self.epochs, HEAD_VIEWS)),
        )

    def begin(self, batches: Any, is_new: bool, until: Callable[[], bool]) -> bool:
        return batches.fill(until) and (not is_new or self._learn_head(batches, until))

    def update(self, images: Tensor, labels: Tensor, wanted: Tensor | None = None) -> Progress:
        """`images` are maps of the front."""
        self.model.train()
        self.model.zero_grad(set_to_none=True)
        loss = self._loss(self.model.encoder.of_maps(images), labels, wanted)
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        return Progress(loss.detach())

    def _loss(self, latents: Tensor, labels: Tensor, wanted: Tensor | None) -> Tensor:
        scores = self.model.decoder(self.model.relax(latents))
        loss = cross_entropy(scores, labels, label_smoothing=self.recipe.label_smoothing)
        if wanted is not None:
            loss = taught(loss, scores, wanted)
        return loss + self.recipe.rate_weight * rate_bits(latents)

    def _learn_head(self, batches: FrontBatches, until: Callable[[], bool]) -> bool:
        """Latents and decoder alone; False when `until` ended it, and nothing is learned."""
        features = []
        n_chunks = HEAD_VIEWS * -(-len(batches.labels) // CHUNK)
        with StageProgress("features", n_chunks, 0, 1) as shown, torch.no_grad():
            for maps in chain.from_iterable(map(batches.maps_of, range(HEAD_VIEWS))):
                features.append(self.model.encoder.features(maps))
                shown.step()
                if until():
                    return False
        known = torch.cat(features)
        self.model.encoder.standardise.fit(known)
        labels = batches.labels.repeat(HEAD_VIEWS)
        optimiser = torch.optim.AdamW(
            self.head, HEAD_LEARNING_RATE, weight_decay=self.recipe.weight_decay
        )
        torch.manual_seed(self.recipe.seed)
        self.model.train()
        for progress, chosen in _passes(len(known), self.recipe.head_epochs):
            factor = learning_rate_factor(self.recipe, progress)
            optimiser.param_groups[0]["lr"] = HEAD_LEARNING_RATE * factor
            latents = self.model.encoder.of_features(known[chosen.to(known.device)])
            optimiser.zero_grad(set_to_none=True)
            self._loss(latents, labels[chosen.to(labels.device)], None).backward()
            optimiser.step()
        return True


def _passes(n: int, epochs: int) -> Iterator[tuple[float, Tensor]]:
    """How far it is, 0…1, and which of n to learn now, int64; what is left over of an epoch is left
    out.
    """
    size = min(HEAD_BATCH_SIZE, n)
    for epoch in range(epochs):
        order = torch.randperm(n)[: n - n % size].split(size)
        for i, chosen in enumerate(order):
            yield (epoch + i / len(order)) / epochs, chosen
