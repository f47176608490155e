"""Block designs: which nodes hear which, so that two exchanges join every pair of them.

Node g of n hears the nodes g + d (mod n) for each offset d of a difference cover: every difference
of two nodes is one of two offsets, so N, the matrix of who hears whom, followed by its dual, who is
heard by whom, joins all pairs. Where every difference occurs once, the cover is a cyclic symmetric
block design (v, k, 1), a projective plane: N Nᵀ = (k − 1) I + J, the best expander at its density.
Bose, "On the construction of balanced incomplete block designs", 1939.
"""

from collections.abc import Sequence
from functools import cache
from itertools import count

import numpy as np

MIN_NODES, MAX_NODES = 2, 32


@cache
def offsets(n_nodes: int) -> tuple[int, ...]:
    """The smallest difference cover modulo `n_nodes`, the first in order; 0, the node itself, is
    in it.
    """
    if not MIN_NODES <= n_nodes <= MAX_NODES:
        raise ValueError(f"{n_nodes} nodes cannot be wired; {MIN_NODES} to {MAX_NODES} can")
    for size in count(2):
        if found := _extended((0,), 1, size, n_nodes):
            return found
    raise AssertionError("all offsets together are a cover")


def dual(cover: Sequence[int], n_nodes: int) -> tuple[int, ...]:
    """Offsets of the transposed matrix: whom a node is heard by."""
    return tuple(-offset % n_nodes for offset in cover)


def incidence(cover: Sequence[int], n_nodes: int) -> np.ndarray:
    """N, int64 (n, n): row g has a 1 for each node that node g hears."""
    matrix = np.zeros((n_nodes, n_nodes), np.int64)
    nodes = np.arange(n_nodes)
    for offset in cover:
        matrix[nodes, (nodes + offset) % n_nodes] = 1
    return matrix


def _extended(
    chosen: tuple[int, ...], seen: int, size: int, n_nodes: int
) -> tuple[int, ...] | None:
    """The first cover of that size that begins with `chosen`; bit d of `seen`: difference d is
    there.
    """
    n_left, n_missing = size - len(chosen), n_nodes - seen.bit_count()
    if not n_missing and not n_left:
        return chosen
    if n_left * (2 * len(chosen) + n_left - 1) < n_missing:
        return None
    for offset in range(chosen[-1] + 1, n_nodes - n_left + 1):
        new = seen
        for other in chosen:
            new |= 1 << (offset - other) | 1 << (other - offset) % n_nodes
        if found := _extended((*chosen, offset), new, size, n_nodes):
            return found
    return None
