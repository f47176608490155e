"""A device that lies: `latentlink learn` as it is, but for what it says it learned: noise, ten
times as long as that, signed as it should be.
"""

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from device.training import __main__ as program
from device.training.learner import Learner
from link.update.device_end import Learned

TIMES = 10.0


class Liar(Learner):
    """Always the same noise in the same round: a run with it can be done again."""

    def train(self, weights: np.ndarray, round_: int, *others: Any) -> Learned:
        learned = super().train(weights, round_, *others)
        noise = np.random.default_rng(round_).standard_normal(len(weights), np.float32)
        moved = np.linalg.norm(learned.weights - weights)
        noise *= np.float32(TIMES * moved / np.linalg.norm(noise))
        return replace(learned, weights=weights + noise)


if __name__ == "__main__":
    program.Learner = Liar  # type: ignore[misc]
    sys.exit(program.main())
