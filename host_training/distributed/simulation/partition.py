"""Partition: which images lie on which device. All devices have as many; their classes are mixed as
in the whole, or drawn from a Dirichlet distribution (Hsu et al., arXiv:1909.06335): the smaller its
alpha, the fewer classes a device knows.
"""

import numpy as np


def deal(labels: np.ndarray, n_devices: int, alpha: float | None, seed: int) -> list[np.ndarray]:
    """Indices of each device's images, sorted; `labels` int64 (N,); alpha None: mixed. What is left
    over of N / n_devices is nobody's.
    """
    rng = np.random.default_rng((seed, n_devices))
    n_each = len(labels) // n_devices
    if not n_each:
        raise ValueError(f"{len(labels)} images are not enough for {n_devices} devices")
    if alpha is None:
        order = rng.permutation(len(labels))[: n_each * n_devices]
        return [np.sort(part) for part in order.reshape(n_devices, n_each)]
    pools = [list(rng.permutation(np.flatnonzero(labels == each))) for each in np.unique(labels)]
    return [np.sort(_drawn(pools, n_each, alpha, rng)) for _ in range(n_devices)]


def _drawn(pools: list[list[int]], n: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """n images out of the classes' pools, in shares that are this device's own."""
    shares = np.maximum(rng.dirichlet(np.full(len(pools), alpha)), 1e-12)
    drawn: list[int] = []
    while len(drawn) < n:
        left = np.array([len(pool) for pool in pools])
        now = shares * (left > 0)
        wanted = rng.multinomial(n - len(drawn), now / now.sum())
        for pool, count in zip(pools, np.minimum(wanted, left), strict=True):
            drawn += [pool.pop() for _ in range(count)]
    return np.array(drawn)
