"""Int8: folded parts become files, segment by segment, each on what the ones before it make.

What is measured for scales and for rounding are the integers that cross, of half of the images
without what one or two dead groups would have made. The channels of a boundary are sorted by how
much is in them, in every group, since the tables of a boundary are one for each channel and the
same for all groups; readers are sorted along.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from export.encoder.int8_model import Int8Model
from export.encoder.rounding import round_weights
from export.partition.chain import BATCH, ZERO
from export.partition.deaths import draw_lives
from export.partition.fold import FoldedSegment
from export.partition.part_file import PIXEL, STEP, Conv, Layer, Mean, Pool, write_part
from link.bundle import ImageSpec
from link.bundle.manifest import Segment, part_file

LARGEST = 255
SMALLEST_SCALE = 1e-6
"The scale of a map that is always 0."


def write_parts(
    cut: Sequence[FoldedSegment], images: np.ndarray, levels: int, folder: Path
) -> dict[str, Segment]:
    """Write part-S-G.tflite of every part, made for images like these, uint8 (N, H, W, C); the
    segments as the manifest has them.
    """
    n_groups = len(cut[0].parts)
    lives = draw_lives(len(images), n_groups)
    made: list[np.ndarray] = []
    orders: list[Tensor] = []
    segments: dict[str, Segment] = {}
    for place, segment in enumerate(cut):
        is_last = place == len(cut) - 1
        before, made_before, orders_before = segments.get(str(place - 1)), made, orders
        made, orders = [], []
        for group, part in enumerate(segment.parts):
            if before is None:
                inputs, scale = ImageSpec(*images.shape[1:]).to_model_input(images), PIXEL
            else:
                reads = segment.reads[group]
                part = _with_sorted_inputs(part, [orders_before[other] for other in reads])
                inputs, scale = _read(made_before, reads, lives, group, before.levels), STEP
            path = folder / part_file(place, group)
            shape, order = _write(part, inputs, scale, is_last, path)
            made.append(Int8Model(path, batch=BATCH)(inputs))
            orders.append(order)
        segments[str(place)] = Segment(
            shape=shape, levels=0 if is_last else levels, reads=segment.reads
        )
    return segments


def _read(
    made: Sequence[np.ndarray], reads: Sequence[int], lives: np.ndarray, group: int, levels: int
) -> np.ndarray:
    """What a part reads, int8 (N, h, w, k · c): lives bool (N, groups); its own always came."""
    highest, tensors = np.int8(levels - 1 + ZERO), []
    for other in reads:
        comes = (lives[:, other] | (other == group))[:, None, None, None]
        tensors.append(np.where(comes, np.minimum(made[other], highest), np.int8(ZERO)))
    return np.concatenate(tensors, axis=-1)


def _write(
    part: nn.Sequential, inputs: np.ndarray, scale: float, is_last: bool, path: Path
) -> tuple[tuple[int, int, int], Tensor]:
    """The shape of what it makes, and which of the part's channels each is."""
    x = torch.from_numpy((inputs.transpose(0, 3, 1, 2).astype(np.float32) - ZERO) * scale)
    rounded = round_weights(part, x)
    convolutions = [layer for layer in rounded if isinstance(layer, nn.Conv2d)]
    last = convolutions[-1]
    order = torch.arange(last.out_channels)
    with torch.no_grad():
        if not is_last:
            order = rounded(x).mean((0, 2, 3)).argsort(descending=True, stable=True)
            last.weight.copy_(last.weight[order])
            last.bias.copy_(last.bias[order])  # type: ignore[union-attr, index]
        layers = layers_of(rounded, x)
    height, width, channels = inputs.shape[1:]
    return write_part(path, (height, width, channels), scale, layers), order


def layers_of(part: nn.Sequential, x: Tensor) -> list[Layer]:
    """What is written of a part: scales so that what x (N, C, H, W) makes fits; of its output, a
    step.
    """
    made: list[Layer] = []
    last = max(i for i, layer in enumerate(part) if isinstance(layer, nn.Conv2d))
    for i, layer in enumerate(part):
        x = layer(x)
        scale = max(float(x.max()) / LARGEST, SMALLEST_SCALE)
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            assert isinstance(layer.padding, tuple)
            made.append(
                Conv(
                    layer.weight.numpy().astype(np.float64),
                    layer.bias.numpy().astype(np.float64),
                    layer.padding[0],
                    STEP if i == last else scale,
                    has_relu=i + 1 < len(part) and isinstance(part[i + 1], nn.ReLU),
                )
            )
        elif isinstance(layer, nn.MaxPool2d):
            made.append(Pool())
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            made.append(Mean(scale))
    return made


def _with_sorted_inputs(part: nn.Sequential, orders: Sequence[Tensor]) -> nn.Sequential:
    """A part that reads channels which were sorted so, of each group that it reads."""
    places = torch.cat([order + i * len(order) for i, order in enumerate(orders)])
    part = copy.deepcopy(part)
    first = part[0]
    assert isinstance(first, nn.Conv2d)
    with torch.no_grad():
        first.weight.copy_(first.weight[:, places])
    return part
