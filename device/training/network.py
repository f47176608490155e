"""Network: the loss of some images and its gradient, as one vector, in numpy alone.

    network = Network(description.read(text))
    step = network.gradient(weights, images, labels, network.draws(rng, len(images)))

The arithmetic is that of the torch model that was described, to 1e-4
(host_training/distributed/learner/network.py); on one thread the same input gives the same bits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from device.training import description as d
from device.training import layers
from device.training.layers import Arrays, Function, Step, cross_entropy


@dataclass(frozen=True)
class Draws:
    """What is random in a forward pass."""

    noise: np.ndarray
    "(N, D) in -1…1"
    n_kept: np.ndarray | None = None
    "Latents that are kept of each image, (N,)."


@dataclass(frozen=True, eq=False)
class Gradient:
    """What a forward and backward pass gave."""

    loss: float
    "Mean over the images, nats."
    gradient: np.ndarray
    "float32 (P,)"


class Network:
    """A described network, at work on vectors of weights (P,)."""

    def __init__(self, described: tuple[d.Layer, ...], smoothing: float = 0.0) -> None:
        """As description.read gives it; DescriptionError where a layer stands in a wrong place."""
        first, *middle, last = described
        assert isinstance(first, d.Image)
        assert isinstance(last, d.CrossEntropy)
        self.image = first
        self.n_classes = last.classes
        self.parameters = d.parameters(described)
        self.n_weights = sum(map(math.prod, self.parameters.values()))
        self._smoothing = smoothing
        self._statistics_shapes = {
            f"{layer.name}.{part}": (layer.channels,)
            for layer in d.walk(described)
            if isinstance(layer, d.Norm)
            for part in ("running_mean", "running_var")
        }
        self._noise, self._n_latents = None, 0
        for layer, shape in zip(described, d.shapes(described, first.shape), strict=False):
            if isinstance(layer, d.Noise):
                self._noise, self._n_latents = layer, math.prod(shape)
        self._functions = [_function(each, number == 0) for number, each in enumerate(middle)]
        _pool_first(self._functions)

    def gradient(
        self,
        weights: np.ndarray,
        images: np.ndarray,
        labels: np.ndarray,
        draws: Draws,
        statistics: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> Gradient:
        """The loss of images uint8 (N, H, W, C) with labels (N,), and its gradient; norms take the
        batch's statistics, or frozen ones, float32 (S,). `bias`: float32 (K,), added to the scores.
        """
        gradient = np.zeros(self.n_weights, np.float32)
        step = Step(
            self.views(weights),
            self.views(gradient),
            self._statistics(statistics),
            noise=draws.noise,
            n_kept=draws.n_kept,
        )
        scores = self._forward(images, step)
        if bias is not None:
            scores = scores + bias
        loss, dy = cross_entropy(scores, labels, self._smoothing)
        dy = dy.reshape(len(dy), 1, 1, -1)
        for function in reversed(self._functions):
            dy = function.backward(dy, step)
        return Gradient(loss, gradient)

    def scores(
        self, weights: np.ndarray, images: np.ndarray, statistics: np.ndarray | None = None
    ) -> np.ndarray:
        """Class scores (N, K), latents rounded as on the link."""
        step = Step(self.views(weights), statistics=self._statistics(statistics))
        return self._forward(images, step)

    def draws(self, rng: np.random.Generator, n_images: int) -> Draws:
        noise = rng.random((n_images, self._n_latents), np.float32) * 2 - 1
        min_kept = 1.0 if self._noise is None else self._noise.min_kept
        if min_kept == 1:
            return Draws(noise)
        share = min_kept + (1 - min_kept) * rng.random(n_images)
        return Draws(noise, np.ceil(share * self._n_latents))

    def views(self, vector: np.ndarray) -> Arrays:
        """The parameters in a vector (P,), by names."""
        return _views(vector, self.parameters)

    def _statistics(self, vector: np.ndarray | None) -> Arrays | None:
        """Mean and variance of every norm, one behind the other in a vector (S,), by names."""
        return None if vector is None else _views(vector, self._statistics_shapes)

    def _forward(self, images: np.ndarray, step: Step) -> np.ndarray:
        x = images * np.float32(1 / 255)
        if around := self.image.reflect:
            x = np.pad(x, ((0, 0), (around, around), (around, around), (0, 0)), "reflect")
        for function in self._functions:
            x = function.forward(x, step)
        return x.reshape(len(x), -1)


def _views(vector: np.ndarray, shapes: Mapping[str, d.Shape]) -> Arrays:
    found, begin = {}, 0
    for name, shape in shapes.items():
        end = begin + math.prod(shape)
        found[name] = vector[begin:end].reshape(shape)
        begin = end
    assert vector.shape == (begin,)
    return found


def _function(layer: d.Layer, is_first: bool) -> Function:
    match layer:
        case d.Stem():
            return layers.Stem(layer)
        case d.Upsampling():
            return layers.Upsampling(layer)
        case d.Convolution():
            return layers.Convolution(layer, is_first)
        case d.Norm():
            return layers.Norm(layer)
        case d.Relu():
            return layers.Relu()
        case d.MaxPool():
            return layers.MaxPool(layer)
        case d.MeanPool():
            return layers.MeanPool(layer)
        case d.Noise():
            return layers.Noise(layer)
        case d.Residual():
            branches = layer.layers, layer.shortcut
            return layers.Residual(*([_function(each, False) for each in one] for one in branches))
    raise d.DescriptionError(f"a layer of kind {layer.kind} must not stand inside")


def _pool_first(functions: list[Function]) -> None:
    """max(relu(x)) = relu(max(x)), of a quarter of the numbers."""
    for i in range(len(functions) - 1):
        if isinstance(functions[i], layers.Relu) and isinstance(functions[i + 1], layers.MaxPool):
            functions[i], functions[i + 1] = functions[i + 1], functions[i]
