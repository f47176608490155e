import pytest
import torch
from torch import nn

from host_training.models.blocks import BasicBlock, PlainBlock, module, without_norms


def seen(block: nn.Module) -> nn.Module:
    """The block, its norms' statistics those of some images."""
    torch.manual_seed(0)
    for _ in range(3):
        block(3 * torch.randn(8, 4, 8, 8) + 1)
    return block.eval()


@pytest.mark.parametrize("kind", [BasicBlock, PlainBlock])
@pytest.mark.parametrize(("n_out", "stride"), [(4, 1), (6, 1), (6, 2)])
@torch.no_grad()
def test_without_norms_it_is_the_same_function(kind, n_out, stride):
    blocks = seen(module(kind, 4, n_out, 2, stride))
    folded, images = without_norms(blocks), torch.randn(2, 4, 8, 8)
    assert folded(images).shape == (2, n_out, 8 // stride, 8 // stride)
    torch.testing.assert_close(folded(images), blocks(images), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())


def test_what_is_folded_stays_as_it_was():
    blocks = seen(module(BasicBlock, 4, 6, 1, 2))
    before = {name: tensor.clone() for name, tensor in blocks.state_dict().items()}
    for tensor in without_norms(blocks).parameters():
        tensor.data.zero_()
    for name, tensor in blocks.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_a_norm_behind_anything_but_a_convolution_stays():
    kept = without_norms(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.BatchNorm2d(1)))
    assert isinstance(kept[2], nn.BatchNorm2d)
