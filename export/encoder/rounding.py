"""Rounding an encoder's weights to int8 so that what its layers put out moves least.

Rounding every weight to the nearest step makes an error whose parts do not know of each other.
Here, as in GPTQ (Frantar et al., arXiv:2210.17323), the weights of an output channel are rounded
one after another, and what one loses is made up for by those still to come, as the correlations of
the layer's inputs on some images allow; the bias then restores the output's mean. Layers follow one
another, each on what the rounded ones before it make. The grid is the converter's own, a scale per
output channel which its largest weight sets, so converting the result changes nothing any more.
That weight is made smaller where this lets the others be finer and costs less: the latents of a
photo have a few that are twenty times the others, on features that hardly vary.
"""

import copy
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
Step = Callable[[Tensor], Tensor]

LARGEST = 127
REACHES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"Shares of a row's largest magnitude that its grid may reach."
ROUNDING_BATCH, UNFOLDED_BATCH = 50, 10
"Images that go through the network, and whose patches lie side by side, at once."
PIXELS_AT_ONCE = ROUNDING_BATCH * 128 * 128
"Fewer images of larger sides go through it."
THINNED = 8
"A depthwise kernel has so few weights that the covariance of every so many positions is enough."
DAMPING, LEAST_DAMPING = 0.01, 1e-9
"Shares of the inputs' mean variance, added to all: where they hardly vary is not trusted."


def whole(network: Network) -> Sequence[Step]:
    """A network that is not cut."""
    return (network,)


@torch.no_grad()
def round_weights(
    network: Network,
    images: Tensor,
    n_views: int = 1,
    steps: Callable[[Network], Sequence[Step]] = whole,
    max_positions: float = float("inf"),
) -> Network:
    """A copy with all convolutions on their int8 grid; images float32 (N, C, H, W), as it reads
    them.

    Of several views of an image one is enough, not always the same, for all layers but the last,
    which takes them all. `steps` cuts a network into functions, one after another: a deep one then
    is not run from its beginning for each of its layers. A step is rounded by every so many images
    where all of them have more than `max_positions` pixels that it reads.
    """
    rounded = copy.deepcopy(network)
    n_at_once = max(1, min(ROUNDING_BATCH, PIXELS_AT_ONCE // images[0, 0].numel()))
    batch = n_at_once
    wanted_inputs = inputs = images
    *_, last = (name for name, each in network.named_modules() if isinstance(each, nn.Conv2d))
    for original, step in zip(steps(network), steps(rounded), strict=True):
        n_positions = len(inputs) * inputs[0, 0].numel()
        each = slice(None, None, -int(-n_positions // max_positions))
        outputs = mean_outputs(network, original, wanted_inputs[each].split(batch))
        for name, wanted in outputs.items():
            layer = rounded.get_submodule(name)
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            every = 1 if n_views == 1 or name == last else n_views + 1
            mean, covariance = input_statistics(step, layer, inputs[each].split(batch), every)
            weight = layer.weight.reshape(layer.groups, -1, mean.shape[-1]).double()
            weight = rounded_rows(weight, covariance)
            layer.weight.copy_(weight.reshape(layer.weight.shape))
            layer.bias.copy_(wanted - (weight @ mean[:, :, None]).flatten())
        wanted_inputs = _outputs(original, wanted_inputs.split(batch))
        inputs = _outputs(step, inputs.split(batch))
        batch = n_at_once * len(inputs) // len(images)  # an image's views stay together
    return rounded


def _outputs(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    """What a step makes of all inputs, of large ones never held twice."""
    first = step(inputs[0])
    n_rows = sum(map(len, inputs)) * len(first) // len(inputs[0])
    outputs, done = first.new_empty(n_rows, *first.shape[1:]), 0
    for some in inputs:
        made = step(some) if done else first
        outputs[done : done + len(made)] = made
        done += len(made)
    return outputs


def mean_outputs(network: nn.Module, step: Step, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """For each convolution of the network that a step of it runs, in that order: its channels'
    means (M,), float64.
    """
    means: dict[str, list[Tensor]] = {}

    def add(name: str, output: Tensor) -> None:
        means.setdefault(name, []).append(output.mean((2, 3), dtype=torch.float64))

    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: add(name, output))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    for batch in inputs:
        step(batch)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(each).mean(0) for name, each in means.items()}


def input_statistics(
    step: Step, layer: nn.Conv2d, images: Sequence[Tensor], every: int = 1
) -> tuple[Tensor, Tensor]:
    """Mean (G, D) and covariance (G, D, D), float64, of what the kernels of each of the layer's
    groups lie on, over every so many images and all positions.
    """
    n = n_rows = 0
    total, rows_total, products = torch.zeros(()), torch.zeros(()), torch.zeros(())
    thinned = 1 if layer.groups == 1 else THINNED

    def add(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal n, n_rows, total, rows_total, products
        assert isinstance(layer, nn.Conv2d)
        assert isinstance(layer.padding, tuple)
        size = ROUNDING_BATCH if layer.groups == 1 else UNFOLDED_BATCH
        for some in inputs[0][::every].split(size):
            patches = nn.functional.unfold(
                some, layer.kernel_size, layer.dilation, layer.padding, layer.stride
            )
            n += patches.shape[0] * patches.shape[2]
            total = total + patches.sum((0, 2)).double()
            grouped = patches[..., ::thinned].unflatten(1, (layer.groups, -1))
            rows = grouped.permute(1, 0, 3, 2).flatten(1, 2).double()
            n_rows += rows.shape[1]
            rows_total, products = rows_total + rows.sum(1), products + rows.mT @ rows

    hook = layer.register_forward_pre_hook(add)
    for batch in images:
        step(batch)
    hook.remove()
    mean, rows_mean = (total / n).reshape(layer.groups, -1), rows_total / n_rows
    return mean, products / n_rows - rows_mean[:, :, None] * rows_mean[:, None]


def rounded_rows(weight: Tensor, covariance: Tensor) -> Tensor:
    """Rows (…, M, D) on their grids, for inputs of that covariance (…, D, D): of 127 steps, which
    reach as far as that share of a row's largest magnitude does that leaves the least error.
    """
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    order = variance.argsort(descending=True)
    rows = weight.gather(-1, order[..., None, :].expand_as(weight))
    damped = covariance.gather(-2, order[..., :, None].expand_as(covariance))
    damped = damped.gather(-1, order[..., None, :].expand_as(covariance))
    undamped = damped.clone()
    damping = DAMPING * variance.mean(-1, keepdim=True) + LEAST_DAMPING
    damped.diagonal(dim1=-2, dim2=-1).add_(damping)
    factor = torch.linalg.cholesky(
        torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True
    )
    best, least = rows, torch.full_like(rows[..., 0], torch.inf)
    for share in REACHES:
        rounded = _on_grid(rows, share, factor)
        error = rows - rounded
        lost = ((error @ undamped) * error).sum(-1)
        best = torch.where((lost < least)[..., None], rounded, best)
        least = torch.minimum(lost, least)
    return best.gather(-1, order.argsort()[..., None, :].expand_as(weight))


def _on_grid(rows: Tensor, share: float, factor: Tensor) -> Tensor:
    """Rows (…, M, D), rounded one column after another in steps of the share of their largest in
    127; `factor` (…, D, D) says what those still to come make up for.
    """
    left, rounded = rows.clone(), torch.empty_like(rows)
    scale = share * left.abs().amax(-1).clamp_min(torch.finfo(torch.float32).tiny) / LARGEST
    largest = left.abs().argmax(-1)  # is at the end: it is what the converter reads the scale from
    signs = left.gather(-1, largest[..., None])[..., 0].sign()
    for column in range(left.shape[-1]):
        steps = (left[..., column] / scale).round().clamp(-LARGEST, LARGEST)
        steps = torch.where(largest == column, LARGEST * signs, steps)
        rounded[..., column] = steps * scale
        pivot = factor[..., column, column, None]
        error = (left[..., column] - rounded[..., column]) / pivot
        left[..., column + 1 :] -= error[..., None] * factor[..., column, None, column + 1 :]
    return rounded
