"""Folding a team's encoder: what was trained as one grouped network becomes, for each group of each
segment, an ordinary dense network.

    segment 0   pixels → DWT and stem as one convolution, then others → steps of the boundary
    later ones  steps of the groups that it hears, side by side → steps of the next boundary
    the last    … → mean, two dense layers → the group's latents

A batch norm has no scale but its variance's, which is positive, so it goes through a max-pooling
into the convolution before; so do the steps of a boundary. Exact up to float rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from export.encoder.fold import fold_stem, with_weights
from host_training.models.team import SMALLEST_POOLED, GroupConv, Pool, TeamEncoder
from host_training.models.wiring import heard, sources

Reads = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class FoldedSegment:
    """A part for each group: convolutions with their ReLUs, max-poolings, at last a mean."""

    reads: Reads
    "Groups that each part reads, side by side; in the first segment none: it reads pixels."
    parts: tuple[nn.Sequential, ...]


@torch.no_grad()
def fold_team(encoder: TeamEncoder, height: int, width: int) -> list[FoldedSegment]:
    """The segments of an encoder in evaluation mode, for images of that size."""
    encoder, team = encoder.eval(), encoder.team
    last = len(encoder.segments) - 1
    folded: list[FoldedSegment] = []
    x = torch.zeros(1, encoder.dwt.channels, height, width)
    for place, segment in enumerate(encoder.segments):
        layers = [*([] if place else encoder.stem), *segment.children()]
        if place == last:
            layers += [nn.AdaptiveAvgPool2d(1), *encoder.dense]
        reads = _reads(encoder, place)
        parts = []
        for group in range(team.nodes):
            part = _own_layers(encoder, layers, group, x)
            if place:
                part[0] = _on_all_it_reads(part[0], encoder, place, group, reads[group])
            convolutions = [layer for layer in part if isinstance(layer, nn.Conv2d)]
            if place == last:
                part.pop()  # latents have no ReLU
            else:
                _scale(convolutions[-1], torch.tensor(team.gain))
            parts.append(nn.Sequential(*part).eval())
        folded.append(FoldedSegment(reads, tuple(parts)))
        x = parts[0](x)
        x = x.repeat(1, len(_reads(encoder, place + 1)[0]) if place < last else 1, 1, 1)
    return folded


def steps(made: Tensor, levels: int) -> Tensor:
    """What a part of another than the last segment publishes."""
    return made.round().clamp(0, levels - 1)


def _reads(encoder: TeamEncoder, place: int) -> Reads:
    team = encoder.team
    if place == 0:
        return ((),) * team.nodes
    nodes = heard(team.wiring, team.nodes, place - 1, team.draw)
    return tuple(map(tuple, nodes.tolist()))


def _own_layers(
    encoder: TeamEncoder, layers: Sequence[nn.Module], group: int, x: Tensor
) -> list[Any]:
    """A node's own; x (1, C, H, W) is of the size of what it reads. A ReLU stands before a
    max-pooling, which changes nothing.
    """
    made: list[Any] = []
    n, side = encoder.team.nodes, x.shape[-2:]
    convolution: Any = None
    for layer in layers:
        if isinstance(layer, GroupConv):
            _, n_out, n_in, size, _ = layer.weight.shape
            convolution = nn.Conv2d(n_in, n_out, size, padding=size // 2)
            bias = torch.zeros(n_out) if layer.bias is None else layer.bias[group]
            made += [with_weights(convolution, layer.weight[group], bias), nn.ReLU()]
        elif isinstance(layer, nn.Conv2d):
            n_out = layer.out_channels // n
            own = nn.Conv2d(layer.in_channels, n_out, layer.kernel_size[0])
            with_weights(own, layer.weight[_slice(group, n_out)], torch.zeros(n_out))
            convolution = fold_stem(own, encoder.dwt)
            made += [convolution, nn.ReLU()]
            side = torch.Size(made[0](x).shape[-2:])
        elif isinstance(layer, nn.BatchNorm2d):
            own_part = _slice(group, layer.num_features // n)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            factor = (layer.running_var[own_part] + layer.eps).rsqrt()
            _scale(convolution, factor)
            convolution.bias += layer.bias[own_part] - layer.running_mean[own_part] * factor
        elif isinstance(layer, Pool):
            if min(side) >= SMALLEST_POOLED:
                made.append(nn.MaxPool2d(2))
                side = torch.Size(length // 2 for length in side)
        elif not isinstance(layer, nn.ReLU):
            made.append(layer)
    return made


def _slice(group: int, size: int) -> slice:
    return slice(group * size, (group + 1) * size)


def _scale(convolution: nn.Conv2d, factor: Tensor) -> None:
    """Multiply what it makes by a factor () or (o,)."""
    assert convolution.bias is not None
    convolution.weight *= factor.reshape(-1, 1, 1, 1)
    convolution.bias *= factor


def _on_all_it_reads(
    convolution: nn.Conv2d, encoder: TeamEncoder, place: int, group: int, reads: Sequence[int]
) -> nn.Conv2d:
    """The convolution on all channels of the groups that it hears; those it does not read weigh
    nothing (in a shuffle, most).
    """
    team, channels = encoder.team, encoder.team.widths[place - 1][-1]
    read = sources(team.wiring, team.nodes, channels, place - 1, team.draw)[group]
    places = [reads.index(one // channels) * channels + one % channels for one in read.tolist()]
    size = convolution.kernel_size[0]
    wider = nn.Conv2d(len(reads) * channels, convolution.out_channels, size, padding=size // 2)
    weight = torch.zeros_like(wider.weight)
    weight[:, places] = convolution.weight
    return with_weights(wider, weight, convolution.bias)
