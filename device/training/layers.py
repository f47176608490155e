"""Layers: what each kind computes forward, and its gradients backward, on maps (N, H, W, C) of
float32, channels last, where a convolution is one product of matrices.

A layer keeps what its backward needs from its last forward. Those without a name are functions; the
others read their parameters, and add their gradients, by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import as_strided

from device.training import description as d

EPS = 1e-5
"What torch's batch norm adds to a variance."
COLUMNS_BYTES = 1 << 20
"Windows are unfolded for so many bytes at a time: they stay in the cache, and memory small."
ZERO = np.float32(0)
SYMBOL_MIN, SYMBOL_MAX = -128, 127
"Where symbols end, as on the link."
Arrays = dict[str, np.ndarray]


@dataclass
class Step:
    """What the layers of one forward and backward share."""

    weights: Arrays
    gradients: Arrays = field(default_factory=dict)
    statistics: Arrays | None = None
    "Means and variances of the norms, by name; None: each batch's own."
    noise: np.ndarray | None = None
    "(N, D) in -1…1; None: latents are rounded, as on the link."
    n_kept: np.ndarray | None = None
    "Latents of each image that are kept, (N,); None: all."


class Function(ABC):
    """One layer at work."""

    @abstractmethod
    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        """May change x."""

    @abstractmethod
    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        """The gradient of what forward was given; may change dy."""


class Convolution(Function):
    """Windows of the map times the kernel, (M, k · k · I) @ (k · k · I, O)."""

    def __init__(self, layer: d.Convolution, is_first: bool = False) -> None:
        self._layer = layer
        self._side, self._stride, self._padding = layer.side, layer.stride, layer.padding
        self._is_first = is_first
        self._x = np.empty(0)

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        kernel, side = self._kernel(step), self._side
        around = padded(x, self._padding)
        self._x = around if self._is_first else x
        n, height, width = (
            len(x),
            *((size - side) // self._stride + 1 for size in around.shape[1:3]),
        )
        matrix = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0).reshape(-1, len(kernel)))
        y = np.empty((n, height, width, len(kernel)), np.float32)
        for part, rows in windows(around, side, self._stride):
            np.matmul(rows, matrix, out=flat(y[part]))
        if self._layer.bias:
            y += step.weights[f"{self._layer.name}.bias"]
        return y

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        if self._layer.bias:
            add(step, f"{self._layer.name}.bias", column_sums(dy))
        if self._is_first:
            self._add_kernel(step, self._from_pixels(dy))
            return dy
        x, side = self._x, self._side
        sizes = (size - side + 2 * self._padding + 1 for size in x.shape[1:3])
        dy = padded(dilated(dy, self._stride, *sizes), side - 1 - self._padding)
        # every window of dy serves twice: its products with the kernel turned over are the
        # gradient of x, those with x are the gradient of the kernel turned over
        kernel = self._kernel(step)[:, :, ::-1, ::-1]
        outputs, inputs = kernel.shape[:2]
        matrix = np.ascontiguousarray(kernel.transpose(2, 3, 0, 1).reshape(-1, inputs))
        dx, products = np.empty_like(x), np.zeros_like(matrix)
        for part, rows in windows(dy, side, 1):
            np.matmul(rows, matrix, out=flat(dx[part]))
            products += rows.T @ flat(x[part])
        turned = products.reshape(side, side, outputs, inputs)[::-1, ::-1]
        self._add_kernel(step, turned.transpose(2, 3, 0, 1))
        return dx

    def _from_pixels(self, dy: np.ndarray) -> np.ndarray:
        """The kernel's gradient (O, I, k, k), where that of x is nobody's."""
        outputs, inputs = dy.shape[-1], self._x.shape[-1]
        products = np.zeros((self._side * self._side * inputs, outputs), np.float32)
        for part, rows in windows(self._x, self._side, self._stride):
            products += rows.T @ flat(dy[part])
        return products.reshape(self._side, self._side, inputs, outputs).transpose(3, 2, 0, 1)

    def _kernel(self, step: Step) -> np.ndarray:
        """(O, I, k, k)"""
        kernel = step.weights[f"{self._layer.name}.weight"]
        return kernel.reshape(*kernel.shape[:2], self._side, self._side)

    def _add_kernel(self, step: Step, gradient: np.ndarray) -> None:
        add(step, f"{self._layer.name}.weight", gradient)


class Stem(Convolution):
    """Wavelet filters and the convolution behind them, folded into one convolution of pixels:
    fewer products than the two, and no subbands in memory.
    """

    def __init__(self, layer: d.Stem) -> None:
        super().__init__(layer, is_first=True)
        self._filters = np.array(layer.filters, np.float32)
        self._filter_stride, length = layer.filter_stride, self._filters.shape[-1]
        self._bands_side = layer.side
        self._side = (layer.side - 1) * layer.filter_stride + length
        self._stride = layer.stride * layer.filter_stride
        self._padding = layer.padding * layer.filter_stride + layer.filter_padding

    def _kernel(self, step: Step) -> np.ndarray:
        taps = self._taps(step.weights[f"{self._layer.name}.weight"])
        kernel = np.zeros((*taps.shape[:2], self._side, self._side), np.float32)
        for i, j, rows, columns in self._places():
            kernel[:, :, rows, columns] += np.tensordot(taps[..., i, j], self._filters, 1)
        return kernel

    def _add_kernel(self, step: Step, gradient: np.ndarray) -> None:
        name = f"{self._layer.name}.weight"
        taps = np.zeros_like(self._taps(step.weights[name]))
        for i, j, rows, columns in self._places():
            part = gradient[:, :, rows, columns]
            taps[..., i, j] = np.tensordot(part, self._filters, ((2, 3), (1, 2)))
        add(step, name, taps)

    def _taps(self, weight: np.ndarray) -> np.ndarray:
        """(O, C, F, k, k)"""
        side = self._bands_side
        return weight.reshape(len(weight), self._layer.inputs, len(self._filters), side, side)

    def _places(self) -> Iterator[tuple[int, int, slice, slice]]:
        """Where the filters of each tap of the kernel lie on the pixels."""
        length = self._filters.shape[-1]
        begins = [self._filter_stride * i for i in range(self._bands_side)]
        spans = [slice(begin, begin + length) for begin in begins]
        for i, rows in enumerate(spans):
            for j, columns in enumerate(spans):
                yield i, j, rows, columns


class Upsampling(Function):
    """Each point (I) becomes a square (k, k, O)."""

    def __init__(self, layer: d.Upsampling) -> None:
        self._layer = layer
        self._x = np.empty(0)

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        side = self._layer.side
        self._x = x
        n, height, width, _ = x.shape
        kernel = step.weights[f"{self._layer.name}.weight"].transpose(0, 2, 3, 1)
        y = np.tensordot(x, kernel, 1).transpose(0, 1, 3, 2, 4, 5)
        y = y.reshape(n, height * side, width * side, self._layer.outputs)
        return y + step.weights[f"{self._layer.name}.bias"] if self._layer.bias else y

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        side, name = self._layer.side, self._layer.name
        n, height, width, channels = self._x.shape
        if self._layer.bias:
            add(step, f"{name}.bias", column_sums(dy))
        squares = dy.reshape(n, height, side, width, side, -1).transpose(0, 1, 3, 2, 4, 5)
        squares = squares.reshape(n * height * width, -1)
        kernel = step.weights[f"{name}.weight"]
        gradient = flat(self._x).T @ squares
        gradient = gradient.reshape(channels, side, side, -1).transpose(0, 3, 1, 2)
        add(step, f"{name}.weight", gradient)
        matrix = kernel.transpose(0, 2, 3, 1).reshape(channels, -1)
        return (squares @ matrix.T).reshape(self._x.shape)


class Norm(Function):
    """Batch norm (Ioffe and Szegedy, arXiv:1502.03167), its variance biased as in training."""

    def __init__(self, layer: d.Norm) -> None:
        self._name = layer.name
        self._x, self._scale = np.empty(0), np.empty(0)

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        name, count = self._name, x.size // x.shape[-1]
        self._is_frozen = step.statistics is not None
        if step.statistics is None:
            mean = column_sums(x) / count
        else:
            mean = step.statistics[f"{name}.running_mean"]
        self._x = x = x - row_of(mean, x)
        if step.statistics is None:
            variance = column_sums(x, x) / count
        else:
            variance = step.statistics[f"{name}.running_var"]
        self._scale = 1 / np.sqrt(variance + np.float32(EPS))
        y = x * row_of(self._scale * step.weights[f"{name}.weight"], x)
        y += row_of(step.weights[f"{name}.bias"], x)
        return y

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        name, x, scale = self._name, self._x, self._scale
        count = x.size // x.shape[-1]
        sums, products = column_sums(dy), column_sums(dy, x)
        add(step, f"{name}.bias", sums)
        add(step, f"{name}.weight", products * scale)
        factor = step.weights[f"{name}.weight"] * scale
        if self._is_frozen:
            dy *= row_of(factor, dy)
            return dy
        dy -= row_of(sums / count, dy)
        x *= row_of(products * scale * scale / count, x)
        dy -= x
        dy *= row_of(factor, dy)
        return dy


class Relu(Function):
    """max(x, 0)"""

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        self._y = np.maximum(x, ZERO, out=x)
        return self._y

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        dy *= self._y > ZERO
        return dy


class MaxPool(Function):
    """The largest of each square of 2 × 2, or of any side: rows first, then columns."""

    def __init__(self, layer: d.MaxPool) -> None:
        self._side = layer.side

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        self._shape = x.shape
        x, self._rows = largest(x, 1, self._side)
        x, self._columns = largest(x, 2, self._side)
        return x

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        n, _, width, channels = self._shape
        dy = scattered(dy, self._columns, 2, self._side, (n, dy.shape[1], width, channels))
        return scattered(dy, self._rows, 1, self._side, self._shape)


class MeanPool(Function):
    """The map averaged to side × side points, whose areas may share a row (as torch's adaptive
    pooling).
    """

    def __init__(self, layer: d.MeanPool) -> None:
        self._side = layer.side

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        self._shape = x.shape
        y = np.empty((len(x), self._side, self._side, x.shape[-1]), np.float32)
        for i, j, rows, columns in self._areas():
            y[:, i, j] = x[:, rows, columns].mean((1, 2))
        return y

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        dx = np.zeros(self._shape, np.float32)
        for i, j, rows, columns in self._areas():
            area = (rows.stop - rows.start) * (columns.stop - columns.start)
            dx[:, rows, columns] += dy[:, i, None, j, None] / np.float32(area)
        return dx

    def _areas(self) -> Iterator[tuple[int, int, slice, slice]]:
        _, height, width, _ = self._shape
        side = self._side
        for i in range(side):
            rows = slice(i * height // side, -(-(i + 1) * height // side))
            for j in range(side):
                yield i, j, rows, slice(j * width // side, -(-(j + 1) * width // side))


class Noise(Function):
    """Training's stand-in for the link: uniform noise for rounding, a dropped tail."""

    def __init__(self, layer: d.Noise) -> None:
        self._half_width = np.float32(layer.half_width)

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        self._is_kept = np.ones(1, bool)
        if step.noise is None:
            return np.clip(np.rint(x), SYMBOL_MIN, SYMBOL_MAX)
        y = x + (step.noise * self._half_width).reshape(x.shape)
        if step.n_kept is not None:
            self._is_kept = np.arange(x.shape[-1]) < step.n_kept[:, None, None, None]
            y *= self._is_kept
        return y

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        return dy * self._is_kept


class Residual(Function):
    """The sum of two branches."""

    def __init__(self, layers: list[Function], shortcut: list[Function]) -> None:
        self._branches = layers, shortcut

    def forward(self, x: np.ndarray, step: Step) -> np.ndarray:
        first, second = x.copy(), x
        for function in self._branches[0]:
            first = function.forward(first, step)
        for function in self._branches[1]:
            second = function.forward(second, step)
        return first + second

    def backward(self, dy: np.ndarray, step: Step) -> np.ndarray:
        first, second = dy.copy(), dy
        for function in reversed(self._branches[0]):
            first = function.backward(first, step)
        for function in reversed(self._branches[1]):
            second = function.backward(second, step)
        return first + second


def cross_entropy(
    scores: np.ndarray, labels: np.ndarray, smoothing: float
) -> tuple[float, np.ndarray]:
    """The mean loss of scores (N, K), with a share of every label spread over all classes, and its
    gradient (N, K).
    """
    n, n_classes = scores.shape
    shifted = scores - scores.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(1, keepdims=True)
    target = np.full_like(scores, smoothing / n_classes)
    target[np.arange(n), labels] += np.float32(1 - smoothing)
    loss = (target * (np.log(sums) - shifted)).sum() / n
    return float(loss), (exponentials / sums - target) / np.float32(n)


def windows(x: np.ndarray, side: int, stride: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Windows of some images at a time as rows, (M, k · k · C)."""
    n, height, width, channels = x.shape
    height, width = ((size - side) // stride + 1 for size in (height, width))
    length = side * side * channels
    if side == stride == 1 or (height == width == 1 and x.shape[1:3] == (side, side)):
        yield slice(0, n), x.reshape(n * height * width, length)
        return
    along = x.strides
    view = as_strided(
        x,
        (n, height, width, side, side * channels),
        (along[0], stride * along[1], stride * along[2], along[1], along[3]),
        writeable=False,
    )
    n_at_once = max(1, COLUMNS_BYTES // (4 * height * width * length))
    unfolded = np.empty((min(n, n_at_once), *view.shape[1:]), np.float32)
    for begin in range(0, n, n_at_once):
        part = slice(begin, min(begin + n_at_once, n))
        columns = unfolded[: part.stop - begin]
        np.copyto(columns, view[part])
        yield part, columns.reshape(-1, length)


def padded(x: np.ndarray, padding: int) -> np.ndarray:
    """Maps with zeros around."""
    if not padding:
        return np.ascontiguousarray(x)
    n, height, width, channels = x.shape
    whole = np.zeros((n, height + 2 * padding, width + 2 * padding, channels), np.float32)
    whole[:, padding:-padding, padding:-padding] = x
    return whole


def dilated(x: np.ndarray, stride: int, height: int, width: int) -> np.ndarray:
    """Maps of that size, x at every other place of a stride and zeros between."""
    if stride == 1:
        return x
    whole = np.zeros((len(x), height, width, x.shape[-1]), np.float32)
    whole[:, : (x.shape[1] - 1) * stride + 1 : stride, : (x.shape[2] - 1) * stride + 1 : stride] = x
    return whole


def largest(x: np.ndarray, axis: int, side: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The largest of `side` neighbours along an axis, and for each neighbour behind the first where
    it was larger than those before.
    """
    first, *others = neighbours(x, axis, side)
    best, was_larger = first, []
    for other in others:
        was_larger.append(other > best)
        best = np.maximum(best, other)
    return best, was_larger


def scattered(
    dy: np.ndarray, was_larger: list[np.ndarray], axis: int, side: int, shape: tuple[int, ...]
) -> np.ndarray:
    """The gradient of largest's x, of that shape: each of dy goes where the largest was found."""
    dx = np.zeros(shape, np.float32) if shape[axis] % side else np.empty(shape, np.float32)
    first, *others = neighbours(dx, axis, side)
    for other, is_larger in zip(reversed(others), reversed(was_larger), strict=True):
        np.multiply(dy, is_larger, out=other)
        dy = dy - other
    first[...] = dy
    return dx


def neighbours(x: np.ndarray, axis: int, side: int) -> list[np.ndarray]:
    """Views of every first, every second … of `side` along an axis."""
    n_whole = x.shape[axis] // side * side
    before = (slice(None),) * axis
    return [x[(*before, slice(i, n_whole, side))] for i in range(side)]


def row_of(channels: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values of the channels (C,) for every column of maps, (W, C): numpy is slow on short rows."""
    return np.tile(channels.astype(np.float32, copy=False), (x.shape[2], 1))


def column_sums(x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """Sums over all places of maps, or of the products of two, (C,)."""
    rows = x.reshape(-1, x.shape[2] * x.shape[3])
    if y is None:
        sums = np.ones(len(rows), np.float32) @ rows
    else:
        sums = np.einsum("ij,ij->j", rows, y.reshape(rows.shape))
    return sums.reshape(x.shape[2:]).sum(0)


def flat(x: np.ndarray) -> np.ndarray:
    """Maps as rows, (M, C), without a copy."""
    return x.reshape(-1, x.shape[-1])


def add(step: Step, name: str, gradient: np.ndarray) -> None:
    into = step.gradients[name]
    into += gradient.reshape(into.shape)
