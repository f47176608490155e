"""Mixture: the coder's own probability model as a part of the loss.

The node's symbols are coded with a mixture over latent classes, each a product of one table for
each latent (link.coder.tables). Here its tables and weights are learned with the encoder:

    bits(y) = −log₂ Σ_k π_k Π_d p_kd(y_d)

For whole numbers that is what the coder spends. Between two of them log p_kd is interpolated, so
the gradient by y is the difference of bits that rounding to one or the other makes.
"""

import math

import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

SPAN = 64
"Symbols that a table covers, around the latent's mean; what lies outside counts as its outermost."
PRIOR_STRENGTH = 1.0
"Weight of all images' histogram in each component's first table, in images."
LEAST_COUNT = 1e-3
"What a symbol that no image has counts, in images."


class SymbolMixture(nn.Module):
    """K components for D latents; says nothing until `fit`."""

    minimum: Tensor
    "float32 (D,): each latent's first symbol."
    is_fitted: Tensor
    symbols: Tensor

    def __init__(self, n_latents: int, n_components: int) -> None:
        super().__init__()
        self.register_buffer("minimum", torch.full((n_latents,), -SPAN / 2))
        self.register_buffer("symbols", torch.arange(float(SPAN)), persistent=False)
        self.register_buffer("is_fitted", torch.tensor(False))
        self.logits = nn.Parameter(torch.zeros(n_latents, SPAN, n_components))
        self.weights = nn.Parameter(torch.zeros(n_components))

    @property
    def log_tables(self) -> Tensor:
        """log p_kd of each symbol, (D, SPAN, K)."""
        return self.logits.log_softmax(1)

    def bits(self, latents: Tensor) -> Tensor:
        """What each image costs, (N,); latents (N, D), rounded or not."""
        joint = self._shares(latents).flatten(1) @ self.log_tables.flatten(0, 1)
        return -(joint + self.weights.log_softmax(0)).logsumexp(1) / math.log(2)

    @torch.no_grad()
    def fit(self, symbols: Tensor, labels: Tensor, seed: int) -> None:
        """Begin with clusters of these symbols (N, D), within each class of labels (N,)."""
        self.minimum.copy_((symbols.mean(0) - SPAN / 2).round())
        n_components = len(self.weights)
        membership = _clusters(symbols, labels, n_components, seed)
        shares = self._shares(symbols).flatten(1)
        counts = (shares.T @ membership).reshape(self.logits.shape)
        usual = (shares.mean(0) + LEAST_COUNT / len(symbols)).reshape(len(self.minimum), SPAN, 1)
        self.logits.copy_((counts + PRIOR_STRENGTH * usual).log())
        self.weights.copy_((membership.sum(0) + PRIOR_STRENGTH / n_components).log())
        self.is_fitted.fill_(True)

    def _shares(self, latents: Tensor) -> Tensor:
        """Shares of the symbols in latents (N, D), (N, D, SPAN); between two by distance."""
        place = (latents - self.minimum).clamp(0, SPAN - 1)
        return (1 - (place[:, :, None] - self.symbols).abs()).clamp(min=0)


def _clusters(symbols: Tensor, labels: Tensor, n_clusters: int, seed: int) -> Tensor:
    """One-hot memberships (N, K): k-means within each class, over all images when there are more
    classes than clusters.
    """
    classes = labels.unique()
    groups = [labels == one for one in classes] if n_clusters >= len(classes) else [labels >= 0]
    bounds = [n_clusters * i // len(groups) for i in range(len(groups) + 1)]
    membership = torch.zeros(len(symbols), n_clusters, device=symbols.device)
    for group, first, last in zip(groups, bounds, bounds[1:], strict=False):
        members = group.nonzero().flatten()
        k = min(last - first, len(members))
        points = symbols[members].cpu().numpy()
        found = MiniBatchKMeans(k, random_state=seed, n_init=1).fit_predict(points)
        membership[members, first + torch.from_numpy(found).to(members)] = 1
    return membership
