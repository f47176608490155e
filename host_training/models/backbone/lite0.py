"""EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946; as Lite: Google, 2020), or the front of it,
with its batch norms folded.

    stem → blocks → tip         the tip of a front is the expansion of the block that would follow,
                                that of the whole its head: 1 × 1, many channels, ReLU6

Convolutions are padded as TensorFlow pads them (SAME). Where that is uneven, at stride 2, the zeros
are a layer of their own, which export puts back into the convolution; so a network is made for
images of one size.
"""

from collections.abc import Iterator

from torch import Tensor, nn

STEM_WIDTH, HEAD_WIDTH = 32, 1280
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"How many blocks a stage has, kernel side, stride of the first, expansion, channels."
BLOCKS = tuple(
    (kernel, stride if i == 0 else 1, expansion, width)
    for n_blocks, kernel, stride, expansion, width in STAGES
    for i in range(n_blocks)
)
Size = tuple[int, int]
"Height and width of a map."


def same_padding(size: int, kernel: int, stride: int) -> Size:
    """Zeros before and after a line of that many pixels, as TensorFlow's SAME."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv(nn.Module):
    """A convolution with a bias and SAME padding, and ReLU6 where it `is_bounded`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: Size,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        is_bounded: bool = True,
    ) -> None:
        super().__init__()
        self.size: Size = (-(-size[0] // stride), -(-size[1] // stride))
        down, right = (same_padding(side, kernel, stride) for side in size)
        is_even = len({*down, *right}) == 1
        self.pad = nn.Identity() if is_even else nn.ZeroPad2d((*right, *down))
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, down[0] if is_even else 0, groups=groups
        )
        self.bound = nn.ReLU6() if is_bounded else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.bound(self.conv(self.pad(x)))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection, and a shortcut where shapes allow one (Sandler
    et al., arXiv:1801.04381).
    """

    def __init__(self, in_channels: int, size: Size, block: tuple[int, int, int, int]) -> None:
        super().__init__()
        kernel, stride, expansion, width = block
        inner = expansion * in_channels
        self.expand = SameConv(in_channels, inner, size) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(inner, inner, size, kernel, stride, groups=inner)
        self.size = self.depthwise.size
        self.project = SameConv(inner, width, self.size, is_bounded=False)
        self.has_shortcut = stride == 1 and in_channels == width

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        return out + x if self.has_shortcut else out


class Lite0(nn.Module):
    """The first `n_blocks` blocks between stem and tip: normalised images (N, 3, H, W) to maps
    (N, `width`, h, w) in 0…6.
    """

    def __init__(self, n_blocks: int, size: Size) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM_WIDTH, size, 3, 2)
        channels, size = STEM_WIDTH, self.stem.size
        blocks = []
        for block in BLOCKS[:n_blocks]:
            blocks.append(InvertedResidual(channels, size, block))
            channels, size = block[-1], blocks[-1].size
        self.blocks = nn.Sequential(*blocks)
        is_whole = n_blocks == len(BLOCKS)
        self.width = HEAD_WIDTH if is_whole else channels * BLOCKS[n_blocks][2]
        self.tip = SameConv(channels, self.width, size)

    def front(self, images: Tensor, n_blocks: int) -> Tensor:
        """Maps behind the first `n_blocks` blocks."""
        return self.blocks[:n_blocks](self.stem(images))

    def front_parameters(self, n_blocks: int) -> Iterator[nn.Parameter]:
        """The weights of `front`, none where it has no block."""
        if n_blocks:
            yield from self.stem.parameters()
            yield from self.blocks[:n_blocks].parameters()

    def rest(self, maps: Tensor, n_blocks: int) -> Tensor:
        """What `front` of as many blocks gives to the maps of the whole."""
        return self.tip(self.blocks[n_blocks:](maps))

    def forward(self, images: Tensor) -> Tensor:
        return self.rest(self.front(images, 0), 0)
