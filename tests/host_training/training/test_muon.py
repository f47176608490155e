import pytest
import torch
from torch import nn

from host_training.training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (12, 12)])
def test_singular_values_end_near_one_and_the_directions_stay(shape):
    generator = torch.Generator().manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(shape[0], min(shape), generator=generator))
    right, _ = torch.linalg.qr(torch.randn(shape[1], min(shape), generator=generator))
    matrix = left @ torch.logspace(0, -1, min(shape)).diag() @ right.T
    singular_values = (left.T @ orthogonalised(matrix) @ right).diag()
    assert singular_values.min() > 0.6
    assert singular_values.max() < 1.3
    torch.testing.assert_close(
        left @ singular_values.diag() @ right.T, orthogonalised(matrix), atol=1e-4, rtol=0
    )


def test_a_layer_under_a_batch_norm_learns_and_keeps_its_scale():
    torch.manual_seed(0)
    images, labels = torch.randn(64, 3, 8, 8), torch.arange(64) % 2
    images[labels == 1] += 0.5 * torch.randn(3, 8, 8)
    layer = nn.Conv2d(3, 6, 3, bias=False)
    head = nn.Sequential(
        nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)
    )
    before = nn.functional.cross_entropy(head(layer(images)), labels).item()
    optimiser = Muon(layer.parameters(), lr=0.1, momentum=0.9)
    for _ in range(60):
        loss = nn.functional.cross_entropy(head(layer(images)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.9 * before
    assert layer.weight.norm().item() == pytest.approx(6**0.5, rel=0.2)


def test_a_kernel_without_a_gradient_is_left_alone():
    kernel = nn.Parameter(torch.randn(4, 3, 3, 3))
    before = kernel.detach().clone()
    Muon([kernel], lr=0.1, momentum=0.9).step()
    assert torch.equal(kernel, before)
