"""What a model is worth: accuracy, coding rates and bits per image on a split; discriminative power
of each latent.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from host_training.data.batches import evaluation_batches
from host_training.data.dataset import Split
from host_training.models.autoencoder import AutoEncoder, ModelConfig, quantise
from host_training.training.class_accuracy import ClassAccuracies
from host_training.training.mcr2 import rate_reduction

BATCH_SIZE = 500


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one split; rates in nats, bits by each latent's histogram on that
    same split.
    """

    accuracy: float
    loss: float
    coding_rate: float
    class_coding_rate: float
    bits_per_image: float

    @property
    def rate_reduction(self) -> float:
        return self.coding_rate - self.class_coding_rate

    @property
    def merit(self) -> tuple[float, float]:
        """What makes a checkpoint the best of its stage, on the validation split: accuracy, then a
        lower loss.
        """
        return self.accuracy, -self.loss

    def describe(self) -> str:
        """One line for the progress bar."""
        return (
            f"val {self.accuracy:.2%} loss {self.loss:.3f} R {self.coding_rate:.1f} Rc "
            f"{self.class_coding_rate:.1f} ΔR {self.rate_reduction:.1f} {self.bits_per_image:.0f} "
            "bit/image"
        )


@torch.no_grad()
def encode_split(model: AutoEncoder, split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    """Symbols float32 (N, D), rounded, and labels (N,) of a whole split."""
    model.eval()
    symbols, labels = [], []
    for images, batch_labels in evaluation_batches(
        split, BATCH_SIZE, device, model.config.pixel_pad
    ):
        with autocast(device, model.config):
            latents = model.encoder(images)
        symbols.append(quantise(latents.float()))
        labels.append(batch_labels)
    return torch.cat(symbols), torch.cat(labels)


@torch.no_grad()
def evaluate(model: AutoEncoder, split: Split, device: torch.device) -> Evaluation:
    """Rounded symbols, clean pass through the decoder."""
    symbols, labels = encode_split(model, split, device)
    with autocast(device):
        scores = model.decoder(symbols).float()
    rates = rate_reduction(model.side_branch(symbols), labels)
    return Evaluation(
        accuracy=float((scores.argmax(1) == labels).float().mean()),
        loss=float(torch.nn.functional.cross_entropy(scores, labels)),
        coding_rate=float(rates.coding_rate),
        class_coding_rate=float(rates.class_coding_rate),
        bits_per_image=histogram_bits(symbols.cpu().numpy()),
    )


@torch.no_grad()
def class_accuracies(
    model: AutoEncoder, split: Split, classes: Sequence[str], device: torch.device | str = "cpu"
) -> ClassAccuracies:
    """The same pass, by class; `classes` are their names."""
    symbols, labels = encode_split(model, split, torch.device(device))
    with autocast(torch.device(device)):
        said = model.decoder(symbols).float().argmax(1)
    return ClassAccuracies.of(classes, labels.cpu().numpy(), said.cpu().numpy())


def histogram_bits(symbols: np.ndarray) -> float:
    """Sum over the latents of their histograms' entropies, bits per image; symbols (N, D)."""
    bits = 0.0
    for column in symbols.T:
        _, counts = np.unique(column, return_counts=True)
        p = counts / counts.sum()
        bits -= float((p * np.log2(p)).sum())
    return bits


def discriminative_power(symbols: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """tr(S_between)/tr(S_within) of each latent (DuPHiL, section 3.2); symbols (N, D) → (D,), 0 for
    a constant one.
    """
    symbols = symbols.astype(np.float64)
    between, within = np.zeros(symbols.shape[1]), np.zeros(symbols.shape[1])
    for label in np.unique(labels):
        members = symbols[labels == label]
        between += len(members) * (members.mean(0) - symbols.mean(0)) ** 2
        within += ((members - members.mean(0)) ** 2).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(between > 0, between / within, 0.0)


def latent_order(symbols: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Latents by falling discriminative power, int64 (D,)."""
    return np.argsort(-discriminative_power(symbols, labels), kind="stable")


def symbol_order(config: ModelConfig, symbols: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The symbols in the order in which they are best sent, int64: latents by falling
    discriminative power, behind a team's alive flags.
    """
    n_flags = config.n_symbols - config.latents
    order = latent_order(symbols[:, n_flags:], labels) + n_flags
    return np.concatenate([np.arange(n_flags), order])


def autocast(device: torch.device, of: ModelConfig | None = None) -> torch.autocast:
    """bfloat16 where it is safe and the processor has it: a CPU without AVX512-BF16 or AMX is 15
    times slower in it, and any CPU in the depthwise convolutions of a backbone.
    """
    is_depthwise = of is not None and of.backbone is not None
    is_faster = device.type != "cpu" or (_has_bfloat16() and not is_depthwise)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_faster)


@cache
def _has_bfloat16() -> bool:
    if platform.machine() in ("x86_64", "AMD64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return True
