"""Learner: a round on a node. From the run's weights it takes H steps on its own shard; nothing of
the images leaves it but the weights that it ends with.

    learned = learner.train(work.weights, work.round_)      # Learned, or PausedError

Everything random in a step follows from (seed, device, step), and what a round has come to is on
the disk, so that one that is broken off, by a limit or a kill, goes on and ends with the same bits.
The contract is that of the torch worker (host_training/distributed/learner/worker.py).
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from device.training.limits import Allowance, Limits, Reason, Stop
from device.training.network import Network
from device.training.sgd import SGD
from device.training.shard import Shard
from link.base import durable
from link.update import FRESH, MASKED, RunSettings, weights_hash
from link.update.device_end import Learned

STATE = "learner.npz"
FORMAT = 1
SAVE_EVERY_S = 60.0


class PausedError(Exception):
    """A limit stands against another step; what is done of the round is kept."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.reason.value)
        self.stop = stop


class AbandonedError(Exception):
    """The round is not wanted any more."""


class DivergedError(Exception):
    """The weights of a round are no numbers any more."""


class Clock(Protocol):
    """Where a learner has its times from."""

    def monotonic(self) -> float:
        """Seconds, for how long something took."""

    def time(self) -> float:
        """Unix time, for the hours of the day."""


@dataclass
class _Progress:
    """How far a round is."""

    round_: int
    base: bytes
    "Hash of the weights that it began with."
    weights: np.ndarray
    n_steps: int = 0
    loss_sum: float = 0.0
    velocity: np.ndarray | None = None
    "That it began with, where momentum is carried."


class Learner:
    """One device's shard, and what it carries from round to round."""

    def __init__(
        self,
        network: Network,
        shard: Shard,
        settings: RunSettings,
        folder: Path | None = None,
        limits: Limits | None = None,
        clock: Clock = time,
    ) -> None:
        """`folder`: where its state is kept; None: nowhere."""
        self._network, self._shard, self._settings = network, shard, settings
        self._bias = settings.score_bias(shard.n_each) if settings.prior_weight else None
        self._path = None if folder is None else folder / STATE
        self._clock = clock
        self._velocity: np.ndarray | None = None
        self._statistics: np.ndarray | None = None
        self._sent: np.ndarray | None = None
        self._last_round: int | None = None
        self._progress: _Progress | None = None
        self._saved: tuple[int, bytes, int] | None = None
        self.damage: str | None = None
        "Why the state on disk was set aside; the round then begins anew."
        self._allowance = Allowance(limits or Limits(), self._load())

    def freeze(self, statistics: np.ndarray) -> None:
        """Batch norms' mean and variance, float32 (S,), for the rounds in which settings have them
        frozen.
        """
        self._statistics = statistics

    def settle(self, last_round: int) -> None:
        """The round whose update was made last: the momentum of one that was begun since, and is
        not wanted any more, is forgotten with it.
        """
        self._last_round = last_round

    def forget(self, sent: np.ndarray) -> None:
        """Momentum of entries that were sent, int64 (K,), is gone when the next round begins, if
        settings say so (arXiv:1712.01887, 3.2).
        """
        self._sent = sent if self._settings.momentum_kind == MASKED else None

    def train(
        self,
        weights: np.ndarray,
        round_: int,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Learned:
        """H steps from weights float32 (P,), which stay as they are; fewer where the round's time,
        the day's energy or the hours end before.

        PausedError where not a step was possible, or it is too hot: the same call goes on later.
        AbandonedError when `is_wanted()` says no between two steps. DivergedError where the weights
        ran away; the round is forgotten.
        """
        progress = self._begin(weights, round_)
        settings = self._settings
        sgd = SGD(
            settings.learning_rate(round_),
            settings.momentum,
            settings.weight_decay,
            self._velocity,
        )
        saved_s = self._clock.monotonic()
        while progress.n_steps < settings.n_steps:
            if not is_wanted():
                raise AbandonedError
            if stop := self._allowance.stop(self._clock.time()):
                if stop.reason is Reason.HEAT or not progress.n_steps:
                    self._save()
                    raise PausedError(stop)
                break
            began_s = self._clock.monotonic()
            with np.errstate(all="ignore"):  # weights that run away are found at the round's end
                self._step(progress, sgd)
            now_s = self._clock.monotonic()
            self._allowance.spend(now_s - began_s, self._clock.time())
            if now_s - saved_s >= SAVE_EVERY_S:
                self._save()
                saved_s = now_s
        if not np.isfinite(progress.weights).all():
            self._progress = self._velocity = None
            raise DivergedError("training diverged; the run's learning rate is too high for it")
        self._save()
        n_images = progress.n_steps * self._shard.batch_images
        return Learned(progress.weights.copy(), n_images, progress.loss_sum / progress.n_steps)

    def _begin(self, weights: np.ndarray, round_: int) -> _Progress:
        """The round that was begun before with these weights, or a new one."""
        base, found = weights_hash(weights), self._progress
        if found is not None and (found.round_, found.base) == (round_, base):
            return found
        if found is not None and self._last_round not in (None, found.round_):
            self._velocity = found.velocity
        if self._settings.momentum_kind == FRESH:
            self._velocity = None
        elif self._velocity is not None and self._sent is not None:
            self._velocity[self._sent] = 0
        self._allowance.begin_round()
        before = None if self._velocity is None else self._velocity.copy()
        self._progress = _Progress(round_, base, np.array(weights, np.float32), velocity=before)
        return self._progress

    def _step(self, progress: _Progress, sgd: SGD) -> None:
        settings, network = self._settings, self._network
        batch = self._shard.batch(progress.round_ * settings.n_steps + progress.n_steps)
        draws = network.draws(batch.rng, len(batch.labels))
        is_frozen = progress.round_ >= settings.frozen_from_round
        statistics = self._statistics if is_frozen else None
        step = network.gradient(
            progress.weights, batch.images, batch.labels, draws, statistics, self._bias
        )
        sgd.step(progress.weights, step.gradient)
        self._velocity = sgd.velocity
        progress.n_steps += 1
        progress.loss_sum += step.loss

    def _save(self) -> None:
        if self._path is None or self._progress is None:
            return
        progress = self._progress
        if not np.isfinite(progress.weights).all():
            return
        if self._saved == (mark := (progress.round_, progress.base, progress.n_steps)):
            return
        head = {
            "format": FORMAT,
            "run": self._settings.run_id.hex(),
            "round": progress.round_,
            "base": progress.base.hex(),
            "n_steps": progress.n_steps,
            "loss_sum": progress.loss_sum,
            "spent": self._allowance.spent,
        }
        arrays = {"weights": progress.weights}
        if self._velocity is not None:
            arrays["velocity"] = self._velocity
        if progress.velocity is not None:
            arrays["before"] = progress.velocity
        with durable.whole(self._path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, head=np.array(json.dumps(head)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        self._saved = mark

    def _load(self) -> tuple[int, float]:
        """What is left of an earlier process; how much energy it had spent."""
        if self._path is None or not self._path.exists():
            return 0, 0.0
        try:
            with np.load(self._path, allow_pickle=False) as file:
                arrays: dict[str, Any] = dict(file)
            head = json.loads(str(arrays.pop("head")))
            if head["format"] != FORMAT or head["run"] != self._settings.run_id.hex():
                raise ValueError(f"it is of run {head['run']}")
            weights, velocity = arrays.pop("weights"), arrays.pop("velocity", None)
            before = arrays.pop("before", None)
            if any(
                one is not None and one.shape != (self._network.n_weights,)
                for one in (weights, velocity, before)
            ):
                raise ValueError("it is of another network")
        except Exception as error:  # a damaged archive raises many kinds
            aside = durable.set_aside(self._path).name
            self.damage = (
                f"what was learned of a round is unusable ({error}); it is kept as {aside}"
            )
            return 0, 0.0
        self._velocity = velocity
        self._progress = _Progress(
            head["round"],
            bytes.fromhex(head["base"]),
            weights,
            head["n_steps"],
            head["loss_sum"],
            before,
        )
        day, joules = head["spent"]
        return day, joules
