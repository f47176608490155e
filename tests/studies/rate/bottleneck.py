"""A bottleneck that is learned on the trunk of a finished bundle: its int8 encoder stays bit by bit
but for the last convolution, which becomes z = A y + b of the latents y before they are rounded.

    cross-entropy(decoder(z + u)) + λ bits(z)       u uniform in ±½

bits is the coder's mixture (host_training.training.mixture) or, as its rival, a factorised prior
(Ballé et al., arXiv:1802.01436, appendix 6.1), which sees z + u and learns a density for each
latent alone. The mixture starts from class scores; the rival was worse from there, so it starts
from the latents as they were trained.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from export.decoders.lessons import passes
from export.encoder.importance import Rotation
from export.encoder.symbols import Int8Encoder
from export.encoder.tflite import SAME_SCALE_OPERATORS, builtin_operator, read_model, write_model
from host_training.data.dataset import DataSet
from host_training.training.mixture import SymbolMixture
from link.bundle.bundle import Bundle

N_PASSES = 4
EPOCHS, BATCH_SIZE, HIDDEN = 14, 500, 256
LEARNING_RATE, PRIOR_LEARNING_RATE = 2e-3, 0.02
N_LATENTS, N_COMPONENTS = 12, 64
RAMP = 0.25
"Share of the updates in which the rate gains its weight."
FILTERS, INIT_SCALE = (1, 3, 3, 3, 1), 8.0
"The widths and the first scale of the factorised prior."


@dataclass(frozen=True, eq=False)
class Latents:
    """What a bundle's encoder gives before rounding, float32."""

    train: Tensor
    "(passes, N, D): the images as they are, then changed as in training."
    validation: Tensor
    labels: Tensor
    validation_labels: Tensor

    @classmethod
    def of(cls, bundle: Bundle, data: DataSet, folder: Path) -> "Latents":
        cut, kernel, bias, step, zero = hidden_part(bundle, folder / "hidden.tflite")
        encode = Int8Encoder(cut, bundle.image)

        def latents(images: np.ndarray) -> Tensor:
            hidden = torch.from_numpy(encode(images).reshape(len(images), -1)).float()
            return (hidden - zero) * step @ kernel.T + bias

        seen = passes(data.train.images, data.augmentation, N_PASSES)
        return cls(
            torch.stack([latents(images) for images in seen]),
            latents(data.validation.images),
            torch.from_numpy(data.train.labels),
            torch.from_numpy(data.validation.labels),
        )


def hidden_part(bundle: Bundle, path: Path) -> tuple[Path, Tensor, Tensor, float, int]:
    """The encoder without its last convolution, at `path`; that one's weights (D, M) and bias; step
    and zero point of what it reads.
    """
    model = read_model(bundle.encoder_path)
    graph = model.subgraphs[0]
    operators = list(graph.operators)
    while builtin_operator(model, operators[-1]) in SAME_SCALE_OPERATORS:
        operators.pop()
    hidden, weights, bias = (graph.tensors[index] for index in operators[-1].inputs)
    scales = np.array(weights.quantization.scale)
    step = float(hidden.quantization.scale[0])

    def values(tensor: Any, kind: type) -> np.ndarray:
        return np.frombuffer(bytes(model.buffers[tensor.buffer].data), kind)

    kernel = values(weights, np.int8).reshape(len(scales), -1) * scales[:, None]
    offset = values(bias, np.int32) * scales * step
    graph.outputs = [operators[-1].inputs[0]]
    graph.operators = operators[:-1]
    for signature in model.signatureDefs or ():
        signature.outputs[0].tensorIndex = graph.outputs[0]
    write_model(model, path)
    zero = int(hidden.quantization.zeroPoint[0])
    return path, torch.tensor(kernel).float(), torch.tensor(offset).float(), step, zero


class FactorisedPrior(nn.Module):
    """The univariate densities of Ballé et al. (2018), a monotone network for each of D latents."""

    def __init__(self, n_latents: int) -> None:
        super().__init__()
        scale = INIT_SCALE ** (1 / (len(FILTERS) - 1))
        self.matrices, self.biases, self.factors = (nn.ParameterList() for _ in range(3))
        for n_in, n_out in pairwise(FILTERS):
            start = math.log(math.expm1(1 / scale / n_out))
            self.matrices.append(nn.Parameter(torch.full((n_latents, n_out, n_in), start)))
            self.biases.append(nn.Parameter(torch.empty(n_latents, n_out, 1).uniform_(-0.5, 0.5)))
            self.factors.append(nn.Parameter(torch.zeros(n_latents, n_out, 1)))

    def bits(self, latents: Tensor) -> Tensor:
        """What each image costs, (N,); latents (N, D) with noise."""
        lower, upper = (self._logits(latents.T[:, None] + half) for half in (-0.5, 0.5))
        sign = -torch.sign(lower + upper).detach()
        mass = (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()
        return -mass.clamp(min=1e-9).log2().sum((0, 1))

    def _logits(self, x: Tensor) -> Tensor:
        last = len(self.matrices) - 1
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = softplus(matrix) @ x + bias
            if i < last:
                x = x + torch.tanh(self.factors[i]) * torch.tanh(x)
        return x


def decoder(n_latents: int, n_classes: int) -> nn.Module:
    """As the host's dense one."""
    first = nn.Linear(n_latents, HIDDEN, bias=False)
    return nn.Sequential(first, nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_classes))


def class_scores(latents: Latents, n_classes: int) -> nn.Linear:
    """A layer whose first outputs are scores of the classes, 0 for the others and 1 for the own."""
    found = nn.Linear(latents.train.shape[2], n_classes)
    optimiser = torch.optim.Adam(found.parameters(), LEARNING_RATE)
    for epoch in range(3):
        seen = latents.train[epoch % len(latents.train)]
        for chosen in torch.randperm(len(seen)).split(BATCH_SIZE):
            loss = cross_entropy(found(seen[chosen]), latents.labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    layer = nn.Linear(found.in_features, max(N_LATENTS, n_classes))
    with torch.no_grad():
        scores = found(latents.train[0])
        is_own = latents.labels[:, None] == torch.arange(n_classes)
        own, other = scores[is_own].mean(), scores[~is_own].mean()
        layer.weight.normal_(0, 0.02)
        layer.bias.zero_()
        layer.weight[:n_classes] = found.weight / (own - other)
        layer.bias[:n_classes] = (found.bias - other) / (own - other)
    return layer


def learn(latents: Latents, n_classes: int, prior: str, rate: float, seed: int) -> nn.Linear:
    """The layer z = A y + b: `prior` is "mixture" or "factorised"; `rate` is λ, nats a bit."""
    torch.manual_seed(seed)
    n_in = latents.train.shape[2]
    layer = class_scores(latents, n_classes) if prior == "mixture" else nn.Linear(n_in, n_in)
    if prior != "mixture":
        with torch.no_grad():
            layer.weight.copy_(torch.eye(n_in))
            layer.bias.zero_()
    host = decoder(layer.out_features, n_classes)
    model: SymbolMixture | FactorisedPrior
    warm_epochs = 1
    if prior == "mixture":
        model = SymbolMixture(layer.out_features, N_COMPONENTS)
    else:
        model = FactorisedPrior(layer.out_features)
    optimiser = torch.optim.Adam(
        [
            {"params": [*layer.parameters(), *host.parameters()], "lr": LEARNING_RATE},
            {"params": list(model.parameters()), "lr": PRIOR_LEARNING_RATE},
        ]
    )
    usual = [group["lr"] for group in optimiser.param_groups]
    n_updates = EPOCHS * -(-len(latents.labels) // BATCH_SIZE)
    update = 0
    for epoch in range(EPOCHS):
        seen = latents.train[epoch % len(latents.train)]
        if epoch == warm_epochs and isinstance(model, SymbolMixture):
            with torch.no_grad():
                model.fit(layer(latents.train[0]).round(), latents.labels, seed)
        for chosen in torch.randperm(len(seen)).split(BATCH_SIZE):
            share = update / n_updates
            for group, learning_rate in zip(optimiser.param_groups, usual, strict=True):
                group["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * share))
            z = layer(seen[chosen])
            noisy = z + torch.empty_like(z).uniform_(-0.5, 0.5)
            loss = cross_entropy(host(noisy), latents.labels[chosen])
            if epoch >= warm_epochs:
                weight = rate * min(1.0, (share - warm_epochs / EPOCHS) / RAMP)
                loss = loss + weight * model.bits(z if prior == "mixture" else noisy).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            update += 1
    return layer


def as_rotation(layer: nn.Linear, latents: Latents) -> Rotation:
    """For export.encoder.tflite.rotate_latents: the useful ones, the most varied first."""
    with torch.no_grad():
        z = layer(latents.train[0]).round()
    deviation = z.std(0).double()
    order = deviation.argsort(descending=True)
    order = order[: max(int((deviation > 0.05).sum()), 1)]
    analysis = layer.weight.detach().double()[order]
    synthesis = torch.linalg.pinv(analysis)
    mean = -synthesis @ layer.bias.detach().double()[order]
    return Rotation(mean, analysis, synthesis, deviation[order], deviation[order])
