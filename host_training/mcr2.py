"""MCR², maximal coding rate reduction (Yu et al., arXiv:2006.08558): features apart by class, compact within one.

All rates are in nats. The paper of DuPHiL writes D_in where both public code bases use the feature dimension d; so do
we. Stable by construction: float64 outside autocast, index classes instead of a K × m × m membership tensor, Cholesky
instead of a determinant, and always the smaller of the two Gram matrices.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

EPS_SQ = 0.5
"Squared precision ε² of the saved run of DuPHiL's authors and of MCR²'s."


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


def _half_logdet(features: Tensor, eps_sq: float) -> Tensor:
    """½ logdet(I + d/(m ε²) ZᵀZ) for rows z; the determinant is the same for the m × m and the d × d Gram matrix."""
    m, d = features.shape
    gram = features.T @ features if d <= m else features @ features.T
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    cholesky = torch.linalg.cholesky(identity + gram * (d / (m * eps_sq)))
    return cholesky.diagonal().log().sum()


def coding_rate(features: Tensor, eps_sq: float = EPS_SQ) -> Tensor:
    """R(Z, ε) of MCR² (arXiv:2006.08558, eq. 2), in nats; features (m, d) of any length; returns a float64 scalar."""
    with torch.autocast(features.device.type, enabled=False):
        return _half_logdet(unit_rows(features), eps_sq)


def rate_reduction(features: Tensor, labels: Tensor, eps_sq: float = EPS_SQ) -> RateReduction:
    """R(Z) and Rc(Z, Π) of MCR² (eqs. 2, 3); features (m, d), labels int64 (m,); an empty class adds nothing."""
    with torch.autocast(features.device.type, enabled=False):
        z = unit_rows(features)
        total = _half_logdet(z, eps_sq)
        within = torch.zeros_like(total)
        for label in labels.unique():
            members = z[labels == label]
            within = within + len(members) / len(z) * _half_logdet(members, eps_sq)
        return RateReduction(total, within)
