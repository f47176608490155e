"""Multiply-accumulates: what a network costs a node."""

from dataclasses import replace

import torch

from export.encoder.fold import fold
from export.measure import encoder_cost, multiply_accumulates
from host_training.data.dataset import DataSet
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import recipe


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
