"""SGD with Nesterov momentum and weight decay, as torch's, on one vector of weights."""

import numpy as np


class SGD:
    """Steps of one learning rate; momentum begins with none, or with what an earlier round left."""

    def __init__(
        self,
        learning_rate: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        velocity: np.ndarray | None = None,
    ) -> None:
        """`velocity`: the momentum that is carried, float32 (P,); it is changed."""
        self._learning_rate = np.float32(learning_rate)
        self._momentum, self._weight_decay = np.float32(momentum), np.float32(weight_decay)
        self.velocity = velocity
        "float32 (P,); None before the first step."

    def step(self, weights: np.ndarray, gradient: np.ndarray) -> None:
        """Move the weights (P,); the gradient (P,) is used up."""
        if self._weight_decay:
            gradient += self._weight_decay * weights
        if self._momentum:
            if self.velocity is None:
                self.velocity = gradient.copy()
            else:
                self.velocity *= self._momentum
                self.velocity += gradient
            gradient += self._momentum * self.velocity
        gradient *= self._learning_rate
        weights -= gradient
