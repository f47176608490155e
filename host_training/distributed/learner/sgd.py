"""SGD with Nesterov's momentum on one vector, the same floating-point operations as
torch.optim.SGD: devices make and drop one in every round, and torch's takes longer to make than a
step of a small model.
"""

import torch
from torch import Tensor


class SGD:
    """Steps of one vector, float32 (P,), by its gradient."""

    def __init__(self, vector: Tensor, gradient: Tensor, momentum: float, decay: float) -> None:
        """`decay`: of the weights, added to the gradient."""
        self._vector, self._gradient = vector, gradient
        self._factor, self._decay = momentum, decay
        self.momentum: Tensor | None = None
        "What past gradients left, (P,); None before the first step."

    @torch.no_grad()
    def step(self, rate: float) -> None:
        gradient = self._gradient
        if self._decay:
            gradient = gradient.add(self._vector, alpha=self._decay)
        if self._factor:
            if self.momentum is None:
                self.momentum = gradient.clone()
            else:
                self.momentum.mul_(self._factor).add_(gradient)
            gradient = gradient.add(self.momentum, alpha=self._factor)
        self._vector.add_(gradient, alpha=-rate)
