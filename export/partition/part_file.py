"""Parts as int8 TensorFlow Lite files, written operator by operator: a part has four kinds of them.

Activations are int8 with zero point −128, so a ReLU is where int8 ends, a symbol that is 0 and a
node that is dead are −128, and the symbols of a boundary, in steps, have scale 1. Weights have a
scale per output channel, biases are int32, as TensorFlow's converter has them; but 21 parts take no
process of its own and no minute. Latents have scale 1 and zero point 0: the int8 output is the
symbol.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.encoder.model_file import write_model

LARGEST = 127
ZERO = -128
"Zero point of pixels, of boundaries and behind every ReLU."
PIXEL = 1 / 255
STEP = 1.0
"Scale of symbols."


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution of stride 1, with its ReLU unless it makes latents."""

    weight: np.ndarray
    "float (o, i, size, size)"
    bias: np.ndarray
    "float (o,)"
    padding: int
    scale: float
    "Scale of its output."
    has_relu: bool = True


@dataclass(frozen=True)
class Pool:
    """The largest of each 2 × 2; an odd row or column at the end is left out."""


@dataclass(frozen=True)
class Mean:
    """Over all positions."""

    scale: float


Layer = Conv | Pool | Mean


def write_part(
    path: Path, shape: tuple[int, int, int], scale: float, layers: Sequence[Layer]
) -> tuple[int, int, int]:
    """Write a part that reads (height, width, channels) of that scale; returns the shape of what it
    makes, of latents (1, 1, n).
    """
    graph = _Graph(shape, scale)
    for layer in layers:
        graph.add(layer)
    made = graph.shape
    if isinstance(layers[-1], Conv) and not layers[-1].has_relu:
        graph.flatten()
    write_model(graph.model(), path)
    return made


class _Graph:
    """What is written so far; each operator reads what the one before it made."""

    def __init__(self, shape: tuple[int, int, int], scale: float) -> None:
        self.buffers = [schema.BufferT()]
        self.tensors: list[schema.TensorT] = []
        self.operators: list[schema.OperatorT] = []
        self.codes: dict[tuple[int, int], int] = {}
        self.shape, self.scale = shape, scale
        self.last = self._tensor("input", (1, *shape), [scale], ZERO)

    def add(self, layer: Layer) -> None:
        height, width, channels = self.shape
        if isinstance(layer, Conv):
            self._convolve(layer)
        elif isinstance(layer, Pool):
            options = schema.Pool2DOptionsT()
            options.padding = schema.Padding.VALID
            options.strideW = options.strideH = options.filterWidth = options.filterHeight = 2
            self.shape = height // 2, width // 2, channels
            kind = schema.BuiltinOperator.MAX_POOL_2D, 2
            self._operator(kind, schema.BuiltinOptions.Pool2DOptions, options, [])
        else:
            options = schema.ReducerOptionsT()
            options.keepDims = True
            self.shape, self.scale = (1, 1, channels), layer.scale
            kind = schema.BuiltinOperator.MEAN, 2
            axes = self._constant("axes", np.array([1, 2], np.int32))
            self._operator(kind, schema.BuiltinOptions.ReducerOptions, options, [axes])

    def flatten(self) -> None:
        """Latents (1, 1, 1, n) to (1, n)."""
        wanted = self._constant("shape", np.array([-1, self.shape[-1]], np.int32))
        made = self._tensor("latents", (1, self.shape[-1]), [STEP], 0)
        self._link((schema.BuiltinOperator.RESHAPE, 1), 0, None, [wanted], made)

    def model(self) -> schema.ModelT:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [0], [self.last]
        model = schema.ModelT()
        model.version, model.description = 3, "latentlink"
        model.subgraphs, model.buffers, model.operatorCodes = [graph], self.buffers, []
        for kind, version in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = kind
            code.version = version
            model.operatorCodes.append(code)
        return model

    def _convolve(self, layer: Conv) -> None:
        height, width, _ = self.shape
        size, has_border = layer.weight.shape[-1], layer.padding > 0
        if has_border and 2 * layer.padding != size - 1:
            self._pad(layer.padding)
        options = schema.Conv2DOptionsT()
        is_same = has_border and 2 * layer.padding == size - 1
        options.padding = schema.Padding.SAME if is_same else schema.Padding.VALID
        options.strideW = options.strideH = 1
        kinds = schema.ActivationFunctionType
        options.fusedActivationFunction = kinds.RELU if layer.has_relu else kinds.NONE
        weight = layer.weight.transpose(0, 2, 3, 1)
        largest = np.abs(weight).max(axis=(1, 2, 3))
        scales = np.maximum(largest, np.finfo(np.float32).tiny).astype(np.float32) / LARGEST
        rounded = np.rint(weight / scales[:, None, None, None]).clip(-LARGEST, LARGEST)
        bias_scales = scales * np.float32(self.scale)
        bias = np.rint(layer.bias / bias_scales.astype(np.float64))
        bias = bias.clip(-(2**31) + 1, 2**31 - 1)
        constants = [
            self._constant("weight", rounded.astype(np.int8), scales),
            self._constant("bias", bias.astype(np.int32), bias_scales),
        ]
        grown = 2 * layer.padding - size + 1
        self.shape, self.scale = (height + grown, width + grown, len(bias)), layer.scale
        self._operator(
            (schema.BuiltinOperator.CONV_2D, 3),
            schema.BuiltinOptions.Conv2DOptions,
            options,
            constants,
            zero_point=ZERO if layer.has_relu else 0,
        )

    def _pad(self, border: int) -> None:
        height, width, channels = shape = self.shape
        sides = [[0, 0], [border, border], [border, border], [0, 0]]
        self.shape = height + 2 * border, width + 2 * border, channels
        constant = self._constant("border", np.array(sides, np.int32))
        kind = schema.BuiltinOperator.PAD, 2
        self._operator(kind, schema.BuiltinOptions.PadOptions, schema.PadOptionsT(), [constant])
        self.shape = shape

    def _operator(
        self,
        kind: tuple[int, int],
        options_type: int,
        options: object,
        constants: list[int],
        zero_point: int = ZERO,
    ) -> None:
        """One that makes `shape` with `scale`."""
        made = self._tensor(f"map-{len(self.tensors)}", (1, *self.shape), [self.scale], zero_point)
        self._link(kind, options_type, options, constants, made)

    def _link(
        self,
        kind: tuple[int, int],
        options_type: int,
        options: object,
        constants: list[int],
        made: int,
    ) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.setdefault(kind, len(self.codes))
        operator.inputs, operator.outputs = [self.last, *constants], [made]
        operator.builtinOptionsType, operator.builtinOptions = options_type, options
        self.operators.append(operator)
        self.last = made

    def _tensor(
        self, name: str, shape: Sequence[int], scales: Sequence[float], zero_point: int
    ) -> int:
        """An int8 tensor without content; its number."""
        tensor = self._described(name, shape, scales, zero_point)
        tensor.type, tensor.buffer = schema.TensorType.INT8, 0
        return len(self.tensors) - 1

    def _constant(self, name: str, values: np.ndarray, scales: np.ndarray | None = None) -> int:
        types = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(buffer)
        tensor = self._described(name, values.shape, () if scales is None else scales, 0)
        tensor.type, tensor.buffer = types[values.dtype.name], len(self.buffers) - 1
        return len(self.tensors) - 1

    def _described(
        self, name: str, shape: Sequence[int], scales: Sequence[float] | np.ndarray, zero_point: int
    ) -> schema.TensorT:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = f"{name}-{len(self.tensors)}", list(shape)
        if len(scales):
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(scale) for scale in scales]
            quantization.zeroPoint = [zero_point] * len(scales)
            tensor.quantization = quantization
        self.tensors.append(tensor)
        return tensor
