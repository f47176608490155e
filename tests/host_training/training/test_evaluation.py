import numpy as np
import pytest

from host_training.training.evaluation import discriminative_power, histogram_bits, latent_order


def test_histogram_bits_are_the_entropies_of_the_columns():
    fair_coin, constant = np.tile([0, 1], 50), np.zeros(100)
    four_sided = np.tile([0, 1, 2, 3], 25)
    assert histogram_bits(np.stack([fair_coin, constant, four_sided], 1)) == pytest.approx(
        1 + 0 + 2
    )


def test_discriminative_power_is_between_over_within():
    labels = np.array([0, 0, 1, 1])
    symbols = np.array([[1, 1, 7, 3], [3, 3, 7, 5], [5, 1, 7, 3], [7, 3, 7, 5]])
    # first latent: class means 2 and 6, each sample 1 away from its own; the others: equal class
    # means, or constant
    assert discriminative_power(symbols, labels) == pytest.approx([4 * 4 / 4, 0, 0, 0])
    assert latent_order(symbols[:, ::-1], labels).tolist() == [3, 0, 1, 2]


def test_a_latent_that_names_the_class_exactly_comes_first():
    labels = np.repeat(np.arange(3), 5)
    noise = np.random.default_rng(0).normal(size=15)
    assert latent_order(np.stack([noise, labels], 1), labels).tolist() == [1, 0]
