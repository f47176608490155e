"""Wirings: as many are heard as said, by whom it was said, and nobody twice."""

from typing import get_args

import numpy as np
import pytest

from host_training.models.architecture import Wiring
from host_training.models.block_design import offsets
from host_training.models.wiring import heard, sources

WIRINGS = get_args(Wiring)


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("n_nodes", [2, 3, 5, 7, 13])
def test_every_node_hears_itself_first_nobody_twice_and_all_are_heard_alike(
    wiring: Wiring, n_nodes: int
) -> None:
    for exchange in (0, 1):
        nodes = heard(wiring, n_nodes, exchange)
        assert nodes[:, 0].tolist() == list(range(n_nodes))
        assert all(len(set(row)) == nodes.shape[1] for row in nodes.tolist())
        assert len(set(np.bincount(nodes.ravel(), minlength=n_nodes))) == 1


@pytest.mark.parametrize("wiring", ["ring", "random", "design"])
def test_rivals_of_the_design_hear_as_many(wiring: Wiring) -> None:
    assert heard(wiring, 7, 0).shape == (7, len(offsets(7)))


def test_only_the_design_joins_all_pairs_of_seven_by_two_exchanges() -> None:
    def joined(wiring: Wiring) -> int:
        step = [np.zeros((7, 7), int), np.zeros((7, 7), int)]
        for exchange, matrix in enumerate(step):
            np.put_along_axis(matrix, heard(wiring, 7, exchange), 1, 1)
        return int(((step[1] @ step[0]) > 0).sum())

    assert joined("design") == 49
    assert joined("ring") < 49
    assert joined("random") < 49


def test_random_wirings_are_drawn_anew_and_repeat() -> None:
    draws = [heard("random", 7, 0, draw).tolist() for draw in range(5)]
    assert len({str(draw) for draw in draws}) == 5
    assert heard("random", 7, 0, 3).tolist() == draws[3]
    assert heard("random", 7, 1, 3).tolist() != draws[3]


def test_channels_follow_their_nodes_side_by_side() -> None:
    assert sources("design", 7, 2, 0)[5].tolist() == [10, 11, 12, 13, 2, 3]
    assert sources("none", 3, 4, 0)[1].tolist() == [4, 5, 6, 7]


def test_a_shuffle_gives_every_node_some_of_everybody_and_each_channel_once() -> None:
    read = sources("shuffle", 3, 6, 0)
    assert sorted(read.ravel().tolist()) == list(range(18))
    assert all(np.bincount(row // 6).tolist() == [2, 2, 2] for row in read)
