"""Drift: whether a node sees other things than it used to.

Two running means of the class probabilities, of about the last 50 images and of about the last
1,000; their distance is half the sum of the absolute differences (total variation), from 0 to 1.
"""

import numpy as np

FAST, SLOW = 50, 1000
"Images that a mean remembers."
MIN_IMAGES = 100


class Drift:
    """One node, since the host's start."""

    def __init__(self) -> None:
        self.n_images = 0
        self._means: dict[int, np.ndarray] = {}

    def add(self, probabilities: np.ndarray) -> None:
        """float32 (classes,) of one image; with other classes than before it begins anew."""
        if self._means and self._means[FAST].shape != probabilities.shape:
            self.n_images, self._means = 0, {}
        self.n_images += 1
        for memory in (FAST, SLOW):
            mean = self._means.get(memory, np.zeros(probabilities.shape))
            self._means[memory] = mean + (probabilities - mean) / min(self.n_images, memory)

    @property
    def distance(self) -> float | None:
        """None: too few images came."""
        if self.n_images < MIN_IMAGES:
            return None
        return float(np.abs(self._means[FAST] - self._means[SLOW]).sum() / 2)
