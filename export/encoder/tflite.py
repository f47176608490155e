"""ONNX encoder to an int8 TensorFlow Lite model whose input is the pixel and whose output is the
symbol.

Two facts make the node's work trivial and are seen to here. The calibration images hold a black and
a white one, so the input's scale is exactly 1/255 and its zero point −128, or 1/128 and 0 of a
network that reads −1…1: a pixel enters as `pixel − 128`. And the output tensor's scale is set to 1
and its zero point to 0 after conversion: the last convolution then requantises its 32-bit sum
straight to round(latent), kept in −128…127, and the int8 output *is* the symbol.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export import ExportError
from export.encoder.model_file import builtin_operator, read_model, write_model

if TYPE_CHECKING:  # a conversion wants no PyTorch
    from export.encoder.fold import View
    from export.encoder.importance import Rotation


@dataclass(frozen=True)
class Input:
    """What a network makes of `pixel − 128`: real = (q − zero_point) · scale, TFLite's formula."""

    scale: np.float32
    zero_point: int

    def reals(self, images: np.ndarray) -> np.ndarray:
        """uint8 → float32"""
        return (images.astype(np.float32) - np.float32(128 + self.zero_point)) * self.scale


UNIT, SIGNED = Input(np.float32(1 / 255), -128), Input(np.float32(1 / 128), 0)
"Images in 0…1; and in −1…1, where grey is 0."

TENSORFLOW_WORKER = Path(__file__).with_name("tensorflow_worker.py")
FLATBUFFER_WORKER = Path(__file__).with_name("flatbuffer_worker.py")
SAME_SCALE_OPERATORS = (schema.BuiltinOperator.RESHAPE,)
"Their output has their input's scale, so the patch reaches through them to what is before."


def convert(
    onnx_path: Path,
    calibration: np.ndarray,
    path: Path,
    views: "Sequence[View]" = (),
    reads: Input = UNIT,
) -> None:
    """Write the int8 model, which makes the views that the ONNX one takes of the image that it is
    given; without any, that is the image itself.

    `calibration` are images uint8 (N, H + 2p, W + 2p, C); black and white ones are added.
    """
    black, white = np.zeros_like(calibration[:1]), np.full_like(calibration[:1], 255)
    images = reads.reals(np.concatenate([calibration, black, white]))
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "encoder.onnx").write_bytes(onnx_path.read_bytes())
        np.save(Path(scratch) / "calibration.npy", images)
        height, width = calibration.shape[1:3]
        pixels = [view.pixels(height, width).numpy() for view in views]
        np.save(Path(scratch) / "views.npy", pixels or np.arange(height * width)[None])
        run_worker(Path(scratch), worker(len(pixels)))
        model = read_model(Path(scratch) / "encoder.tflite")
    check_input(model, reads)
    make_output_the_symbol(model)
    write_model(model, path)


def worker(n_views: int) -> Path:
    """The one whose converter is installed: onnx2tf 1 with TensorFlow, or 2 without."""
    if metadata.version("onnx2tf").startswith("1."):
        return TENSORFLOW_WORKER
    if n_views > 1:
        raise ExportError("an encoder of several views is exported on Python 3.11 alone")
    return FLATBUFFER_WORKER


def run_worker(scratch: Path, worker: Path) -> None:
    """Let the converter do its part in a process of its own; -P keeps this package's modules out of
    that process's way.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-P", str(worker)],
        cwd=scratch,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode or not (scratch / "encoder.tflite").is_file():
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ExportError(
            f"onnx2tf or TensorFlow failed (exit code {done.returncode}); its last words were:\n"
            + "\n".join(lines[-12:])
        )


def check_input(model: schema.ModelT, reads: Input) -> None:
    """The input must be int8 with that scale and zero point, or a node's pixels would mean
    something else.
    """
    graph = model.subgraphs[0]
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.type != schema.TensorType.INT8:
        raise ExportError(f"the converted model's input is of tensor type {tensor.type}, not int8")
    scale, zero_point = (
        np.float32(tensor.quantization.scale[0]),
        int(tensor.quantization.zeroPoint[0]),
    )
    if scale != reads.scale or zero_point != reads.zero_point:
        raise ExportError(
            f"the converted model reads pixels with scale {scale:.9f} and zero point {zero_point}, "
            f"a node feeds them with {reads.scale:.9f} and {reads.zero_point}: the calibration "
            "images must span 0 to 255"
        )


def make_output_the_symbol(model: schema.ModelT) -> None:
    """Scale 1 and zero point 0 for the output, and for what reaches it through reshapes, up to the
    last convolution.
    """
    graph = model.subgraphs[0]
    open_tensors = [graph.outputs[0]]
    while open_tensors:
        index = open_tensors.pop()
        quantization = graph.tensors[index].quantization
        quantization.scale = [1.0]
        quantization.zeroPoint = [0]
        quantization.min = quantization.max = None
        [producer] = [operator for operator in graph.operators if index in list(operator.outputs)]
        kind = builtin_operator(model, producer)
        if kind in SAME_SCALE_OPERATORS:
            open_tensors.append(producer.inputs[0])
        elif kind not in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
            raise ExportError(
                f"the latents come out of builtin operator {kind}, whose output scale cannot be "
                "set to 1"
            )


def rotate_latents(source: Path, by: "Rotation", path: Path) -> None:
    """A model whose symbols are those of `source` rotated: only its last convolution changes, the
    rest stays bit by bit.

    Its weights are quantised anew, each output with a scale of its own, as the converter does.
    """
    model = read_model(source)
    graph = model.subgraphs[0]
    last = graph.operators[-1]
    while builtin_operator(model, last) in SAME_SCALE_OPERATORS:
        [last] = [
            operator for operator in graph.operators if last.inputs[0] in list(operator.outputs)
        ]
    if builtin_operator(model, last) != schema.BuiltinOperator.CONV_2D:
        raise ExportError(
            f"the latents of {source} do not come out of a convolution; export the bundle anew"
        )
    inputs, weights, biases = (graph.tensors[index] for index in last.inputs)
    scales = np.array(weights.quantization.scale, np.float64)
    kernel = _values(model, weights, np.int8).reshape(len(scales), -1) * scales[:, None]
    input_scale = float(inputs.quantization.scale[0])
    bias = _values(model, biases, np.int32) * scales * input_scale
    analysis, mean = by.analysis.numpy(), by.mean.numpy()
    kernel, bias = analysis @ kernel, analysis @ (bias - mean)
    scales = np.abs(kernel).max(1) / 127
    _set_values(model, weights, np.rint(kernel / scales[:, None]).astype(np.int8), scales)
    _set_values(
        model, biases, np.rint(bias / (scales * input_scale)).astype(np.int32), scales * input_scale
    )
    open_tensors = list(last.outputs)
    while open_tensors:
        index = open_tensors.pop()
        tensor = graph.tensors[index]
        tensor.shape = [*tensor.shape[:-1], len(scales)]
        for operator in graph.operators:
            if index in list(operator.inputs):
                shape = graph.tensors[operator.inputs[1]]  # of a reshape
                _set_values(model, shape, np.array([1, len(scales)], np.int32))
                open_tensors += list(operator.outputs)
    write_model(model, path)


def _values(model: schema.ModelT, tensor: schema.TensorT, dtype: type) -> np.ndarray:
    return np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtype)


def _set_values(
    model: schema.ModelT,
    tensor: schema.TensorT,
    values: np.ndarray,
    scales: np.ndarray | None = None,
) -> None:
    """New constants, the first axis as long as it is now."""
    model.buffers[tensor.buffer].data = np.frombuffer(
        np.ascontiguousarray(values).tobytes(), np.uint8
    )
    tensor.shape = [len(values), *tensor.shape[1:]]
    if scales is not None:
        tensor.quantization.scale = scales.astype(np.float32).tolist()
        tensor.quantization.zeroPoint = [0] * len(scales)
        tensor.quantization.min = tensor.quantization.max = None
