"""Description: what a network is made of, as a host tells a node that is to train it: a JSON list
of layers, each a table of its kind and its sizes, from the image to the loss.

    [{"kind": "image", "height": 32, "width": 32, "channels": 3},
     {"kind": "stem", "name": "encoder.stem.0", "filters": […], "inputs": 3, "outputs": 12, …},
     {"kind": "norm", "name": "encoder.stem.1", "channels": 12},
     {"kind": "relu"}, {"kind": "max_pool", "side": 2}, …
     {"kind": "cross_entropy", "classes": 10}]

Parameters have names, and stand in the vector of weights in the order of the layers, each as torch
lays it out. A file that describes no network is refused in a sentence that says which layer.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from link.settings import setting, shown

MAX_LAYERS, MAX_WIDTH, MAX_SIDE, MAX_PIXELS = 400, 4096, 16, 1024
MAX_MAP = 1 << 22
MAX_PARAMETERS = 16_000_000
"Weights, gradient and momentum of more would not fit beside a node's other work."
NAME_BYTES = 8
Shape = tuple[int, ...]
WIDTH, SIDE = setting.whole(1, MAX_WIDTH), setting.whole(1, MAX_SIDE)
FLAG, SHARE = setting.YES_OR_NO, setting.number(0, 1)


class DescriptionError(ValueError):
    """It describes no network; the message says where and why."""


@dataclass(frozen=True)
class Layer:
    """One table of the list; those without a name hold nothing that is trained."""

    kind: ClassVar[str]

    @property
    def parameters(self) -> dict[str, Shape]:
        """Shapes by names, in the order of the vector of weights."""
        return {}

    def after(self, shape: Shape) -> Shape:
        """What it makes of a map (H, W, C); ValueError where it does not fit one."""
        return shape


@dataclass(frozen=True)
class Image(Layer):
    """uint8 (H, W, C)"""

    kind = "image"
    height: int = setting.key(setting.whole(2, MAX_PIXELS))
    width: int = setting.key(setting.whole(2, MAX_PIXELS))
    channels: int = setting.key(setting.whole(1, MAX_SIDE))
    reflect: int = setting.key(setting.whole(0, MAX_SIDE), 0)
    "Pixels reflected on each side, as the longer wavelets want them."

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    def after(self, shape: Shape) -> Shape:
        if self.reflect >= min(shape[:2]):
            raise ValueError(f"it reflects {self.reflect} pixels of an image of {shape}")
        around = 2 * self.reflect
        return shape[0] + around, shape[1] + around, shape[2]


@dataclass(frozen=True)
class Convolution(Layer):
    """A kernel (O, I, k, k), zeros around the map."""

    kind = "conv"
    name: str = setting.key(setting.text())
    inputs: int = setting.key(WIDTH)
    outputs: int = setting.key(WIDTH)
    side: int = setting.key(SIDE, 1)
    stride: int = setting.key(SIDE, 1)
    padding: int = setting.key(setting.whole(0, MAX_SIDE), 0)
    bias: bool = setting.key(FLAG, False)

    @property
    def parameters(self) -> dict[str, Shape]:
        kernel = {f"{self.name}.weight": self.kernel_shape}
        return kernel | ({f"{self.name}.bias": (self.outputs,)} if self.bias else {})

    @property
    def kernel_shape(self) -> Shape:
        return self.outputs, self.inputs, self.side, self.side

    def after(self, shape: Shape) -> Shape:
        _expect(self.inputs, shape)
        if self.padding >= self.side:
            raise ValueError(f"padding is {self.padding}; it must be less than side, {self.side}")
        sizes = ((size + 2 * self.padding - self.side) // self.stride + 1 for size in shape[:2])
        return (*sizes, self.outputs)


@dataclass(frozen=True)
class Dense(Convolution):
    """A matrix (O, I) on a map of one point."""

    kind = "dense"

    @property
    def kernel_shape(self) -> Shape:
        return self.outputs, self.inputs

    def after(self, shape: Shape) -> Shape:
        if self.side > 1 or self.stride > 1 or self.padding or shape[:2] != (1, 1):
            raise ValueError(f"a dense layer stands behind one point, not behind {shape}")
        return super().after(shape)


@dataclass(frozen=True)
class Stem(Convolution):
    """A convolution of wavelet subbands, which fixed filters make of the pixels: its kernel is
    (O, F · I, k, k), the F bands of a colour side by side.
    """

    kind = "stem"
    filters: tuple[Any, ...] = setting.key(setting.Setting((list,), items=list), ())
    "F filters of L rows of L numbers."
    filter_stride: int = setting.key(SIDE, 1)
    filter_padding: int = setting.key(setting.whole(0, MAX_SIDE), 0)

    @property
    def kernel_shape(self) -> Shape:
        return self.outputs, len(self.filters) * self.inputs, self.side, self.side

    def after(self, shape: Shape) -> Shape:
        _expect(self.inputs, shape)
        if not self.filters:
            raise ValueError("it has no filters")
        length, padding = len(self.filters[0]), 2 * self.filter_padding
        sizes = ((size + padding - length) // self.filter_stride + 1 for size in shape[:2])
        return super().after((*sizes, self.inputs))


@dataclass(frozen=True)
class Upsampling(Convolution):
    """A transposed convolution whose stride is its side: each point becomes a square."""

    kind = "upsampling"

    @property
    def kernel_shape(self) -> Shape:
        return self.inputs, self.outputs, self.side, self.side

    def after(self, shape: Shape) -> Shape:
        _expect(self.inputs, shape)
        return shape[0] * self.side, shape[1] * self.side, self.outputs


@dataclass(frozen=True)
class Norm(Layer):
    """Batch norm, with the batch's statistics or frozen ones."""

    kind = "norm"
    name: str = setting.key(setting.text())
    channels: int = setting.key(WIDTH)

    @property
    def parameters(self) -> dict[str, Shape]:
        return {f"{self.name}.{part}": (self.channels,) for part in ("weight", "bias")}

    def after(self, shape: Shape) -> Shape:
        _expect(self.channels, shape)
        return shape


@dataclass(frozen=True)
class Relu(Layer):
    """max(x, 0)"""

    kind = "relu"


@dataclass(frozen=True)
class MaxPool(Layer):
    """The largest of each square; what is left over at the border is dropped."""

    kind = "max_pool"
    side: int = setting.key(setting.whole(1, MAX_SIDE))

    def after(self, shape: Shape) -> Shape:
        return shape[0] // self.side, shape[1] // self.side, shape[2]


@dataclass(frozen=True)
class MeanPool(Layer):
    """The map averaged to side × side points."""

    kind = "mean_pool"
    side: int = setting.key(setting.whole(1, MAX_SIDE), 1)

    def after(self, shape: Shape) -> Shape:
        return self.side, self.side, shape[2]


@dataclass(frozen=True)
class Noise(Layer):
    """Uniform noise on the latents, which stands in for rounding; and a dropped tail."""

    kind = "noise"
    half_width: float = setting.key(setting.number(0, 8))
    min_kept: float = setting.key(SHARE, 1.0)
    "A random leading share of the latents is kept, at least this."


@dataclass(frozen=True)
class CrossEntropy(Layer):
    """The loss, from scores of that many classes."""

    kind = "cross_entropy"
    classes: int = setting.key(setting.whole(2, MAX_WIDTH))

    def after(self, shape: Shape) -> Shape:
        if shape != (1, 1, self.classes):
            raise ValueError(f"it has {self.classes} classes, and behind {shape} there are not")
        return ()


@dataclass(frozen=True)
class Residual(Layer):
    """The sum of two branches from the same map; no layers in a shortcut leave the map as it is."""

    kind = "residual"
    layers: tuple[Layer, ...] = setting.key(setting.SECTIONS)
    shortcut: tuple[Layer, ...] = setting.key(setting.SECTIONS, ())

    @property
    def parameters(self) -> dict[str, Shape]:
        return parameters((*self.layers, *self.shortcut))

    def after(self, shape: Shape) -> Shape:
        ends = [shapes(branch, shape)[-1] for branch in (self.layers, self.shortcut)]
        if ends[0] != ends[1]:
            raise ValueError(f"its branches end in {ends[0]} and {ends[1]}")
        return ends[0]


KINDS: dict[str, type[Layer]] = {
    each.kind: each
    for each in (
        Image,
        Convolution,
        Dense,
        Stem,
        Upsampling,
        Norm,
        Relu,
        MaxPool,
        MeanPool,
        Noise,
        CrossEntropy,
        Residual,
    )
}


def name_of(text: bytes) -> str:
    """16 hex digits that name what is trained, as the settings of a run say them."""
    return hashlib.sha256(text).hexdigest()[: 2 * NAME_BYTES]


def read(text: str | bytes) -> tuple[Layer, ...]:
    """The layers of a description; DescriptionError where it is none."""
    try:
        tables = json.loads(text)
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise DescriptionError("the network's description is no list of layers")
        layers = _layers(tables)
    except DescriptionError:
        raise
    except (ValueError, RecursionError) as error:
        raise DescriptionError(f"the network's description is no JSON ({error})") from None
    if not isinstance(layers[0], Image) or not isinstance(layers[-1], CrossEntropy):
        raise DescriptionError("a network's first layer is an image, its last one cross_entropy")
    if sum(map(math.prod, parameters(layers).values())) > MAX_PARAMETERS:
        raise DescriptionError(f"it has more than {MAX_PARAMETERS} weights; train a smaller one")
    try:
        shapes(layers, layers[0].shape)
    except ValueError as error:
        raise DescriptionError(str(error)) from None
    return layers


def shapes(layers: tuple[Layer, ...], shape: Shape) -> list[Shape]:
    """The map before each layer, (H, W, C), and that behind the last; ValueError where one does not
    fit what it is given.
    """
    found = [shape]
    for number, layer in enumerate(layers):
        try:
            shape = layer.after(shape)
            if shape and (min(shape) < 1 or math.prod(shape) > MAX_MAP):
                raise ValueError(f"it makes {shape} of {found[-1]}")
        except ValueError as error:
            raise ValueError(f"layer {number}, {layer.kind}: {error}") from None
        found.append(shape)
    return found


def parameters(layers: tuple[Layer, ...]) -> dict[str, Shape]:
    """Shapes by names of all layers, in the order of the vector of weights."""
    found: dict[str, Shape] = {}
    for layer in layers:
        for name, shape in layer.parameters.items():
            if name in found:
                raise DescriptionError(f"two layers have a parameter {shown(name)}")
            found[name] = shape
    return found


def walk(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """All layers, those of branches too, in the order of their parameters."""
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from walk((*layer.layers, *layer.shortcut))


def _expect(channels: int, shape: Shape) -> None:
    if shape[2] != channels:
        raise ValueError(f"it takes {channels} channels, and is given {shape[2]}")


def _layers(tables: list[dict[str, Any]] | tuple[dict[str, Any], ...]) -> tuple[Layer, ...]:
    if not 1 <= len(tables) <= MAX_LAYERS:
        raise DescriptionError(f"it has {len(tables)} layers, it must have 1 to {MAX_LAYERS}")
    return tuple(_layer(number, table) for number, table in enumerate(tables))


def _layer(number: int, table: Mapping[str, Any]) -> Layer:
    kind = KINDS.get(str(table.get("kind")))
    if kind is None:
        raise DescriptionError(
            f"layer {number} is of kind {shown(table.get('kind'))}; there are {', '.join(KINDS)}"
        )
    rest = {key: value for key, value in table.items() if key != "kind"}
    branches = {"layers": _layers, "shortcut": _branch} if kind is Residual else {}
    readers: dict[str, Any] = {**branches, "filters": partial(_filters, number)}
    try:
        return setting.read(kind, rest, f"layer {number}, {kind.kind}: ", **readers)
    except DescriptionError as error:
        raise DescriptionError(f"layer {number}: {error}") from None
    except ValueError as error:
        raise DescriptionError(str(error)) from None


def _branch(tables: tuple[dict[str, Any], ...]) -> tuple[Layer, ...]:
    return _layers(tables) if tables else ()


def _filters(number: int, filters: tuple[list[Any], ...]) -> tuple[Any, ...]:
    try:
        taps = np.asarray(filters, np.float64)
    except (ValueError, TypeError):
        taps = np.empty(0)
    sides = taps.shape[1:]
    if taps.ndim != 3 or not taps.size or max(taps.shape) > MAX_SIDE or sides[0] != sides[1]:
        raise DescriptionError(f"layer {number}: filters must be square lists of numbers")
    return tuple(tuple(map(tuple, rows)) for rows in taps.tolist())
