"""Outer step: one float32 arithmetic for all ends."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from link.update.message import MessageError
from link.update.outer_step import Held
from link.update.quantised import Quantised, apply
from link.update.quantiser import quantise
from tests.worlds.training_run import LAYOUT, SETTINGS, values

NESTEROV = replace(SETTINGS, outer_momentum=0.9, outer_decay=0.01, outer_rates=(0.1, 0.2, 0.05))


def test_a_rate_of_one_and_nothing_else_subtracts_what_was_told():
    held, told = Held.first(values(0), SETTINGS), quantise(values(1), LAYOUT, 300)
    after = held.stepped(told, LAYOUT, SETTINGS, 0)
    assert after.weights.tobytes() == apply(held.weights, told, LAYOUT).tobytes()
    assert len(after.velocity) == 0


def test_it_is_torchs_sgd_with_nesterovs_momentum_and_decay():
    weights = torch.nn.Parameter(torch.from_numpy(values(0)))
    sgd = torch.optim.SGD([weights], 1.0, momentum=0.9, weight_decay=0.01, nesterov=True)
    held = Held.first(values(0), NESTEROV)
    for round_ in range(5):
        told = quantise(values(round_ + 1), LAYOUT, 300)
        weights.grad = torch.from_numpy(told.dense(LAYOUT))
        sgd.param_groups[0]["lr"] = NESTEROV.outer_rate(round_)
        sgd.step()
        held = held.stepped(told, LAYOUT, NESTEROV, round_)
    np.testing.assert_allclose(held.weights, weights.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_the_hash_is_over_weights_and_velocity():
    held = Held.first(values(0), NESTEROV)
    nothing = Quantised.nothing(LAYOUT)
    after = held.stepped(nothing, LAYOUT, NESTEROV, 0)
    assert after.hash != held.hash
    assert Held(held.weights, after.velocity).hash != held.hash


@pytest.mark.parametrize("chosen", [SETTINGS, NESTEROV])
def test_what_is_held_is_packed_and_read(chosen):
    held = Held.first(values(0), chosen).stepped(
        quantise(values(1), LAYOUT, 300), LAYOUT, chosen, 0
    )
    read = Held.read(held.pack(), LAYOUT, chosen, 1)
    assert read.hash == held.hash
    other = NESTEROV if chosen is SETTINGS else SETTINGS
    with pytest.raises(MessageError, match="another length"):
        Held.read(held.pack(), LAYOUT, other, 1)
