"""Rivals: gradient = approximation + error, and the bytes that they are known for."""

import numpy as np
import pytest

from host_training.distributed.simulation.rivals import DGC, RIVALS, PowerSGD
from link.update import Layout

LAYOUT = Layout(("a", "b", "c"), ((16, 8, 3, 3), (16,), (10, 64)))


def gradients(round_: int, n: int = 4) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(round_)
    common = rng.standard_normal(LAYOUT.size)
    return {
        each: (common + rng.standard_normal(LAYOUT.size)).astype(np.float32) for each in range(n)
    }


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "dgc"])
def test_the_gradient_is_the_approximation_and_the_error(name):
    rival = RIVALS[name](LAYOUT)
    for round_ in range(5):
        given = gradients(round_)
        before = np.mean([rival.memory.get(each, 0 * given[each]) for each in given], axis=0)
        approximation = rival.mean(given)
        after = np.mean([rival.memory.get(each, 0 * given[each]) for each in given], axis=0)
        np.testing.assert_allclose(
            np.mean(list(given.values()), axis=0) + before, approximation + after, atol=1e-4
        )


def test_without_momentum_so_it_is_for_dgc_which_sends_the_largest():
    rival = DGC(LAYOUT, share=0.01, momentum=0.0)
    total, sent = np.zeros(LAYOUT.size), np.zeros(LAYOUT.size)
    for round_ in range(5):
        given = {0: gradients(round_)[0]}
        total += given[0]
        one = rival.mean(given)
        assert np.count_nonzero(one) == 18
        smallest_sent = np.abs(one[one != 0]).min()
        assert smallest_sent >= np.abs(rival.memory[0]).max()
        sent += one
    np.testing.assert_allclose(total, sent + rival.memory[0], atol=1e-4)


def test_momentum_of_what_was_sent_is_masked():
    rival = DGC(LAYOUT, share=0.5)
    first = rival.mean({0: gradients(0)[0]})
    assert not rival._velocity[0][first != 0].any()
    assert rival._velocity[0][first == 0].any()


def test_a_gradient_of_low_rank_is_sent_whole():
    rng = np.random.default_rng(0)
    rival = PowerSGD(LAYOUT, rank=2)
    matrix = (rng.standard_normal((10, 2)) @ rng.standard_normal((2, 64))).astype(np.float32)
    vector = np.zeros(LAYOUT.size, np.float32)
    LAYOUT.unpack(vector)["c"][...] = matrix
    for _ in range(2):  # the second time with the directions of the first
        approximation = rival.mean({0: vector})
    np.testing.assert_allclose(LAYOUT.unpack(approximation)["c"], matrix, atol=1e-3)


def test_the_bytes_are_the_published_ones():
    size = LAYOUT.size
    found = {name: rival(LAYOUT).up_bytes for name, rival in RIVALS.items()}
    assert found["dense"] == found["fedavg"] == 4 * size
    assert found["signsgd"] == size / 8 + 12
    assert found["dgc"] == 8 * round(size / 1000)
    assert found["powersgd"] == 4 * (2 * (16 + 72) + 16 + 2 * (10 + 64))
