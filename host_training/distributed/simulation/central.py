"""Central training: what all devices together are held against, with the very same steps.

One place sees all shards. In each step it takes the mean of the gradients that the devices' batches
give at the same weights; batch norms see one device's batch at a time (ghost batches, as in Hoffer
et al., arXiv:1705.08741). With one shard this is ordinary training, and what one device does that
sends everything after each step, bit for bit.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from host_training.data.dataset import Split
from host_training.distributed.learner.flat_model import FlatModel
from host_training.distributed.learner.objective import Objective
from host_training.distributed.learner.sgd import SGD
from host_training.distributed.learner.worker import (
    add_gradient,
    device_batches,
    new_sgd,
    own_objective,
)
from link.update import RunSettings


class Central:
    """The same run with nothing between the devices and the weights."""

    def __init__(
        self,
        flat: FlatModel,
        shards: Sequence[Split],
        settings: RunSettings,
        objective: Objective | None = None,
    ) -> None:
        self.flat, self.settings = flat, settings
        self.momentum: np.ndarray | None = None
        "After the round that was yielded last, float32 (P,); None where there is none."
        self.objectives = [objective or own_objective(flat, shard, settings) for shard in shards]
        self.batches = [
            device_batches(flat, shard, settings, device) for device, shard in enumerate(shards)
        ]

    def train(
        self, weights: np.ndarray, begin: int = 0, momentum: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Weights float32 (P,) after each round's H steps. Momentum lasts from the first to the
        last; `begin`, `momentum`: the round and `self.momentum` that were reached before.
        """
        flat, settings = self.flat, self.settings
        sgd = new_sgd(flat, settings)
        if momentum is not None:
            sgd.momentum = torch.from_numpy(momentum.copy()).to(flat.device)
        for round_ in range(begin, settings.n_rounds):
            flat.set_weights(weights)
            flat.are_frozen = round_ >= settings.frozen_from_round
            for step in range(round_ * settings.n_steps, (round_ + 1) * settings.n_steps):
                self._step(step, sgd, settings.learning_rate(round_))
            weights = flat.weights
            self.momentum = None if sgd.momentum is None else sgd.momentum.cpu().numpy()
            yield weights

    def _step(self, step: int, sgd: SGD, rate: float) -> None:
        self.flat.gradient.zero_()
        for batches, objective in zip(self.batches, self.objectives, strict=True):
            add_gradient(self.flat, objective, batches, step, 1 / len(self.batches))
        sgd.step(rate)
