"""Outer step: how weights move by what a round told, the same float32 operations at all ends.

    g = q + decay · θ,    v ← momentum · v + g,    θ ← θ − rate · (g + momentum · v)

That is SGD with Nesterov's momentum as torch has it, but after the code: what travels, and what an
end remembers, is in the units of q, and momentum and decay cost no byte. With a rate of 1, no
momentum and no decay it is θ − q. No operation is fused, none depends on an order.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np

from link.update import message
from link.update.layout import Layout, weights_hash
from link.update.quantised import Quantised
from link.update.settings import RunSettings


@dataclass(frozen=True, eq=False)
class Held:
    """What all ends hold alike when a round begins."""

    weights: np.ndarray
    "float32 (P,)."
    velocity: np.ndarray
    "float32 (P,), v; (0,) in a run without outer momentum."
    statistics: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    "float32 (S,), batch norm's, in the network's order; (0,) until they are frozen."

    @classmethod
    def first(cls, weights: np.ndarray, settings: RunSettings) -> "Held":
        """Where a run begins."""
        return cls(weights, np.zeros(_n_velocity(len(weights), settings), np.float32))

    @cached_property
    def hash(self) -> bytes:
        """8 bytes that name it: of the weights, where they are all."""
        return weights_hash(self._whole)

    def shared(self) -> "Held":
        """The one with this content that ends in this process have in common."""
        return _SHARED.setdefault(self.hash, self)

    def pack(self) -> bytes:
        """As the payload of a snapshot, or of a round that tells all."""
        return message.pack_whole(self._whole)

    @classmethod
    def read(cls, payload: bytes, layout: Layout, settings: RunSettings, round_: int) -> "Held":
        """What pack wrote, held when that round begins; MessageError for anything else."""
        size = layout.size
        n_velocity = _n_velocity(size, settings)
        is_frozen = round_ >= settings.frozen_from_round
        n_statistics = settings.n_statistics if is_frozen else 0
        whole = message.read_whole(payload, size + n_velocity + n_statistics)
        return cls(*np.split(whole, [size, size + n_velocity]))

    def frozen(self, statistics: np.ndarray) -> "Held":
        """The same with batch norm's statistics, float32 (S,)."""
        return replace(self, statistics=statistics)

    def stepped(
        self, told: Quantised, layout: Layout, settings: RunSettings, round_: int
    ) -> "Held":
        """After that round."""
        return self.stepped_by(told.dense(layout), settings, round_)

    def stepped_by(self, told: np.ndarray, settings: RunSettings, round_: int) -> "Held":
        """The same by a whole vector (P,); of float64, as a server may have it, the result alone is
        rounded.
        """
        rate = np.float32(settings.outer_rate(round_))
        decay, momentum = np.float32(settings.outer_decay), np.float32(settings.outer_momentum)
        if rate == 1 and not decay and not momentum:
            return replace(self, weights=(self.weights - told).astype(np.float32))
        gradient = decay * self.weights + told
        velocity = self.velocity
        if momentum:
            velocity = momentum * velocity + gradient
            gradient += momentum * velocity
        weights = (self.weights - rate * gradient).astype(np.float32)
        return replace(self, weights=weights, velocity=velocity.astype(np.float32))

    @property
    def _whole(self) -> np.ndarray:
        return np.concatenate([self.weights, self.velocity, self.statistics])


_SHARED: WeakValueDictionary[bytes, Held] = WeakValueDictionary()


def shared(name: bytes) -> Held | None:
    """What an end in this process came to that has this hash: a thousand simulated ones need not
    each take the same step.
    """
    return _SHARED.get(name)


def with_statistics(coded: bytes, statistics: np.ndarray) -> bytes:
    """The payload of the coded round after which they are frozen: float32 (S,), then the code."""
    return statistics.astype(">f4").tobytes() + coded


def without_statistics(
    payload: bytes, settings: RunSettings, round_: int
) -> tuple[bytes, np.ndarray | None]:
    """The code, and the statistics where that round tells them; MessageError where it should."""
    if round_ + 1 != settings.frozen_from_round or not settings.n_statistics:
        return payload, None
    n_bytes = 4 * settings.n_statistics
    if len(payload) < n_bytes:
        raise message.MessageError(
            f"round {round_} tells {settings.n_statistics} statistics, and has {len(payload)} bytes"
        )
    statistics = np.frombuffer(payload[:n_bytes], ">f4").astype(np.float32)
    if not np.isfinite(statistics).all():
        raise message.MessageError("statistics that are not finite: the server diverged")
    return payload[n_bytes:], statistics


def _n_velocity(size: int, settings: RunSettings) -> int:
    return size if settings.outer_momentum else 0
