"""Network: an auto-encoder as its training ends know it: a description, one vector of weights, and
back.

    described = describe(model)
    vector = weights(model)         # float32 (P,), in the order of described.parameters
    take(model, vector)             # … and a checkpoint is written as ever

The description is a JSON list of layers (device/training/description.py), and stands in a file that
every node has; the side branch is not part of it. Batch norms' running statistics are not sent:
`restore_statistics` estimates them anew from images.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from host_training.data.batches import evaluation_batches
from host_training.data.dataset import Split
from host_training.models.autoencoder import AutoEncoder, DenseDecoder, ModelConfig
from host_training.models.blocks import BasicBlock, PlainBlock
from host_training.models.wavelet import analysis_filters

Table = dict[str, Any]
CALIBRATION_BATCH = 500


@dataclass(frozen=True)
class Described:
    """What is trained, for whoever cannot see the model."""

    text: str
    "The JSON list of layers."
    parameters: dict[str, tuple[int, ...]]
    "Shapes by names, in the order of the vector of weights."

    @property
    def name(self) -> str:
        """16 hex digits, by which the settings of a run say what is trained."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def describe(model: AutoEncoder) -> Described:
    """Its encoder and decoder, trained end to end by cross-entropy; ValueError for a team's."""
    if model.config.team is not None:
        raise ValueError("a team's encoder is trained on its host; take a preset of one node")
    return Described(
        json.dumps(list(_layers(model)), separators=(",", ":")),
        {name: tuple(each.shape) for name, each in trained(model)},
    )


def trained(model: AutoEncoder) -> Iterator[tuple[str, nn.Parameter]]:
    """What is trained of a model, by names, in the order of the vector."""
    for part in ("encoder", "decoder"):
        for name, parameter in getattr(model, part).named_parameters():
            yield f"{part}.{name}", parameter


def weights(model: AutoEncoder) -> np.ndarray:
    """float32 (P,)"""
    flat = [parameter.detach().cpu().float().flatten() for _, parameter in trained(model)]
    return torch.cat(flat).numpy()


def take(model: AutoEncoder, vector: np.ndarray) -> None:
    """Give a model the weights of a vector, float32 (P,); ValueError for another length."""
    parameters = [parameter for _, parameter in trained(model)]
    n_weights = sum(parameter.numel() for parameter in parameters)
    if vector.shape != (n_weights,):
        raise ValueError(f"a vector of {vector.shape} is no model of {n_weights} weights")
    parts = torch.from_numpy(vector).split([parameter.numel() for parameter in parameters])
    with torch.no_grad():
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))


@torch.no_grad()
def restore_statistics(model: AutoEncoder, split: Split) -> None:
    """Batch norms' running mean and variance, the averages over a split's batches."""
    norms = [
        each
        for part in (model.encoder, model.decoder)
        for each in part.modules()
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average
    was_training, device = model.training, next(model.parameters()).device
    model.train()
    for images, _ in evaluation_batches(split, CALIBRATION_BATCH, device, model.config.pixel_pad):
        if len(images) > 1:
            model(images)
    model.train(was_training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _layers(model: AutoEncoder) -> Iterator[Table]:
    config, encoder = model.config, model.encoder
    yield {
        "kind": "image",
        "height": config.height,
        "width": config.width,
        "channels": config.channels,
        "reflect": config.pixel_pad,
    }
    yield _stem(config, encoder.stem[0])
    yield from _chain("encoder.stem", encoder.stem, begin=1)
    for part in ("module1", "module2", "module3"):
        yield from _chain(f"encoder.{part}", getattr(encoder, part))
    yield {"kind": "mean_pool", "side": config.pooled}
    yield from _chain("encoder.dense", encoder.dense)
    yield {
        "kind": "noise",
        "half_width": config.noise_half_width,
        "min_kept": config.min_kept,
    }
    yield from _decoder(model)
    yield {"kind": "cross_entropy", "classes": config.n_classes}


def _decoder(model: AutoEncoder) -> Iterator[Table]:
    decoder = model.decoder
    if isinstance(decoder, DenseDecoder):
        yield from _layer("decoder.first", decoder.first)
        yield from _layer("decoder.norm", decoder.norm)
        yield {"kind": "relu"}
    else:
        yield from _chain("decoder.latent_decoder", decoder.latent_decoder)
        yield from _chain("decoder.module3", decoder.module3)
        yield {"kind": "mean_pool", "side": 1}
    yield from _layer("decoder.classifier", decoder.classifier)


def _stem(config: ModelConfig, layer: nn.Conv2d) -> Table:
    filters = analysis_filters(config.wavelet) * np.reshape(config.subband_gains, (4, 1, 1))
    return {
        **_convolution("encoder.stem.0", layer),
        "kind": "stem",
        "inputs": config.channels,
        "filters": filters.astype(np.float32).tolist(),
        "filter_stride": 2 if config.is_decimated else 1,
        "filter_padding": 0 if config.is_decimated else 1,
    }


def _chain(name: str, modules: nn.Sequential, begin: int = 0) -> Iterator[Table]:
    for number, module in list(enumerate(modules))[begin:]:
        yield from _layer(f"{name}.{number}", module)


def _layer(name: str, module: nn.Module) -> Iterator[Table]:
    match module:
        case nn.Conv2d():
            yield _convolution(name, module)
        case nn.ConvTranspose2d():
            yield {**_convolution(name, module), "kind": "upsampling", "padding": 0}
        case nn.Linear():
            has_bias = module.bias is not None
            sizes = {"inputs": module.in_features, "outputs": module.out_features}
            yield {"kind": "dense", "name": name, **sizes, "bias": has_bias}
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            yield {"kind": "norm", "name": name, "channels": module.num_features}
        case nn.ReLU():
            yield {"kind": "relu"}
        case nn.MaxPool2d():
            yield {"kind": "max_pool", "side": module.kernel_size}
        case nn.Identity():
            pass
        case PlainBlock():
            for part in ("conv", "bn"):
                yield from _layer(f"{name}.{part}", getattr(module, part))
            yield {"kind": "relu"}
            yield from _layer(f"{name}.pool", module.pool)
        case BasicBlock():
            yield from _basic_block(name, module)
        case _:
            raise ValueError(f"nodes cannot train a layer of kind {type(module).__name__}")


def _basic_block(name: str, block: BasicBlock) -> Iterator[Table]:
    layers: list[Table] = []
    for part in ("conv1", "bn1"):
        layers += _layer(f"{name}.{part}", getattr(block, part))
    layers.append({"kind": "relu"})
    for part in ("conv2", "bn2"):
        layers += _layer(f"{name}.{part}", getattr(block, part))
    shortcut = block.shortcut
    branch = (
        list(_chain(f"{name}.shortcut", shortcut)) if isinstance(shortcut, nn.Sequential) else []
    )
    yield {"kind": "residual", "layers": layers, "shortcut": branch}
    yield {"kind": "relu"}


def _convolution(name: str, layer: nn.Conv2d | nn.ConvTranspose2d) -> Table:
    assert isinstance(layer.padding, tuple)
    return {
        "kind": "conv",
        "name": name,
        "inputs": layer.in_channels,
        "outputs": layer.out_channels,
        "side": layer.kernel_size[0],
        "stride": layer.stride[0],
        "padding": layer.padding[0],
        "bias": layer.bias is not None,
    }
