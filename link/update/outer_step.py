"""Outer step: how weights move by what a round told, the same float32 operations at all ends.

    g = q + decay · θ,    v ← momentum · v + g,    θ ← θ − rate · (g + momentum · v)

That is SGD with Nesterov's momentum as torch has it, but after the code: what travels, and what an
end remembers, is in the units of q, and momentum and decay cost no byte. With a rate of 1, no
momentum and no decay it is θ − q. No operation is fused, none depends on an order.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from link.update import message
from link.update.layout import Layout, weights_hash
from link.update.quantised import Quantised, apply
from link.update.settings import RunSettings


@dataclass(frozen=True, eq=False)
class Held:
    """What all ends hold alike when a round begins."""

    weights: np.ndarray
    "float32 (P,)."
    velocity: np.ndarray
    "float32 (P,), v; (0,) in a run without outer momentum."

    @classmethod
    def first(cls, weights: np.ndarray, settings: RunSettings) -> "Held":
        """Where a run begins."""
        return cls(weights, np.zeros(_n_velocity(len(weights), settings), np.float32))

    @cached_property
    def hash(self) -> bytes:
        """8 bytes that name it: of the weights, where they are all."""
        return weights_hash(np.concatenate([self.weights, self.velocity]))

    def pack(self) -> bytes:
        """As the payload of a snapshot, or of a round that tells all."""
        return message.pack_whole(np.concatenate([self.weights, self.velocity]))

    @classmethod
    def read(cls, payload: bytes, layout: Layout, settings: RunSettings) -> "Held":
        """What pack wrote; MessageError for anything else."""
        size = layout.size
        both = message.read_whole(payload, size + _n_velocity(size, settings))
        return cls(both[:size], both[size:])

    def stepped(
        self, told: Quantised, layout: Layout, settings: RunSettings, round_: int
    ) -> "Held":
        """After that round."""
        rate = np.float32(settings.outer_rate(round_))
        decay, momentum = np.float32(settings.outer_decay), np.float32(settings.outer_momentum)
        if rate == 1 and not decay and not momentum:
            return Held(apply(self.weights, told, layout), self.velocity)
        gradient = decay * self.weights
        gradient[told.positions] += told.values(layout)
        velocity = self.velocity
        if momentum:
            velocity = momentum * velocity + gradient
            gradient += momentum * velocity
        return Held(self.weights - rate * gradient, velocity)


def _n_velocity(size: int, settings: RunSettings) -> int:
    return size if settings.outer_momentum else 0
