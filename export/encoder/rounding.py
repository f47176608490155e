"""Rounding an encoder's weights to int8 so that what its layers put out moves least.

Rounding every weight to the nearest step makes an error whose parts do not know of each other.
Here, as in GPTQ (Frantar et al., arXiv:2210.17323), the weights of an output channel are rounded
one after another, and what one loses is made up for by those still to come, as the correlations of
the layer's inputs on some images allow; the bias then restores the output's mean. Layers follow one
another, each on what the rounded ones before it make. The grid is the converter's own, a scale per
output channel which its largest weight sets, so converting the result changes nothing any more.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)

LARGEST = 127
ROUNDING_BATCH = 50
DAMPING, LEAST_DAMPING = 0.01, 1e-9
"Shares of the inputs' mean variance, added to all: where they hardly vary is not trusted."


@torch.no_grad()
def round_weights(network: Network, images: Tensor, n_views: int = 1) -> Network:
    """A copy with all convolutions on their int8 grid; images float32 (N, C, H, W), as it reads
    them.

    Of several views of an image one is enough, not always the same, for all layers but the last,
    which takes them all.
    """
    rounded = copy.deepcopy(network)
    outputs = mean_outputs(network, images)
    *_, last = outputs
    for name, wanted in outputs.items():
        layer = rounded.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        step = 1 if n_views == 1 or name == last else n_views + 1
        mean, covariance = input_statistics(rounded, layer, images, step)
        weight = rounded_rows(layer.weight.flatten(1).double(), covariance)
        layer.weight.copy_(weight.reshape(layer.weight.shape))
        layer.bias.copy_(wanted - weight @ mean)
    return rounded


def mean_outputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """For each convolution, in the order in which an image goes through them: its channels' means
    (M,), float64.
    """
    means: dict[str, list[Tensor]] = {}

    def add(name: str, output: Tensor) -> None:
        means.setdefault(name, []).append(output.double().mean((2, 3)))

    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: add(name, output))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    for batch in images.split(ROUNDING_BATCH):
        network(batch)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(each).mean(0) for name, each in means.items()}


def input_statistics(
    network: nn.Module, layer: nn.Conv2d, images: Tensor, step: int = 1
) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D), float64, of what the layer's kernels lie on, over every
    step-th image and all positions.
    """
    n, total, products = 0, torch.zeros(()), torch.zeros(())

    def add(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal n, total, products
        assert isinstance(layer, nn.Conv2d)
        assert isinstance(layer.padding, tuple)
        patches = nn.functional.unfold(
            inputs[0][::step], layer.kernel_size, layer.dilation, layer.padding, layer.stride
        )
        rows = patches.transpose(1, 2).flatten(0, 1).double()
        n += len(rows)
        total, products = total + rows.sum(0), products + rows.T @ rows

    hook = layer.register_forward_pre_hook(add)
    for batch in images.split(ROUNDING_BATCH):
        network(batch)
    hook.remove()
    mean = total / n
    return mean, products / n - mean[:, None] * mean


def rounded_rows(weight: Tensor, covariance: Tensor) -> Tensor:
    """Rows (M, D) on their grids, each of its largest magnitude in 127 steps, for inputs of that
    covariance (D, D).
    """
    order = covariance.diagonal().argsort(descending=True)
    left = weight[:, order].clone()
    scale = left.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / LARGEST
    largest = left.abs().argmax(1)  # keeps its step: it is what the converter reads the scale from
    signs = left.gather(1, largest[:, None])[:, 0].sign()
    damped = covariance[order][:, order]
    damped.diagonal().add_(DAMPING * covariance.diagonal().mean() + LEAST_DAMPING)
    factor = torch.linalg.cholesky(
        torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True
    )
    rounded = torch.empty_like(left)
    for column in range(left.shape[1]):
        steps = (left[:, column] / scale).round().clamp(-LARGEST, LARGEST)
        steps = torch.where(largest == column, LARGEST * signs, steps)
        rounded[:, column] = steps * scale
        error = (left[:, column] - rounded[:, column]) / factor[column, column]
        left[:, column + 1 :] -= error[:, None] * factor[column, column + 1 :]
    return rounded[:, order.argsort()]
