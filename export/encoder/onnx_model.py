"""ONNX: the encoder on its way to TensorFlow Lite, and the decoders that the host runs.

PyTorch's TorchScript exporter is chosen on purpose: it takes a fraction of a second and writes the
same bytes every time. The encoder's tensors are given their shapes, from which onnx2tf reads off
which axis is the channels; without them it guesses, and where a feature map is as wide as it has
channels it guesses wrong.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from export.encoder.fold import FoldedEncoder
from link.base import durable

OPSET = 17
ENCODER_INPUT, ENCODER_OUTPUT = "pixels", "symbols"
DECODER_INPUT, DECODER_OUTPUT = "symbols", "probabilities"


class OfViews(nn.Module):
    """An encoder behind its views: (V, C, H, W) of one image to latents (1, D)."""

    def __init__(self, encoder: FoldedEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, views: Tensor) -> Tensor:
        return self.encoder.of_views(views)


class ClassDecoder(nn.Module):
    """A decoder with its softmax: symbols (N, D) to class probabilities (N, K)."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, symbols: Tensor) -> Tensor:
        return self.decoder(symbols).softmax(1)


def write_encoder(encoder: FoldedEncoder, path: Path) -> None:
    """Encoder for one image's views: "pixels" float32 (V, C, H, W), as `look` gives them →
    "symbols" float32 (1, D), not rounded.
    """
    example = torch.zeros(len(encoder.views), *encoder.input_shape)
    _write(OfViews(encoder), example, path, ENCODER_INPUT, ENCODER_OUTPUT, dynamic_batch=False)
    model = onnx.load(path)
    if any(node.op_type == "Pad" for node in model.graph.node):
        put_pads_into_convolutions(model.graph)
    onnx.save(onnx.shape_inference.infer_shapes(model, strict_mode=True), path)


def put_pads_into_convolutions(graph: onnx.GraphProto) -> None:
    """Zeros that are a layer before a convolution, as PyTorch wants uneven ones, become part of it:
    one operator in place of two, for a node and for an Edge TPU.
    """
    constants = constants_of(graph)
    pads = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    for conv in graph.node:
        if conv.op_type != "Conv" or (pad := pads.get(conv.input[0])) is None:
            continue
        _, _, top, left, _, _, bottom, right = constants[pad.input[1]].tolist()
        [own] = [each for each in conv.attribute if each.name == "pads"]
        assert not any(own.ints), "a layer of zeros comes before a convolution without any"
        own.ints[:] = [top, left, bottom, right]
        conv.input[0] = pad.input[0]
        graph.node.remove(pad)
    for node in reversed([node for node in graph.node if node.output[0] in constants]):
        if not any(node.output[0] in other.input for other in graph.node):
            graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    for each in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(each)


def constants_of(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """What does not depend on the images: constants, and what is computed of these alone."""
    known = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if all(not name or name in known for name in node.input):
            feeds = {name: known[name] for name in node.input if name}
            made: Any = ReferenceEvaluator(node).run(None, feeds)
            known |= zip(node.output, made, strict=True)
    return known


def write_decoder(decoder: nn.Module, n_latents: int, path: Path) -> None:
    """Decoder for any batch: "symbols" float32 (N, D) in transmitted order → "probabilities"
    float32 (N, K).
    """
    write_task(ClassDecoder(decoder), n_latents, DECODER_OUTPUT, path)


def write_task(decoder: nn.Module, n_latents: int, output: str, path: Path) -> None:
    """A further task's decoder for any batch: "symbols" float32 (N, D) → its output (N, …)."""
    example = torch.zeros(2, n_latents)
    with durable.whole(path) as unfinished:
        _write(decoder, example, unfinished, DECODER_INPUT, output, dynamic_batch=True)


def _write(
    module: nn.Module, example: Tensor, path: Path, source: str, target: str, dynamic_batch: bool
) -> None:
    with warnings.catch_warnings():
        # of the TorchScript exporter, see above
        warnings.simplefilter("ignore", DeprecationWarning)
        # of zeros around a map, which are put into their convolutions afterwards
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        torch.onnx.export(
            module.eval(),
            (example,),
            path,
            input_names=[source],
            output_names=[target],
            dynamic_axes={source: {0: "batch"}, target: {0: "batch"}} if dynamic_batch else None,
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(path, full_check=True)
