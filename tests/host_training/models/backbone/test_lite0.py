"""EfficientNet-Lite0: TensorFlow's padding, and a cut network that is the front of the whole."""

import pytest
import torch
from torch import nn

from export.measure import multiply_accumulates
from host_training.models.backbone.lite0 import BLOCKS, Lite0, same_padding
from host_training.models.backbone.weights import folded
from tests.worlds.small_photos import saved_weights


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        (128, 3, 2, (0, 1)),
        (128, 5, 2, (1, 2)),
        (25, 3, 2, (1, 1)),
        (7, 5, 1, (2, 2)),
        (8, 1, 1, (0, 0)),
    ],
)
def test_padding_is_tensorflows_same(size, kernel, stride, padding):
    assert same_padding(size, kernel, stride) == padding


@pytest.mark.parametrize(
    ("n_blocks", "side", "macs", "n_weights"),
    [(16, 224, 384e6, 3.37e6), (16, 128, 125.4e6, 3.37e6), (11, 128, 84.2e6, 0.77e6)],
)
def test_it_costs_what_is_published(n_blocks, side, macs, n_weights):
    net = Lite0(n_blocks, (side, side))
    assert multiply_accumulates(net, torch.zeros(1, 3, side, side)) == pytest.approx(macs, rel=0.01)
    assert sum(each.numel() for each in net.parameters()) == pytest.approx(n_weights, rel=0.01)


@torch.no_grad()
def test_front_and_rest_are_the_whole_wherever_it_is_cut():
    net = Lite0(4, (40, 40)).eval()
    net.load_state_dict(folded(saved_weights(), 4))
    images = torch.rand(2, 3, 40, 40)
    for cut in range(5):
        torch.testing.assert_close(net.rest(net.front(images, cut), cut), net(images))


@torch.no_grad()
def test_a_tip_is_the_expansion_of_the_block_that_is_cut_off():
    short, longer = (Lite0(n, (32, 32)).eval() for n in (2, 3))
    for net, n in ((short, 2), (longer, 3)):
        net.load_state_dict(folded(saved_weights(), n))
    images = torch.rand(1, 3, 32, 32)
    expand = longer.blocks[2].expand
    assert isinstance(expand, nn.Module)
    torch.testing.assert_close(short(images), expand(longer.front(images, 2)))


def test_a_front_of_no_blocks_has_no_weights_of_its_own():
    net = Lite0(2, (32, 32))
    assert list(net.front_parameters(0)) == []
    frozen = {id(each) for each in net.front_parameters(1)}
    assert frozen == {id(each) for each in (*net.stem.parameters(), *net.blocks[0].parameters())}
    assert len(BLOCKS) == 16
