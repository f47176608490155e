"""Fleet: the simulated devices of a run, each made when it is needed.

A few are kept in memory. Of many, each one's end lies in a file of its own, and is read for as long
as the device does something. Where devices hold too few images to fill a memory of their own, a
gateway adds up what its devices learned: to the server it is one device, with one memory.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from host_training.data.dataset import Split
from host_training.distributed.learner.flat_model import FlatModel
from host_training.distributed.learner.objective import Objective
from host_training.distributed.learner.worker import Worker
from link.update import FRESH, RunSettings
from link.update.device_end import DeviceEnd, Learned

SERVER = -1
MAX_KEPT = 64
"Devices that are in memory at once where all are on the disk."


def key_of(run: bytes, number: int) -> Ed25519PrivateKey:
    """A simulated device's or server's: no secret, as all of it is in one process."""
    return Ed25519PrivateKey.from_private_bytes(
        hashlib.sha256(b"simulated" + run + number.to_bytes(4, "big", signed=True)).digest()
    )


def public_keys(settings: RunSettings) -> dict[int, Ed25519PublicKey]:
    """All simulated devices', by number."""
    run = settings.run_id
    return {number: key_of(run, number).public_key() for number in range(settings.n_devices)}


class Gateway:
    """The learner of a gateway: in each round some of its devices train, and it adds up."""

    def __init__(self, workers: Sequence[Callable[[], Worker]], n_each: int, seed: int) -> None:
        """`workers`: of all its devices; `n_each` of them train in a round, drawn by `seed`."""
        self._workers, self._n_each, self._seed = workers, n_each, seed

    def train(self, weights: np.ndarray, round_: int) -> Learned:
        """As Worker.train, with the mean of what its devices moved."""
        rng = np.random.default_rng((self._seed, round_))
        drawn = rng.choice(len(self._workers), min(self._n_each, len(self._workers)), False)
        learned = [self._workers[each]().train(weights, round_) for each in sorted(drawn)]
        n_images = np.array([each.n_images for each in learned])
        mean = np.zeros(len(weights))
        for each, n in zip(learned, n_images, strict=True):
            mean += n / n_images.sum() * (weights - each.weights)
        loss = float(np.average([each.loss for each in learned], weights=n_images))
        return Learned(weights - mean.astype(np.float32), int(n_images.sum()), loss)

    def freeze(self, statistics: np.ndarray) -> None:
        """As Worker.freeze; all its devices share a model."""
        self._workers[0]().freeze(statistics)

    def forget(self, sent: np.ndarray) -> None:
        """Its devices keep no momentum."""


@dataclass(eq=False)
class Device:
    """One simulated device."""

    number: int
    end: DeviceEnd
    learner: "Worker | Gateway"
    key: Ed25519PrivateKey


class Fleet:
    """Devices by number."""

    def __init__(
        self,
        flat: FlatModel,
        initial: np.ndarray,
        split: Split,
        parts: Sequence[np.ndarray],
        settings: RunSettings,
        *,
        n_per_gateway: int = 1,
        n_each: int = 1,
        folder: Path | None = None,
        objective: Objective | None = None,
    ) -> None:
        """`parts`: each device's images, as indices of `split`; `n_per_gateway` devices stand
        behind one gateway, `n_each` of which train when it is asked; `folder`: where the ends'
        states are kept, None: in memory.
        """
        if len(parts) != settings.n_devices * n_per_gateway:
            raise ValueError(
                f"images for {len(parts)} devices, of which {settings.n_devices} times "
                f"{n_per_gateway} are needed"
            )
        if settings.momentum_kind != FRESH and (folder is not None or n_per_gateway > 1):
            raise ValueError(
                "devices that are many keep no momentum from round to round; take momentum "
                f"'{FRESH}', not '{settings.momentum_kind}'"
            )
        self._flat, self._initial, self._split, self._parts = flat, initial, split, parts
        self._settings, self._folder, self._objective = settings, folder, objective
        self._n_per_gateway, self._n_each = n_per_gateway, n_each
        self._server_key = key_of(settings.run_id, SERVER).public_key()
        self._kept: dict[int, Device] = {}

    def __call__(self, number: int) -> Device:
        if number in self._kept:
            return self._kept[number]
        if self._folder is not None and len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        settings, key = self._settings, key_of(self._settings.run_id, number)
        folder = None if self._folder is None else self._folder / f"{number:06}"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        end = DeviceEnd(
            settings, self._flat.layout, number, key, self._server_key, self._initial, folder
        )
        device = self._kept[number] = Device(number, end, self._learner(number), key)
        return device

    def _learner(self, number: int) -> Worker | Gateway:
        if self._n_per_gateway == 1:
            return self._worker(number)
        first = number * self._n_per_gateway
        members = range(first, first + self._n_per_gateway)
        seed = self._settings.seed * self._settings.n_devices + number
        workers = [partial(self._worker, each) for each in members]
        return Gateway(workers, self._n_each, seed)

    def _worker(self, number: int) -> Worker:
        shard = self._split.subset(self._parts[number])
        return Worker(self._flat, shard, self._settings, number, self._objective)
