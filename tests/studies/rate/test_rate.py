"""The study of the rate: the rival is a prior, and what is chosen is chosen on validation."""

import pytest
import torch

from tests.studies.rate.bottleneck import FactorisedPrior
from tests.studies.rate.study import chosen


def test_the_factorised_prior_is_a_probability():
    torch.manual_seed(0)
    symbols = torch.arange(-200.0, 201.0)[:, None]
    mass = 2 ** -FactorisedPrior(1).bits(symbols).double().detach()
    assert float(mass.sum()) == pytest.approx(1, abs=1e-3)
    assert (mass > 0).all()


def test_the_fewest_bits_near_the_best_validation_accuracy_are_chosen():
    def point(accuracy, bits):
        return [{"validation_accuracy": accuracy, "validation_bits": bits, "accuracy": 0.5}]

    found = {"mixture 1": point(0.92, 9), "mixture 2": point(0.919, 7), "mixture 3": point(0.91, 5)}
    assert chosen(found, "mixture") == "mixture 2"
