"""MCR², maximal coding rate reduction (Yu et al., arXiv:2006.08558): features apart by class,
compact within one.

All rates are in nats. The paper of DuPHiL writes D_in where both public code bases use the feature
dimension d; so do we. Stable by construction: float64 outside autocast, rows sorted by class
instead of a K × m × m membership tensor, Cholesky instead of a determinant, and always the smaller
of the two Gram matrices.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from host_training.training.recipe import EPS_SQ


@dataclass(frozen=True)
class RateReduction:
    """R, Rc and ΔR = R − Rc, scalars in nats."""

    coding_rate: Tensor
    class_coding_rate: Tensor

    @property
    def reduction(self) -> Tensor:
        return self.coding_rate - self.class_coding_rate


def unit_rows(features: Tensor) -> Tensor:
    """Features (m, d) on the unit sphere, in float64; a zero row stays zero."""
    return torch.nn.functional.normalize(features.double(), dim=1)


def _half_logdet(groups: Tensor, sizes: Tensor, eps_sq: float) -> Tensor:
    """½ logdet(I + d/(n ε²) ZᵀZ) of each group (…, m, d) of n rows z, the others zero, which add
    nothing.

    The determinant is the same for the m × m and the d × d Gram matrix.
    """
    m, d = groups.shape[-2:]
    gram = groups.mT @ groups if d <= m else groups @ groups.mT
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    cholesky = torch.linalg.cholesky(
        identity + gram * (d / (sizes.clamp(min=1).to(gram) * eps_sq))[..., None, None]
    )
    return cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _by_class(z: Tensor, labels: Tensor, sizes: Tensor) -> Tensor:
    """Rows (m, d) sorted into their classes (K, largest class, d), zeros behind the smaller
    ones.
    """
    order = labels.argsort(stable=True)
    sorted_labels = labels[order]
    first = sizes.cumsum(0) - sizes
    position = torch.arange(len(labels), device=labels.device) - first[sorted_labels]
    classes = z.new_zeros(len(sizes), int(sizes.max()), z.shape[1])
    return classes.index_put((sorted_labels, position), z[order])


def coding_rate(features: Tensor, eps_sq: float = EPS_SQ) -> Tensor:
    """R(Z, ε) of MCR² (arXiv:2006.08558, eq. 2), in nats; features (m, d) of any length; returns a
    float64 scalar.
    """
    with torch.autocast(features.device.type, enabled=False):
        return _half_logdet(
            unit_rows(features), torch.tensor(len(features), device=features.device), eps_sq
        )


def rate_reduction(features: Tensor, labels: Tensor, eps_sq: float = EPS_SQ) -> RateReduction:
    """R(Z) and Rc(Z, Π) of MCR² (eqs. 2, 3); features (m, d), labels int64 (m,); an empty class
    adds nothing.
    """
    with torch.autocast(features.device.type, enabled=False):
        z, sizes = unit_rows(features), labels.bincount()
        within = _half_logdet(_by_class(z, labels, sizes), sizes, eps_sq)
        return RateReduction(coding_rate(z, eps_sq), (within * sizes).sum() / len(z))
