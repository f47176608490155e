"""The same steps as torch's SGD."""

import numpy as np
import pytest
import torch

from device.training.sgd import SGD

P, N_STEPS = 1000, 5


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.9, 5e-4), (0.9, 0.0), (0.0, 5e-4)])
def test_every_step_is_torchs(momentum, weight_decay):
    rng = np.random.default_rng(0)
    ours = rng.standard_normal(P).astype(np.float32)
    theirs = torch.nn.Parameter(torch.from_numpy(ours.copy()))
    reference = torch.optim.SGD(
        [theirs], 0.1, momentum=momentum, weight_decay=weight_decay, nesterov=momentum > 0
    )
    sgd = SGD(0.1, momentum, weight_decay)
    for _ in range(N_STEPS):
        gradient = rng.standard_normal(P).astype(np.float32)
        theirs.grad = torch.from_numpy(gradient.copy())
        reference.step()
        sgd.step(ours, gradient)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_momentum_that_is_carried_goes_on_as_if_nothing_had_been_between():
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((4, P)).astype(np.float32)
    whole, parted = np.zeros(P, np.float32), np.zeros(P, np.float32)
    sgd = SGD(0.1, 0.9)
    for gradient in gradients:
        sgd.step(whole, gradient.copy())
    velocity = None
    for gradient in gradients:
        sgd = SGD(0.1, 0.9, velocity=velocity)
        sgd.step(parted, gradient.copy())
        velocity = sgd.velocity
    assert parted.tobytes() == whole.tobytes()
