"""Folding: a trained auto-encoder becomes the two networks that are deployed, the same functions in
fewer layers.

    encoder   DWT, first convolution, batch norm → one strided convolution on pixels; latents in
              transmitted order
    decoder   first layer, transposed convolution or dense → one dense layer that takes the latents
              in that order

Every step is exact up to float rounding. Wavelet transform and convolution are both linear, so
their product is one convolution: Haar and 3 × 3 make 6 × 6 with stride 2 and padding 2, or 4 × 4
with padding 1 where the transform is not decimated. A longer wavelet reads pixels that were
reflected before the model and pads nothing inside, so its product (10 × 10 or 14 × 14) pads nothing
either.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from export import ExportError
from host_training.models.autoencoder import (
    AutoEncoder,
    Decoder,
    DenseDecoder,
    Encoder,
    ModelConfig,
)
from host_training.models.backbone.encoder import PhotoEncoder, normalised
from host_training.models.blocks import without_norms
from host_training.models.wavelet import DWT
from link.bundle import ImageSpec


class FoldedEncoder(nn.Module):
    """Images (N, C, H + 2p, W + 2p) in 0…1 to latents (N, n), the most useful first; of several
    views, their mean.
    """

    is_signed = False
    "Whether what the network reads is in −1…1, grey being 0, and not the images themselves."

    def __init__(self, encoder: Encoder, config: ModelConfig, order: Sequence[int]) -> None:
        super().__init__()
        self.image = ImageSpec(config.height, config.width, config.channels, config.pixel_pad)
        encoder = without_norms(encoder)
        stem = encoder.stem[0]
        assert isinstance(stem, nn.Conv2d)
        self.stem = nn.Sequential(fold_stem(stem, encoder.dwt), nn.ReLU(), encoder.stem[3])
        self.module1 = encoder.module1
        self.module2 = encoder.module2
        self.module3 = encoder.module3
        self.pool = fixed_pool(self.features(torch.zeros(1, *self.input_shape)), config.pooled)
        dense, _, relu, last = encoder.dense
        self.dense = nn.Sequential(dense, relu, select_outputs(last, order))
        self.views: Sequence[View] = VIEWS[1]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what it reads: the image with its reflected border."""
        height, width, channels = self.image.input_shape
        return channels, height, width

    def with_views(self, n_views: int) -> "FoldedEncoder":
        """A copy of an encoder of one view that looks at every image `n_views` times, a key of
        VIEWS.

        The last layer takes all views' inputs at once and is their mean: the latents are averaged
        before they are rounded, exactly and at no cost.
        """
        last = self.dense[-1]
        assert isinstance(last, nn.Conv2d)
        wider = nn.Conv2d(n_views * last.in_channels, last.out_channels, 1)
        encoder = self.with_last(
            with_weights(wider, last.weight.repeat(1, n_views, 1, 1) / n_views, last.bias)
        )
        encoder.views = VIEWS[n_views]
        return encoder

    def with_last(self, layer: nn.Conv2d) -> "FoldedEncoder":
        """A copy with another last layer."""
        encoder = copy.deepcopy(self)
        encoder.dense[-1] = layer
        return encoder

    def features(self, images: Tensor) -> Tensor:
        return self.module3(self.module2(self.module1(self.stem(images))))

    def look(self, images: Tensor) -> Tensor:
        """Every image's views one after another, (N · V, C, H + 2p, W + 2p)."""
        return torch.stack([view(images) for view in self.views], 1).flatten(0, 1)

    def steps(self) -> Sequence[Callable[[Tensor], Tensor]]:
        """The encoder as functions, one after another, each with layers of its own."""
        return (self,)

    def of_views(self, views: Tensor) -> Tensor:
        """Latents (N, n) of what `look` gives."""
        return self.of_features(self.features(views))

    def of_features(self, features: Tensor) -> Tensor:
        """The same of the last maps."""
        hidden = self.dense[:-1](self.pool(features))
        if len(self.views) > 1:
            hidden = hidden.reshape(-1, self.dense[-1].in_channels, 1, 1)
        return self.dense[-1](hidden).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.of_views(self.look(images))


class FoldedPhotoEncoder(FoldedEncoder):
    """The same of an encoder that has a backbone, whose norms are folded from the beginning: what
    standardises its features becomes part of the latents' layer.
    """

    is_signed = True

    def __init__(self, encoder: PhotoEncoder, config: ModelConfig, order: Sequence[int]) -> None:
        nn.Module.__init__(self)
        self.image = ImageSpec(config.height, config.width, config.channels)
        self.lite0 = copy.deepcopy(encoder.lite0)
        self.pool = nn.AdaptiveAvgPool2d(1)
        latents, standardise = encoder.latents, encoder.standardise
        assert latents.bias is not None
        weight = latents.weight * standardise.scale
        bias = latents.bias - (weight * standardise.mean).sum((1, 2, 3))
        whole = with_weights(nn.Conv2d(latents.in_channels, len(bias), 1), weight, bias)
        self.dense = nn.Sequential(select_outputs(whole, order))
        self.views: Sequence[View] = VIEWS[1]

    def features(self, images: Tensor) -> Tensor:
        return self.lite0(images)

    def steps(self) -> Sequence[Callable[[Tensor], Tensor]]:
        def stem(images: Tensor) -> Tensor:
            return self.lite0.stem(self.look(images))

        return (stem, *self.lite0.blocks, self.lite0.tip, self.of_features)

    def look(self, images: Tensor) -> Tensor:
        return normalised(super().look(images))


@dataclass(frozen=True)
class View:
    """How an image is looked at: moved, with what moves in reflected, and mirrored or not."""

    is_mirrored: bool = False
    down: int = 0
    right: int = 0

    def pixels(self, height: int, width: int) -> Tensor:
        """Which pixel of the image, counted row by row, each one of the view is: int64 (H, W)."""
        columns = _moved(width, self.right)
        return _moved(height, self.down)[:, None] * width + (
            columns.flip(0) if self.is_mirrored else columns
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Images (…, H, W)."""
        return images.flatten(-2)[..., self.pixels(*images.shape[-2:])]


def _moved(size: int, by: int) -> Tensor:
    source = (torch.arange(size) - by).abs()
    return torch.where(source < size, source, 2 * (size - 1) - source)


_MOVED = (View(), View(down=1, right=1), View(down=-1, right=-1))
VIEWS = {
    1: _MOVED[:1],
    2: (View(), View(True)),
    6: (*_MOVED, *(replace(view, is_mirrored=True) for view in _MOVED)),
}
"By number: the image; and its mirror image; and both of them moved by a pixel to either side."


def fold_stem(stem: nn.Conv2d, dwt: DWT) -> nn.Conv2d:
    """DWT and first convolution of an encoder, its norm folded in, as one convolution on pixels.

    With subbands s[m](i) = Σ_u W[m, u] x(2i + u) and output t(j) = Σ_ma K[m, a] s[m](stride · j + a
    − padding), x(2 · (stride · j − padding) + r) is multiplied by Σ_m Σ_{2a + u = r} K[m, a] W[m,
    u]: K's transposed convolution by W with stride 2. Where the transform is not decimated, 1
    stands in place of 2, and the zeros around are pixels.
    """
    kernel = conv_transpose2d(stem.weight, dwt.weight, stride=dwt.stride, groups=dwt.channels)
    n_out, n_in, size, _ = kernel.shape
    assert isinstance(stem.padding, tuple)
    folded = nn.Conv2d(
        n_in, n_out, size, dwt.stride * stem.stride[0], dwt.stride * stem.padding[0] + dwt.padding
    )
    return with_weights(folded, kernel, stem.bias)


def fixed_pool(features: Tensor, pooled: int) -> nn.Module:
    """Averaging to a grid of side `pooled` as a layer of fixed size, which is all that TensorFlow
    Lite knows.
    """
    height, width = features.shape[2:]
    if pooled == 1:
        return nn.AdaptiveAvgPool2d(1)
    if height % pooled or width % pooled:
        raise ExportError(
            f"the last feature map is {height}x{width} and is averaged to {pooled}x{pooled}, which "
            "does not divide it; train on images of another size or with another `pooled`"
        )
    window = (height // pooled, width // pooled)
    return nn.Identity() if window == (1, 1) else nn.AvgPool2d(window)


def select_outputs(convolution: Any, order: Sequence[int]) -> nn.Conv2d:
    """The 1 × 1 convolution with only the outputs in `order`, in that order."""
    selected = nn.Conv2d(convolution.in_channels, len(order), 1)
    return with_weights(selected, convolution.weight[list(order)], convolution.bias[list(order)])


class FoldedDecoder(nn.Module):
    """Symbols (N, n) in transmitted order to class scores (N, K): a dense layer, then the decoder's
    other layers.
    """

    def __init__(self, first: nn.Linear, rest: nn.Sequential) -> None:
        super().__init__()
        self.first = first
        self.rest = rest

    def forward(self, symbols: Tensor) -> Tensor:
        return self.rest(self.first(symbols))


def fold_decoder(
    decoder: Decoder | DenseDecoder, order: Sequence[int], fill: Tensor
) -> FoldedDecoder:
    """Latents that are not in `order` are taken to be constant at `fill` (D,), their mean symbol.

    What they contribute differs from one output position of a transposed convolution to the next,
    which its bias, one number per channel, cannot hold; the dense layer's bias, one number per
    channel and position, holds it exactly.
    """
    own = copy.deepcopy(decoder)
    if isinstance(own, DenseDecoder):
        weight = own.first.weight.T
        return FoldedDecoder(
            dense(weight, torch.zeros(weight.shape[1]), order, fill),
            nn.Sequential(own.norm, nn.ReLU(), own.classifier),
        )
    upsampling, *others = list(own.latent_decoder)
    assert isinstance(upsampling, nn.ConvTranspose2d)
    _, n_channels, height, width = upsampling.weight.shape  # on the 1 × 1 latent grid
    bias = upsampling.bias
    assert bias is not None
    return FoldedDecoder(
        dense(upsampling.weight.flatten(1), bias.repeat_interleave(height * width), order, fill),
        nn.Sequential(
            nn.Unflatten(1, (n_channels, height, width)),
            *others,
            own.module3,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            own.classifier,
        ),
    )


def dense(weight: Tensor, bias: Tensor, order: Sequence[int], fill: Tensor) -> nn.Linear:
    """A dense layer on the latents in `order`, others at `fill` (D,); weight (D, M), bias (M,)."""
    pruned = sorted(set(range(len(weight))) - set(order))
    constant = bias + fill[pruned].to(weight) @ weight[pruned]
    return with_weights(nn.Linear(len(order), len(bias)), weight[list(order)].T, constant)


def with_weights(layer: Any, weight: Tensor, bias: Tensor | None) -> Any:
    """The layer with copies of these weights; what is folded never shares memory with what was
    trained.
    """
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer.eval()


def fold(
    model: AutoEncoder, order: Sequence[int], fill: Tensor
) -> tuple[FoldedEncoder, FoldedDecoder]:
    """Both halves in evaluation mode; latents that `order` leaves out stay at `fill` (D,)."""
    kind = FoldedEncoder if model.config.backbone is None else FoldedPhotoEncoder
    encoder = kind(model.encoder, model.config, order)
    return encoder.eval(), fold_decoder(model.decoder, order, fill).eval()
