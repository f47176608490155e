"""Partition: every image is on one device at most, and alpha says how mixed its classes are."""

import numpy as np
import pytest

from host_training.distributed.simulation.partition import deal

LABELS = np.random.default_rng(0).permutation(np.arange(2000) % 10)


@pytest.mark.parametrize("alpha", [None, 1.0, 0.1])
@pytest.mark.parametrize("n_devices", [1, 7, 32])
def test_all_devices_have_as_many_images_and_none_of_another_ones(alpha, n_devices):
    parts = deal(LABELS, n_devices, alpha, seed=3)
    assert {len(part) for part in parts} == {len(LABELS) // n_devices}
    everything = np.concatenate(parts)
    assert len(np.unique(everything)) == len(everything)


def test_the_smaller_alpha_the_fewer_classes_a_device_knows():
    def largest_share(alpha: float | None) -> float:
        parts = deal(LABELS, 20, alpha, seed=0)
        return float(np.mean([np.bincount(LABELS[part]).max() / len(part) for part in parts]))

    mixed, one, few = (largest_share(alpha) for alpha in (None, 1.0, 0.1))
    assert mixed < 0.2 < one < few
    assert few > 0.5


def test_the_same_seed_deals_the_same_and_another_one_does_not():
    first, again, other = (deal(LABELS, 5, 0.3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_too_few_images_are_named():
    with pytest.raises(ValueError, match="3 images are not enough for 4 devices"):
        deal(np.zeros(3, np.int64), 4, None, 0)
