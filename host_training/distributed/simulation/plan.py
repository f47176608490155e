"""Plan: how a model is learned on many devices, in numbers a person chooses; settings follow.

Devices take turns. In a round one group sends the gradient of one large batch each, at the weights
that all hold: batch norm sees enough images, and a message is long enough to be worth its header
and its signature. Momentum, decay and the rates' one cycle belong to the outer step, behind the
code: so what waits in a memory is gradients, whose worth does not depend on when they are sent.
"""

import math
from dataclasses import dataclass, replace

from link.update import RunSettings


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run; bytes are those of a message, header and signature included."""

    n_devices: int = 32
    n_groups: int = 8
    "That take turns."
    batch_images: int = 128
    "A device's, in its turn."
    epochs: float = 40.0
    "Images that all devices together learn from, in sizes of the training split."
    rate: float = 0.2
    "The highest of the one cycle."
    warm_up: float = 0.1
    "Share of the rounds until then."
    momentum: float = 0.9
    decay: float = 5e-4
    up_bytes: int = 3760
    down_bytes: int = 2690
    label_smoothing: float = 0.1
    prior_weight: float = 1.0
    "How much of its own classes' shares a device takes off what it learns."
    crop_pixels: int = 2
    has_flips: bool = True
    frozen: float = 0.0
    "The last share of the rounds, in which batch norms use statistics that the server took."
    memory: str = "float32"
    seed: int = 0

    def settings(
        self, network: str, n_images: int, n_each: int = 1, n_statistics: int = 0
    ) -> RunSettings:
        """For a training split of so many images; a gateway's `n_each` devices count as one, and
        each of them learns from all that it has. `n_statistics`: numbers of all batch norms.
        """
        per_device = n_images // (self.n_devices * n_each)
        batch = min(self.batch_images, per_device)
        per_round = self.n_devices // self.n_groups * batch * n_each
        n_rounds = max(1, round(self.epochs * n_images / per_round))
        frozen_from = max(1, round((1 - self.frozen) * n_rounds))
        is_frozen = self.frozen > 0 and frozen_from < n_rounds
        down_bytes: tuple[int, ...] = (self.down_bytes,)
        if is_frozen:  # the round before tells the statistics besides
            with_statistics = self.down_bytes + 4 * n_statistics
            down_bytes = (*down_bytes * (frozen_from - 1), with_statistics, *down_bytes)
        return RunSettings(
            network=network,
            seed=self.seed,
            n_devices=self.n_devices,
            n_groups=self.n_groups,
            n_rounds=n_rounds,
            n_steps=1,
            batch_images=batch * n_each,
            learning_rates=(1.0,),
            momentum=0.0,
            label_smoothing=self.label_smoothing,
            prior_weight=self.prior_weight,
            crop_pixels=self.crop_pixels,
            has_flips=self.has_flips,
            outer_rates=tuple(
                self.rate * one_cycle((round_ + 1) / n_rounds, self.warm_up)
                for round_ in range(n_rounds)
            ),
            outer_momentum=self.momentum,
            outer_decay=self.decay,
            up_bytes=(self.up_bytes,),
            down_bytes=down_bytes,
            memory=self.memory,
            frozen_from_round=frozen_from if is_frozen else RunSettings.frozen_from_round,
            n_statistics=n_statistics if is_frozen else 0,
            max_lateness=min(4 if self.n_groups == 1 else 2 * self.n_groups, 7),
        )

    def central(self, settings: RunSettings) -> RunSettings:
        """The same steps in one place: its `settings`' outer step is then the only one."""
        return replace(
            settings,
            n_devices=settings.n_devices // settings.n_groups,
            n_groups=1,
            learning_rates=settings.outer_rates,
            momentum=settings.outer_momentum,
            momentum_kind="carried",
            prior_weight=0.0,
            weight_decay=settings.outer_decay,
            outer_rates=(1.0,),
            outer_momentum=0.0,
            outer_decay=0.0,
        )


def one_cycle(progress: float, warm_up: float) -> float:
    """Share of the highest rate at that progress, 0 to 1: up in a line, down in a cosine, but not
    to nothing.
    """
    if progress < warm_up:
        return 0.05 + 0.95 * progress / warm_up
    return max(0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))), 1e-3)
