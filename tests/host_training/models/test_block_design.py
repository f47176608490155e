"""Block designs by their own axioms: every pair is joined, loads are equal, planes are exact."""

from itertools import combinations

import numpy as np
import pytest

from host_training.models.block_design import MAX_NODES, MIN_NODES, dual, incidence, offsets

ALL = range(MIN_NODES, MAX_NODES + 1)
PLANES = {3: 2, 7: 3, 13: 4, 21: 5, 31: 6}
"Nodes and offsets of the cyclic projective planes of order 1, 2, 3, 4 and 5."


@pytest.mark.parametrize("n_nodes", ALL)
def test_a_cover_and_its_dual_join_every_pair_and_load_all_alike(n_nodes: int) -> None:
    cover = offsets(n_nodes)
    hears = incidence(cover, n_nodes)
    assert ((incidence(dual(cover, n_nodes), n_nodes) @ hears) > 0).all()
    assert (hears.sum(0) == len(cover)).all()
    assert (hears.sum(1) == len(cover)).all()
    assert (hears.diagonal() == 1).all()
    assert np.array_equal(incidence(dual(cover, n_nodes), n_nodes), hears.T)


@pytest.mark.parametrize("n_nodes", [n for n in ALL if n <= 12])
def test_no_smaller_cover_is_there(n_nodes: int) -> None:
    n_offsets = len(offsets(n_nodes))
    assert n_offsets * (n_offsets - 1) + 1 >= n_nodes
    smaller = n_offsets - 1
    for others in combinations(range(1, n_nodes), smaller - 1):
        seen = {(a - b) % n_nodes for a in (0, *others) for b in (0, *others)}
        assert len(seen) < n_nodes


@pytest.mark.parametrize(("n_nodes", "k"), PLANES.items())
def test_where_a_plane_exists_the_cover_is_one(n_nodes: int, k: int) -> None:
    hears = incidence(offsets(n_nodes), n_nodes)
    assert len(offsets(n_nodes)) == k
    ones = np.ones((n_nodes, n_nodes), int)
    assert np.array_equal(hears @ hears.T, (k - 1) * np.eye(n_nodes, dtype=int) + ones)
    values = np.linalg.svd(hears, compute_uv=False)
    assert values == pytest.approx([k, *[(k - 1) ** 0.5] * (n_nodes - 1)])


def test_the_designs_of_seven_and_thirteen_are_fanos_and_singers() -> None:
    assert offsets(7) == (0, 1, 3)
    assert offsets(13) == (0, 1, 3, 9)


@pytest.mark.parametrize("n_nodes", [-1, 0, 1, 33])
def test_as_many_nodes_cannot_be_wired(n_nodes: int) -> None:
    with pytest.raises(ValueError, match="2 to 32 can"):
        offsets(n_nodes)
