"""Teacher: a released bundle, read back into a checkpoint that others can learn from.

Its int8 weights become floats and its batch norms carry the folded biases; the convolution on
pixels is taken apart into the wavelet transform and the convolution behind it. So a study has the
same teacher on every machine, and none need be trained first.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from ai_edge_litert.interpreter import Interpreter
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from host_training.data.dataset import DataSet
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import recipe
from host_training.training.checkpoint import Checkpoint, Provenance
from host_training.training.evaluation import evaluate
from link.bundle import Bundle
from link.bundle.manifest import ENCODER


def write_teacher(bundle_path: Path, data: DataSet, out: Path) -> Checkpoint:
    """Make `out`, a ce.pt of the bundle's preset with the latents that the bundle sends."""
    bundle = Bundle.load(bundle_path, "host")
    made_by = recipe(bundle.provenance.preset or "")
    config = ModelConfig.of(made_by.model, data.image_shape, len(data.classes))
    config = ModelConfig(**{**vars(config), "latents": bundle.n_latents})
    model = AutoEncoder(config).eval()
    with torch.no_grad():
        _fill_encoder(model, bundle_path / ENCODER)
        _fill_decoder(model, bundle.decoder_path)
    provenance = Provenance(data.name, data.sha256, made_by, None, None)
    figures = evaluate(model, data.validation, torch.device("cpu"))
    teacher = Checkpoint(
        model, provenance, data.classes, "ce", 0, figures, tuple(range(config.latents))
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    teacher.write(out)
    return teacher


def _fill_encoder(model: AutoEncoder, path: Path) -> None:
    encoder = model.encoder
    first, *convolutions = _convolutions(path)
    blocks = [
        block for part in (encoder.module1, encoder.module2, encoder.module3) for block in part
    ]
    *middle, hidden, last = convolutions
    assert len(middle) == len(blocks), "the bundle is not of plain blocks"
    _fill(encoder.stem[0], encoder.stem[1], _unfolded(first[0], encoder.dwt.weight), first[1])
    for block, (weight, bias) in zip(blocks, middle, strict=True):
        _fill(block.conv, block.bn, weight, bias)
    _fill(encoder.dense[0], encoder.dense[1], *hidden)
    n_hidden = encoder.dense[3].in_channels
    encoder.dense[3].weight.copy_(last[0].unflatten(1, (-1, n_hidden)).sum(1))  # of several views
    encoder.dense[3].bias.copy_(last[1])


def _fill(convolution: nn.Conv2d, norm: nn.Module, weight: Tensor, bias: Tensor) -> None:
    convolution.weight.copy_(weight)
    assert isinstance(norm, nn.BatchNorm2d)
    norm.weight.fill_((1 + norm.eps) ** 0.5)
    norm.bias.copy_(bias)


def _unfolded(folded: Tensor, transform: Tensor) -> Tensor:
    """Kernels (o, 4C, 3, 3) behind the transform (4C, 1, 2, 2) that make (o, C, 4, 4) on pixels."""
    n_channels = folded.shape[1]
    basis = torch.eye(36).reshape(36, 4, 3, 3)
    kernels = []
    for channel in range(n_channels):
        bands = transform[4 * channel : 4 * channel + 4]
        made = conv_transpose2d(basis, bands).flatten(1).T.double()
        wanted = folded[:, channel].flatten(1).T.double()
        kernels.append((torch.linalg.pinv(made) @ wanted).T.reshape(-1, 4, 3, 3))
    return torch.cat(kernels, 1).float()


def _convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weights (o, i, h, w) and biases (o,) of its convolutions, in their order."""
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    output = interpreter.get_output_details()[0]["quantization_parameters"]

    def real(index: int) -> Tensor:
        scales = details[index]["quantization_parameters"]["scales"]
        stored = interpreter.get_tensor(index).astype(np.float64)
        return torch.from_numpy(stored * scales.reshape(-1, *[1] * (stored.ndim - 1)))

    found = [
        (real(op["inputs"][1]).permute(0, 3, 1, 2).float(), real(op["inputs"][2]).float())
        for op in interpreter._get_ops_details()
        if op["op_name"] == "CONV_2D"
    ]
    weight, bias = found[-1]
    step = float(output["scales"][0])
    return [*found[:-1], (weight / step, bias / step)]


def _fill_decoder(model: AutoEncoder, path: Path) -> None:
    stored = {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}
    arrays = {name.removeprefix("decoder."): torch.tensor(each) for name, each in stored.items()}
    decoder = model.decoder
    decoder.first.weight.copy_(arrays["first.weight"])
    decoder.norm.load_state_dict(
        {
            "weight": arrays["rest.0.weight"],
            "bias": arrays["rest.0.bias"],
            "running_mean": arrays["rest.0.running_mean"] - arrays["first.bias"],
            "running_var": arrays["rest.0.running_var"],
            "num_batches_tracked": torch.tensor(0),
        }
    )
    decoder.classifier.weight.copy_(arrays["rest.2.weight"])
    decoder.classifier.bias.copy_(arrays["rest.2.bias"])
