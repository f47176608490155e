"""CompressAI's factorised prior (Ballé et al., arXiv:1802.01436) as the rival of our tables.

`same_symbols` fits its EntropyBottleneck to the symbols that our int8 encoder gives.
`LearnedBottleneck` trains the last dense layer, that prior and the decoder together, on a rate term
and a frozen backbone, as the field does it. Bytes are counted twice: as CompressAI's own coder
writes them (rANS, ends in 32-bit words), and the same probabilities through our coder, which ends
at the shortest string.
"""

import copy
import importlib
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from export.entropy_model import Alphabet
from export.measure import through_coder
from host_training.data.batches import evaluation_batches
from host_training.data.dataset import Split
from host_training.models.autoencoder import AutoEncoder
from link.coder.tables import Tables

ENVIRONMENT = Path(".venv-rivals")
REQUIREMENTS = Path("requirements/rivals.txt")


class MissingError(Exception):
    """A library that this study alone needs is not there; the message says how to get it."""


def outside(name: str) -> Any:
    """A module of the study's own environment, installed without what it depends on."""
    package = name.partition(".")[0]
    if not (ENVIRONMENT / package).is_dir():
        raise MissingError(
            f"{package} is missing: pip install --no-deps --target {ENVIRONMENT} -r {REQUIREMENTS}"
        )
    if str(ENVIRONMENT) not in sys.path:
        sys.path.append(str(ENVIRONMENT))
    return importlib.import_module(name)


def entropy_bottleneck(n_latents: int) -> Any:
    """CompressAI's class with its defaults.

    Its package's __init__ imports torchvision, pandas and more, for parts that are not used here.
    So the package is made bare, with the two functions that the entropy models ask it for.
    """
    if "compressai" not in sys.modules:
        package = types.ModuleType("compressai")
        package.__path__ = [str(ENVIRONMENT.resolve() / "compressai")]
        package.get_entropy_coder = lambda: "ans"  # type: ignore[attr-defined]
        package.available_entropy_coders = lambda: ["ans"]  # type: ignore[attr-defined]
        sys.modules["compressai"] = package
    return outside("compressai.entropy_models").EntropyBottleneck(n_latents)


@dataclass(frozen=True, eq=False)
class Coded:
    """A split through the prior and back."""

    latents: np.ndarray
    "float32 (N, D): what the host has."
    n_bytes: np.ndarray
    "int64 (N,): by CompressAI's coder."
    n_bytes_shortest: np.ndarray
    "int64 (N,): the same probabilities through our coder."

    def figures(self) -> dict[str, float]:
        return {
            "bytes": float(self.n_bytes.mean()),
            "shortest_bytes": float(self.n_bytes_shortest.mean()),
        }


def same_symbols(
    training: np.ndarray, test: np.ndarray, n_steps: int = 2000, seed: int = 0
) -> Coded:
    """Fit the prior to symbols (N, D); ValueError when its coder does not give the test symbols
    back.

    Its medians are kept at integers, so its grid is that of the symbols. Likelihoods are needed
    once for each value that a latent takes: the fit is to the histograms.
    """
    torch.manual_seed(seed)
    prior = entropy_bottleneck(training.shape[1])
    alphabet = Alphabet.of(training)
    values = torch.arange(int(alphabet.sizes.max()))[:, None] + torch.from_numpy(alphabet.minimum)
    counts = torch.stack([torch.from_numpy((training == row).sum(0)) for row in values.numpy()])
    prior.quantiles.data[:, 0, 1] = torch.from_numpy(np.rint(np.median(training, axis=0))).float()
    optimiser = torch.optim.Adam(prior.parameters(), 1e-2)
    for step in range(n_steps):
        optimiser.param_groups[0]["lr"] = 1e-2 * (1 - step / n_steps)
        _, likelihood = prior(values.float(), training=False)
        loss = -(counts * likelihood.log2()).sum() / len(training)
        optimiser.zero_grad()
        loss.backward()
        prior.quantiles.grad = None
        optimiser.step()
    coded = through_prior(prior, torch.from_numpy(test).float(), whole=True)
    if not np.array_equal(coded.latents, test):
        raise ValueError("the factorised prior did not give the symbols back")
    return coded


@torch.no_grad()
def through_prior(prior: Any, latents: Tensor, whole: bool = False) -> Coded:
    """Latents (N, D) to bytes and back; `whole`: the grid is that of the integers."""
    prior.eval()
    prior._update_quantiles()
    if whole:
        prior.quantiles.round_()
    prior.update(force=True)
    strings = [string for block in latents.split(500) for string in prior.compress(block)]
    decoded = prior.decompress(strings, ()).numpy()
    medians = prior.quantiles[:, 0, 1]
    symbols = np.rint((torch.from_numpy(decoded) - medians).numpy()).astype(np.int64)
    tables = probability_tables(prior, symbols)
    return Coded(
        decoded,
        np.array([len(string) for string in strings]),
        through_coder(symbols, tables).n_bytes,
    )


@torch.no_grad()
def probability_tables(prior: Any, symbols: np.ndarray) -> Tables:
    """The prior's probabilities of all steps from its median that symbols (N, D) take, as tables of
    the wire coder.
    """
    low, size = int(symbols.min()), max(int(np.ptp(symbols)) + 1, 2)
    steps = torch.arange(low, low + size)[:, None] + prior.quantiles[:, 0, 1]
    _, likelihood = prior(steps, training=False)
    return Tables.from_counts(np.full(symbols.shape[1], low), list(likelihood.numpy().T))


@torch.no_grad()
def backbone_features(model: AutoEncoder, split: Split) -> Tensor:
    """float32 (N, hidden): what the encoder's last dense layer is given."""
    encoder = model.encoder.eval()
    features = []
    for images, _ in evaluation_batches(split, 500, torch.device("cpu"), model.config.pixel_pad):
        maps = encoder.module3(encoder.module2(encoder.module1(encoder.stem(encoder.dwt(images)))))
        features.append(encoder.dense[:3](encoder.pool(maps)).flatten(1))
    return torch.cat(features)


class LearnedBottleneck(nn.Module):
    """Features (N, hidden) → latents → prior → class scores; starts from a trained model's two
    halves.
    """

    def __init__(self, model: AutoEncoder) -> None:
        super().__init__()
        last = model.encoder.dense[3]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        self.dense = nn.Linear(last.in_channels, last.out_channels)
        self.dense.weight.data = last.weight.data[:, :, 0, 0].clone()
        self.dense.bias.data = last.bias.data.clone()
        self.prior = entropy_bottleneck(last.out_channels)
        self.decoder = copy.deepcopy(model.decoder)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Class scores (N, K) and bits per image, with noise in rounding's place."""
        latents, likelihood = self.prior(self.dense(features))
        return self.decoder(latents), -likelihood.log2().sum(1).mean()

    def fit(
        self,
        features: Tensor,
        labels: Tensor,
        price_per_bit: float,
        n_epochs: int = 12,
        seed: int = 0,
    ) -> None:
        """Cross-entropy plus the price of the bits."""
        torch.manual_seed(seed)
        priors = list(self.prior.parameters())
        others = [*self.dense.parameters(), *self.decoder.parameters()]
        optimiser = torch.optim.Adam([dict(params=others, lr=1e-3), dict(params=priors, lr=1e-2)])
        n_batches = len(labels) // 500
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_epochs * n_batches)
        self.train()
        for _ in range(n_epochs):
            for rows in torch.randperm(len(labels)).split(500)[:n_batches]:
                scores, bits = self(features[rows])
                loss = (
                    cross_entropy(scores, labels[rows], label_smoothing=0.1) + price_per_bit * bits
                )
                optimiser.zero_grad()
                loss.backward()
                self.prior.quantiles.grad = None
                optimiser.step()
                schedule.step()
        self.eval()

    @torch.no_grad()
    def measure(self, features: Tensor, labels: np.ndarray) -> dict[str, float]:
        """Accuracy and bytes of a split's features, through real bytes."""
        coded = through_prior(self.prior, self.dense(features))
        scores = self.decoder(torch.from_numpy(coded.latents))
        return {"accuracy": float((scores.argmax(1).numpy() == labels).mean())} | coded.figures()
