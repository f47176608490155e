"""Muon (Jordan, 2024) for convolution kernels: steps of momentum SGD, made orthogonal.

A kernel counts as a matrix, an output channel per row. Orthogonalised, a step moves all directions
of that matrix alike, also those in which gradients are small. `python -m tests.studies recipe`
holds it against SGD.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of X ← aX + (bXXᵀ + c(XXᵀ)²)X, which takes singular values in (0, 1] near 1 in five
steps.
"""
N_STEPS = 5


def orthogonalised(matrix: Tensor) -> Tensor:
    """Matrices (…, m, n), each with its singular values moved to between about 0.7 and 1.2."""
    a, b, c = NEWTON_SCHULZ
    is_tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if is_tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(N_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if is_tall else x


class Muon(torch.optim.Optimizer):
    """For kernels (out, in, height, width) that a batch norm follows, or several of them at once,
    (n, out, in, height, width).

    Their scale means nothing there, so it is held: the Frobenius norm at √out. torch.optim.Muon
    takes matrices only.
    """

    def __init__(self, kernels: Iterable[Tensor], lr: float, momentum: float) -> None:
        super().__init__(kernels, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update; `closure` is there for torch's sake."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:
                    continue
                momentum = self.state[kernel].setdefault(
                    "momentum_buffer", torch.zeros_like(kernel)
                )
                momentum.mul_(group["momentum"]).add_(kernel.grad)
                ahead = kernel.grad.add(momentum, alpha=group["momentum"])
                norms = torch.linalg.vector_norm(kernel, dim=(-4, -3, -2, -1), keepdim=True)
                kernel.mul_(kernel.shape[-4] ** 0.5 / norms)
                step = orthogonalised(ahead.flatten(-3)).reshape(kernel.shape)
                kernel.sub_(step, alpha=group["lr"])
