"""Importance rotation: the latents of a finished model rotated so that the most important come
first, at no cost.

Our reading of NAIR (IEEE IoT-J 11(12), 2024), of which only the abstract is public: no retraining,
no further model. A rotation is folded into the node's last and the host's first dense layer, so
neither end computes more than before.

    y latents, with mean μ and covariance Σ
    G = E[g gᵀ], g the loss's gradient by y, on labels the model itself draws
    Σ^½ G Σ^½ = U Λ Uᵀ, Λ falling             losing coordinate i of Uᵀ Σ^-½ (y − μ) costs ½ Λ_i
                                              nats, to second order
    z = (Λ^½ / Δ) Uᵀ Σ^-½ (y − μ)             rounded to symbols: rounding each costs the same,
                                              Δ²/24 nats
    y_hat = μ + Σ^½ U Λ^-½ Δ z                a coordinate that has not arrived is 0, its linear
                                              estimate

With G = I this is principal component analysis.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from export.encoder.fold import FoldedDecoder, FoldedEncoder, with_weights

SEED = 0
GRADIENT_BATCH = 500
SMALLEST = 1e-6
"Share of the largest eigenvalue below which a direction counts as constant."
SMALLEST_DEVIATION = 0.15
"A coordinate that varies less rounds to 0 in all but one image of a thousand."


@dataclass(frozen=True, eq=False)
class Rotation:
    """z = analysis (y − mean) and y = mean + synthesis z, for D latents y and n ≤ D symbols z
    before rounding.
    """

    mean: Tensor
    "float64 (D,)"
    analysis: Tensor
    "float64 (n, D)"
    synthesis: Tensor
    "float64 (D, n)"
    importance: Tensor
    "float64 (n,), falling: what losing each coordinate costs, in nats."
    deviation: Tensor
    "float64 (n,), falling: standard deviation of each coordinate before rounding."

    @property
    def n_useful(self) -> int:
        """How many coordinates say anything once they are rounded; at least one."""
        return max(int((self.deviation > SMALLEST_DEVIATION).sum()), 1)

    def leading(self, n_latents: int) -> "Rotation":
        """Only the most important coordinates; the others stay at their mean."""
        return Rotation(
            self.mean,
            self.analysis[:n_latents],
            self.synthesis[:, :n_latents],
            self.importance[:n_latents],
            self.deviation[:n_latents],
        )


def sensitivity(decoder: nn.Module, latents: Tensor) -> Tensor:
    """G = E[g gᵀ], float64 (D, D), at latents (N, D): the Fisher information of the decoder's own
    prediction.

    The decoder maps symbols (N, D) to class scores (N, K). Labels are drawn from its softmax, so
    none are needed.
    """
    generator = torch.Generator().manual_seed(SEED)
    total = torch.zeros(latents.shape[1], latents.shape[1], dtype=torch.float64)
    for part in latents.split(GRADIENT_BATCH):
        symbols = part.float().requires_grad_()
        scores = decoder.eval()(symbols)
        drawn = torch.multinomial(scores.detach().softmax(1), 1, generator=generator)[:, 0]
        [gradients] = torch.autograd.grad(cross_entropy(scores, drawn, reduction="sum"), symbols)
        total += gradients.double().T @ gradients.double()
    return total / len(latents)


def rotation(latents: Tensor, weight: Tensor, coarseness: float = 1.0) -> Rotation:
    """The rotation for latents (N, D) under the sensitivity `weight` (D, D).

    With `coarseness` 1, rounding z costs as much as rounding y, to second order: Δ² = tr(G) / D;
    larger is fewer bits.
    """
    latents, weight = latents.double(), weight.double()
    mean = latents.mean(0)
    variance, axes = torch.linalg.eigh(torch.cov(latents.T))
    deviation = variance.clamp(min=SMALLEST * float(variance.max())).sqrt()
    root, inverse_root = (axes * deviation) @ axes.T, (axes / deviation) @ axes.T
    curvature, basis = torch.linalg.eigh(root @ weight @ root)
    curvature, basis = curvature.flip(0), basis.flip(1)
    step = coarseness * (weight.trace() / len(weight)).sqrt()
    scale = curvature.clamp(min=SMALLEST * float(curvature.max())).sqrt() / step
    analysis, synthesis = scale[:, None] * (basis.T @ inverse_root), (root @ basis) / scale
    return Rotation(mean, analysis, synthesis, curvature / 2, curvature.clamp(min=0).sqrt() / step)


def fold_rotation(
    encoder: FoldedEncoder, decoder: FoldedDecoder, by: Rotation
) -> tuple[FoldedEncoder, FoldedDecoder]:
    """Encoder and decoder whose latents are z; before rounding the whole is the same function."""
    last = encoder.dense[-1]
    assert isinstance(last, nn.Conv2d)
    n_latents = len(by.importance)
    analysed = nn.Conv2d(last.in_channels, n_latents, 1)
    weight, bias = last.weight.double().flatten(1), last.bias.double()  # type: ignore[union-attr]
    with_weights(
        analysed,
        (by.analysis @ weight)[:, :, None, None],
        by.analysis @ (bias - by.mean),
    )
    first = decoder.first
    synthesised = with_weights(
        nn.Linear(n_latents, first.out_features),
        first.weight.double() @ by.synthesis,
        first.bias.double() + first.weight.double() @ by.mean,
    )
    return encoder.with_last(analysed), FoldedDecoder(synthesised, decoder.rest)
