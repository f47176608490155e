"""Measurements on the test split: agreement, accuracy at each stage, bytes through the real coder,
cost on the node.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from export.encoder.fold import FoldedEncoder
from export.encoder.onnx_model import ENCODER_INPUT
from export.entropy_model import FittedTables
from host_decoder.decode.onnx_decoder import open_session
from host_training.data.batches import evaluation_batches, to_model_input, to_pixels
from host_training.data.dataset import Split
from host_training.models.autoencoder import AutoEncoder, quantise
from link.bundle import ImageSpec
from link.coder import Tables, decode_bulk, latent_coder, mean_bits
from link.output import without_information

PERCENTILES = (5, 50, 95, 100)
EVALUATION_BATCH = 500
N_WARM_UP, N_TIMED = 20, 200
"Runs of the encoder before any is timed, and those that are."


@dataclass(frozen=True)
class Agreement:
    """How far two encoders give the same symbols: shares 0…1, `images` of whole images."""

    equal: float
    within_one: float
    images: float

    @classmethod
    def between(cls, symbols: np.ndarray, reference: np.ndarray) -> "Agreement":
        """Symbols (N, D) of both."""
        distance = np.abs(symbols.astype(np.int64) - reference.astype(np.int64))
        return cls(
            float((distance == 0).mean()),
            float((distance <= 1).mean()),
            float((distance == 0).all(1).mean()),
        )


class FloatEncoder(Protocol):
    """Images (N, C, H, W) to symbols (N, D) before rounding."""

    image: ImageSpec

    def __call__(self, images: Tensor) -> Tensor: ...


@torch.no_grad()
def float_latents(encoder: FloatEncoder, split: Split) -> Tensor:
    """Latents of a split, float32 (N, D), not rounded."""
    batches = evaluation_batches(
        split, EVALUATION_BATCH, torch.device("cpu"), encoder.image.pixel_pad
    )
    return torch.cat([encoder(images) for images, _ in batches])


def float_symbols(encoder: FloatEncoder, split: Split) -> np.ndarray:
    """Rounded float32 latents of a split as int8 (N, D)."""
    return quantise(float_latents(encoder, split)).numpy().astype(np.int8)


def onnx_symbols(path: Path, encoder: FoldedEncoder, split: Split) -> np.ndarray:
    """The same through an encoder's ONNX file, which takes one image's views at a time."""
    images = to_model_input(to_pixels(split.images), encoder.image.pixel_pad)
    views = encoder.look(images).contiguous().numpy()
    session = open_session(path)
    latents = [session.run(None, {ENCODER_INPUT: one})[0] for one in np.split(views, len(split))]
    return quantise(torch.from_numpy(np.concatenate(latents))).numpy().astype(np.int8)


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share 0…1 of the images whose highest score (N, K) is their label's (N,)."""
    return float((scores.argmax(1) == labels).mean())


@torch.no_grad()
def float_accuracy(model: AutoEncoder, split: Split) -> float:
    """The whole float model as it was trained, latents rounded; no bfloat16 here."""
    batches = evaluation_batches(
        split, EVALUATION_BATCH, torch.device("cpu"), model.config.pixel_pad
    )
    return accuracy(torch.cat([model(images) for images, _ in batches]).numpy(), split.labels)


@dataclass(frozen=True)
class Accuracies:
    """Test accuracy at each stage, 0…1; all but the first with the transmitted latents only."""

    float_all_latents: float
    float_original_decoder: float
    float_fine_tuned_decoder: float
    int8_original_decoder: float
    int8_fine_tuned_decoder: float
    through_coder: float

    @property
    def best_float(self) -> float:
        """The float encoder with the decoder that suits it better.

        Fine-tuning makes up for latents that are not sent, which must not hide what int8 costs.
        """
        return max(self.float_original_decoder, self.float_fine_tuned_decoder)

    @property
    def drop_points(self) -> float:
        """What int8 and the coder cost against the float encoder, in percentage points."""
        return 100 * (self.best_float - self.through_coder)


@dataclass(frozen=True, eq=False)
class Coded:
    """A split's symbols after the real coder and back, and what each image took."""

    symbols: np.ndarray
    "float32 (N, D): what the host has."
    n_bytes: np.ndarray
    "int64 (N,)"

    @property
    def mean_bytes(self) -> float:
        return float(self.n_bytes.mean())

    def percentiles(self) -> dict[str, float]:
        return {
            f"p{p}": float(np.percentile(self.n_bytes, p, method="higher")) for p in PERCENTILES
        }


def through_coder(symbols: np.ndarray, tables: Tables) -> Coded:
    """Each image's symbols (N, D) to its own bitstream and back."""
    bitstreams = [latent_coder.encode(image, tables) for image in symbols]
    latents = decode_bulk(bitstreams, tables)
    assert latents.is_valid.all()
    return Coded(latents.symbols, np.array([len(bitstream) for bitstream in bitstreams]))


@dataclass(frozen=True)
class Rates:
    """Bits and bytes per image of a split."""

    static_bits: float
    "Ideal bits with each latent's histogram."
    mixture_bits: float
    "Ideal bits with the best mixture over latent classes."
    coded_bytes: float
    "Mean length of the bitstream with the tables of the bundle."
    coded_bytes_percentiles: dict[str, float]
    coder_overhead_bits: float
    "Mean bits of the bitstream over its tables' ideal."

    @classmethod
    def of(cls, symbols: np.ndarray, coded: Coded, tables: FittedTables) -> "Rates":
        """From symbols (N, D) and what became of them."""
        return cls(
            static_bits=mean_bits(symbols, tables.static.tables),
            mixture_bits=mean_bits(symbols, tables.best_mixture.tables),
            coded_bytes=coded.mean_bytes,
            coded_bytes_percentiles=coded.percentiles(),
            coder_overhead_bits=8 * coded.mean_bytes - mean_bits(symbols, tables.chosen.tables),
        )


@dataclass(frozen=True)
class Cost:
    """What an encoder costs: multiply-accumulates per image and parameters."""

    macs: int
    parameters: int


def encoder_cost(encoder: FoldedEncoder) -> Cost:
    macs = multiply_accumulates(encoder, torch.zeros(1, *encoder.input_shape))
    return Cost(macs, sum(parameter.numel() for parameter in encoder.parameters()))


@torch.no_grad()
def multiply_accumulates(module: nn.Module, example: Tensor) -> int:
    """Those of one example (1, …) through all convolutions and dense layers, counted by letting it
    through: every output value of a layer, or input value of a transposed one, takes one kernel's
    worth.
    """
    macs = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        each = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs += each.numel() * layer.weight[0].numel()

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [
        layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, kinds)
    ]
    module.eval()(example)
    for hook in hooks:
        hook.remove()
    return macs


@dataclass(frozen=True)
class Latency:
    """Milliseconds per image: the int8 model alone, one thread, on the machine that exports."""

    minimum: float
    median: float


def latency_ms(encoder_path: Path) -> Latency:
    with without_information():
        interpreter = Interpreter(str(encoder_path), num_threads=1)
        interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    pixels = np.random.default_rng(0).integers(-128, 128, source["shape"]).astype(np.int8)
    times = []
    for _ in range(N_WARM_UP + N_TIMED):
        start = time.perf_counter()
        interpreter.set_tensor(source["index"], pixels)
        interpreter.invoke()
        interpreter.get_tensor(target["index"])
        times.append(time.perf_counter() - start)
    timed = 1000 * np.array(times[N_WARM_UP:])
    return Latency(float(timed.min()), float(np.median(timed)))
