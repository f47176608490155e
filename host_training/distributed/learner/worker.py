"""Worker: the learner of one device on torch. From the server's weights it takes H steps on its own
images; nothing else leaves it than the weights it ends with.

Everything random in a step follows from (seed, device, step), so a round that is begun again ends
with the same bits. Its contract is that of a node's numpy learner. Many workers of one process may
share a model: between two rounds a device keeps nothing but its momentum, if settings say so.
"""

import numpy as np
import torch

from host_training.data.batches import Batches
from host_training.data.dataset import Augmentation, Split
from host_training.distributed.learner.flat_model import FlatModel
from host_training.distributed.learner.objective import Objective, end_to_end
from host_training.distributed.learner.sgd import SGD
from link.update import FRESH, MASKED, RunSettings
from link.update.device_end import Learned

SEED_STRIDE = 1 << 20
"Keeps the devices of one seed apart from those of the next: a run has fewer devices."


class Worker:
    """One device's shard, and the momentum it carries from round to round where it does."""

    def __init__(
        self,
        flat: FlatModel,
        shard: Split,
        settings: RunSettings,
        device: int,
        objective: Objective | None = None,
    ) -> None:
        self.flat, self.settings = flat, settings
        self.objective = objective or own_objective(flat, shard, settings)
        self.batches = device_batches(flat, shard, settings, device)
        self.momentum: torch.Tensor | None = None

    def train(self, weights: np.ndarray, round_: int) -> Learned:
        """H steps from weights float32 (P,), which stay as they are."""
        flat, settings = self.flat, self.settings
        flat.set_weights(weights)
        flat.are_frozen = round_ >= settings.frozen_from_round
        sgd, rate = new_sgd(flat, settings), settings.learning_rate(round_)
        sgd.momentum = self.momentum
        losses = []
        for step in range(round_ * settings.n_steps, (round_ + 1) * settings.n_steps):
            flat.gradient.zero_()
            losses.append(add_gradient(flat, self.objective, self.batches, step))
            sgd.step(rate)
        if settings.momentum_kind != FRESH:
            self.momentum = sgd.momentum
        return Learned(
            flat.weights,
            settings.n_steps * self.batches.batch_size,
            float(torch.stack(losses).mean()),
        )

    def freeze(self, statistics: np.ndarray) -> None:
        """Batch norms' mean and variance, float32 (S,), from the server."""
        self.flat.set_statistics(statistics)

    def forget(self, sent: np.ndarray) -> None:
        """Momentum of entries that were sent, int64 (K,), is gone (arXiv:1712.01887, 3.2), if
        settings say so.
        """
        if self.settings.momentum_kind == MASKED and self.momentum is not None:
            self.momentum[torch.from_numpy(sent)] = 0


def own_objective(flat: FlatModel, shard: Split, settings: RunSettings) -> Objective:
    """End-to-end, with the device's own classes' shares taken off."""
    n_each = np.bincount(shard.labels, minlength=flat.model.config.n_classes)
    bias = settings.score_bias(n_each)
    return end_to_end(
        settings.label_smoothing, None if bias is None else torch.from_numpy(bias).to(flat.device)
    )


def device_batches(flat: FlatModel, shard: Split, settings: RunSettings, device: int) -> Batches:
    """Batches by (seed, device, step)."""
    if not len(shard):
        raise ValueError(f"device {device} has no images; it cannot learn from any")
    return Batches(
        shard,
        Augmentation(crop_pad=settings.crop_pixels, flip=settings.has_flips),
        settings.batch_images,
        settings.seed * SEED_STRIDE + device,
        flat.device,
        flat.model.config.pixel_pad,
    )


def new_sgd(flat: FlatModel, settings: RunSettings) -> SGD:
    """On the whole vector, without momentum yet."""
    return SGD(flat.vector, flat.gradient, settings.momentum, settings.weight_decay)


def add_gradient(
    flat: FlatModel, objective: Objective, batches: Batches, step: int, share: float = 1.0
) -> torch.Tensor:
    """Add the step's gradient times `share` to the vector's; returns the loss, a scalar."""
    images, labels = batches.batch(step)
    flat.training_mode()
    loss = objective(flat.model, images, labels)
    (loss if share == 1 else loss * share).backward()
    return loss.detach()
