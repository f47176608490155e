"""Multiply-accumulates: what a network costs a node."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from export.encoder.fold import fold
from export.measure import encoder_cost
from host_training.data.dataset import DataSet
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import recipe


def multiply_accumulates(module: nn.Module, example: Tensor) -> int:
    """Those of one example (1, …) through all convolutions and dense layers."""
    macs = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        each = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs += each.numel() * layer.weight[0].numel()

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [
        layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, kinds)
    ]
    with torch.no_grad():
        module.eval()(example)
    for hook in hooks:
        hook.remove()
    return macs


def network(preset: str, data: DataSet, n_latents: int) -> AutoEncoder:
    """A preset's network with random weights, to count in; a bundle may send fewer latents than
    it.
    """
    architecture = replace(recipe(preset).model, latents=n_latents)
    return AutoEncoder(ModelConfig.of(architecture, data.image_shape, len(data.classes)))


def decoder_macs(model: AutoEncoder) -> int:
    return multiply_accumulates(model.decoder, torch.zeros(1, model.config.latents))


def encoder_macs(model: AutoEncoder) -> int:
    """As deployed: the wavelet transform is folded into the first convolution."""
    deployed, _ = fold(model.eval(), range(model.config.latents), torch.zeros(model.config.latents))
    return encoder_cost(deployed).macs
