"""Clusters: latents that lie close together, by k-means (Lloyd, 1982) with the seeding of k-means++
(Arthur and Vassilvitskii, 2007).

Distances are of symbols: all latents of a bundle have one step, so that dequantised ones have the
same. More clusters than classes is right, since folders are easily put together and pictures hardly
told apart.
"""

from dataclasses import dataclass

import numpy as np

N_TRIES, N_ROUNDS = 8, 50
"Beginnings, of which the best end counts; most settle in ten rounds."
MAX_USUAL = 24
"Clusters that one person looks through at a time."


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster each of N points belongs to."""

    members: np.ndarray
    "int64 (N,), from 0, the largest cluster first."
    distances: np.ndarray
    "float64 (N,), to the mean of its cluster."

    @property
    def n(self) -> int:
        return int(self.members.max(initial=-1)) + 1

    def of(self, cluster: int) -> np.ndarray:
        """Its points, the most typical first, int64 (n,)."""
        places = np.flatnonzero(self.members == cluster)
        return places[np.argsort(self.distances[places], kind="stable")]


def usual_number(n_points: int) -> int:
    """As many clusters as a hundred pictures are labelled with in minutes: ten."""
    return max(1, min(MAX_USUAL, round(n_points**0.5)))


def cluster(points: np.ndarray, n_clusters: int, seed: int = 0) -> Clusters:
    """Points (N, D) in at most so many clusters, the same for the same seed."""
    points = points.astype(np.float64)
    n_clusters = min(n_clusters, len(np.unique(points, axis=0)))
    rng = np.random.default_rng(seed)
    tries = (_settled(points, _seeds(points, n_clusters, rng)) for _ in range(N_TRIES))
    means = min(tries, key=lambda means: _squares(points, means).min(axis=1).sum())
    squares = _squares(points, means)
    nearest = squares.argmin(axis=1)
    by_size = np.argsort(-np.bincount(nearest, minlength=len(means)), kind="stable")
    number = np.empty(len(means), np.int64)
    number[by_size] = np.arange(len(means))
    return Clusters(number[nearest], np.sqrt(squares.min(axis=1)))


def _seeds(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Points (n, D), each drawn by its squared distance to those before."""
    chosen = [points[rng.integers(len(points))]]
    while len(chosen) < n:
        squares = _squares(points, np.array(chosen)).min(axis=1)
        chosen.append(points[rng.choice(len(points), p=squares / squares.sum())])
    return np.array(chosen)


def _settled(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Means (K, D) that are those of the points nearest to them; one without any is left out."""
    before = None
    for _ in range(N_ROUNDS):
        nearest = _squares(points, means).argmin(axis=1)
        if before is not None and np.array_equal(nearest, before):
            break
        before = nearest
        means = np.array([points[nearest == k].mean(axis=0) for k in np.unique(nearest)])
    return means


def _squares(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Squared distances (N, K)."""
    products = points @ means.T
    found: np.ndarray = (points**2).sum(1)[:, None] - 2 * products + (means**2).sum(1)[None]
    return np.maximum(found, 0.0)
