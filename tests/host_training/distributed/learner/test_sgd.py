"""SGD: torch's, bit for bit."""

import pytest
import torch

from host_training.distributed.learner.sgd import SGD


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 5e-4), (0.9, 0.0), (0.0, 0.1)])
def test_its_steps_are_those_of_torch(momentum, decay):
    torch.manual_seed(0)
    ours = torch.randn(1001)
    theirs = torch.nn.Parameter(ours.clone())
    gradient = torch.zeros_like(ours)
    sgd = SGD(ours, gradient, momentum, decay)
    oracle = torch.optim.SGD(
        [theirs], 0.1, momentum=momentum, weight_decay=decay, nesterov=momentum > 0
    )
    for step in range(6):
        gradient.copy_(torch.randn(1001))
        theirs.grad = gradient.clone()
        oracle.param_groups[0]["lr"] = rate = 0.1 / (1 + step)
        oracle.step()
        sgd.step(rate)
        assert torch.equal(ours, theirs)
