"""Blocks: what the modules of an auto-encoder are made of, and how their batch norms are folded.

A batch norm stands right behind the convolution that it follows, in every block and in what is
built of them: so folding need not know what is inside.
"""

import copy
from itertools import pairwise
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Folding = TypeVar("Folding", bound=nn.Module)


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and a shortcut (He et al., 2016)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(out)) + self.shortcut(x)).relu()


class PlainBlock(nn.Module):
    """One 3 × 3 convolution at full resolution, max-pooled by its stride (as in Jordan,
    arXiv:2404.00498).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.pool = nn.Identity() if stride == 1 else nn.MaxPool2d(stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.bn(self.conv(x)).relu())


def module(
    block: type[BasicBlock | PlainBlock],
    in_channels: int,
    out_channels: int,
    n_blocks: int,
    stride: int,
) -> nn.Sequential:
    """Blocks of one width, the first of them strided: with residual ones a "ResNet module" of the
    paper.
    """
    return nn.Sequential(
        *(
            block(in_channels if i == 0 else out_channels, out_channels, stride if i == 0 else 1)
            for i in range(n_blocks)
        )
    )


def without_norms(whole: Folding) -> Folding:
    """A copy in evaluation mode, the same function: each batch norm is part of the convolution that
    it stands behind.
    """
    folded = copy.deepcopy(whole).eval()
    for parent in list(folded.modules()):
        for (name, layer), (behind, norm) in pairwise(list(parent.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(layer, norm))
                setattr(parent, behind, nn.Identity())
    return folded
