"""Rivals: what others send of a gradient, behind one method. None is coded by us: bytes are those
of the published form, without headers or signatures.

    approximation = rival.mean({device: gradient, …})       # float32 (P,) each

What an approximation leaves of a gradient stays in its device's memory, so in every round, on the
mean over the devices, gradient + old memory = approximation + new memory.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from link.update import Layout

Gradients = Mapping[int, np.ndarray]
"A round's devices', float32 (P,) each."


class Rival(Protocol):
    """One way to send gradients."""

    up_bytes: float
    "One message's."
    memory: dict[int, np.ndarray]
    "What each device has not sent yet, float32 (P,)."
    n_steps: int
    "Local steps of which the sum of all changes is sent in place of a gradient."
    has_momentum: bool
    "Whether its devices have it, so that the step behind the mean has none."

    def mean(self, gradients: Gradients) -> np.ndarray:
        """What the server makes of them, float32 (P,)."""


class Dense:
    """All of it as float32, after each step; the honest baseline."""

    has_momentum = False
    n_steps = 1

    def __init__(self, layout: Layout) -> None:
        self.up_bytes = 4.0 * layout.size
        self.memory: dict[int, np.ndarray] = {}

    def mean(self, gradients: Gradients) -> np.ndarray:
        return _mean(gradients)


class FedAvg(Dense):
    """The sum of many local steps as float32 (McMahan et al., arXiv:1602.05629)."""

    has_momentum = True
    n_steps = 8


class DGC:
    """Deep Gradient Compression (Lin et al., arXiv:1712.01887): momentum corrected and masked, the
    largest thousandth of all entries; a position and a value of 32 bits each.
    """

    has_momentum = True
    n_steps = 1

    def __init__(self, layout: Layout, share: float = 0.001, momentum: float = 0.9) -> None:
        self._k = max(1, round(share * layout.size))
        self._factor = momentum
        self._velocity: dict[int, np.ndarray] = {}
        self.up_bytes = 8.0 * self._k
        self.memory: dict[int, np.ndarray] = {}

    def mean(self, gradients: Gradients) -> np.ndarray:
        return _mean({each: self._sent(each, one) for each, one in gradients.items()})

    def _sent(self, device: int, gradient: np.ndarray) -> np.ndarray:
        velocity = self._factor * self._velocity.get(device, 0 * gradient) + gradient
        memory = self.memory.get(device, 0 * gradient) + velocity
        largest = np.argpartition(np.abs(memory), -self._k)[-self._k :]
        sent = np.zeros_like(memory)
        sent[largest] = memory[largest]
        velocity[largest] = 0
        self._velocity[device], self.memory[device] = velocity, memory - sent
        return sent


class SignSGD:
    """A bit an entry and a mean size a tensor, with error feedback (Karimireddy et al.,
    arXiv:1901.09847).
    """

    has_momentum = False
    n_steps = 1

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.up_bytes = layout.size / 8 + 4 * len(layout.names)
        self.memory: dict[int, np.ndarray] = {}

    def mean(self, gradients: Gradients) -> np.ndarray:
        return _mean({each: self._sent(each, one) for each, one in gradients.items()})

    def _sent(self, device: int, gradient: np.ndarray) -> np.ndarray:
        summed = self.memory.get(device, 0 * gradient) + gradient
        sizes = np.add.reduceat(np.abs(summed), self._layout.starts[:-1])
        per_tensor = sizes / np.diff(self._layout.starts)
        sent = np.where(summed < 0, -1, 1) * per_tensor[self._layout.tensor_of]
        self.memory[device] = (summed - sent).astype(np.float32)
        return sent.astype(np.float32)


class PowerSGD:
    """Matrices of low rank, averaged factor by factor, with error feedback (Vogels et al.,
    arXiv:1905.13727); a tensor is a matrix of an output channel a row, vectors are sent whole.
    """

    has_momentum = False
    n_steps = 1

    def __init__(self, layout: Layout, rank: int = 2, seed: int = 0) -> None:
        self._layout, self._rank = layout, rank
        rng = np.random.default_rng(seed)
        self._right: dict[str, np.ndarray] = {}
        self.up_bytes = 0.0
        for name, shape in zip(layout.names, layout.shapes, strict=True):
            rows, columns = shape[0], int(np.prod(shape[1:]))
            if self._is_matrix(rows, columns):
                self._right[name] = rng.standard_normal((columns, rank)).astype(np.float32)
                self.up_bytes += 4 * rank * (rows + columns)
            else:
                self.up_bytes += 4 * rows * columns
        self.memory: dict[int, np.ndarray] = {}

    def _is_matrix(self, rows: int, columns: int) -> bool:
        return self._rank * (rows + columns) < rows * columns

    def mean(self, gradients: Gradients) -> np.ndarray:
        summed = {each: self.memory.get(each, 0 * one) + one for each, one in gradients.items()}
        approximation = _mean(summed)
        for name, tensor in self._layout.unpack(approximation).items():
            if name in self._right:
                matrices = [
                    self._layout.unpack(one)[name].reshape(len(tensor), -1)
                    for one in summed.values()
                ]
                tensor[...] = self._low_rank(name, matrices).reshape(tensor.shape)
        for each, one in summed.items():
            self.memory[each] = one - approximation
        return approximation

    def _low_rank(self, name: str, matrices: list[np.ndarray]) -> np.ndarray:
        left = np.mean([one @ self._right[name] for one in matrices], axis=0)
        left, _ = np.linalg.qr(left)
        self._right[name] = np.mean([one.T @ left for one in matrices], axis=0)
        return left @ self._right[name].T


RIVALS = {"dense": Dense, "dgc": DGC, "signsgd": SignSGD, "powersgd": PowerSGD, "fedavg": FedAvg}


def _mean(gradients: Gradients) -> np.ndarray:
    return np.mean(list(gradients.values()), axis=0, dtype=np.float32)
