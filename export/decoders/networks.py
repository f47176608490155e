"""Further decoders: networks that learn from a frozen encoder's symbols, and the modules that the
host then runs.

Each module takes symbols (N, D) and ends in what its task asks for: probabilities, a score, or
pixels.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, mse_loss, multi_margin_loss

from export.decoders.finetune import as_input, run
from export.decoders.lessons import Lessons

Penalty = Callable[[Tensor, Tensor], Tensor]
CE, KL, SVM = LOSSES = ("ce", "kl", "svm")
PENALTIES: dict[str, Penalty] = {
    CE: cross_entropy,
    KL: lambda scores, wanted: kl_div(scores.log_softmax(1), wanted, reduction="batchmean"),
    SVM: multi_margin_loss,  # Crammer and Singer's
}
"""Losses of scores (N, K) and labels (N,); KL-D's are the probabilities (N, K) that the bundle's
own decoder gives.
"""

N_COMPONENTS = 128
"Principal components that a thumbnail is put together from."
N_IMAGES_FOR_COMPONENTS = 10_000
ROUNDING_VARIANCE = 1 / 12
"""The variance of symbols around latents; it keeps a latent that never changes from counting for
ever.
"""
SOFTNESS = 10.0
"The softness of distances, chosen on validation images among 1, 4, 10 and 30."
LOG_TEMPERATURE_BOUNDS = (-3.0, 3.0)


@dataclass(frozen=True)
class Learning:
    """Settings of one training."""

    seed: int = 0
    epochs: int = 5
    batch_size: int = 512
    hidden: int = 256
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    min_steps: int = 500
    "A small data set is seen more often."

    def n_epochs(self, n_images: int) -> int:
        return max(self.epochs, -(-self.min_steps * self.batch_size // n_images))


class Standardise(nn.Module):
    """Symbols (N, D) to mean 0 and variance 1, as they are over the training images."""

    mean: Tensor
    scale: Tensor

    def __init__(self, symbols: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("mean", as_input(symbols).mean(0))
        self.register_buffer("scale", 1 / as_input(symbols).std(0).clamp(min=0.5))

    def forward(self, symbols: Tensor) -> Tensor:
        return (symbols - self.mean) * self.scale


def dense_network(symbols: np.ndarray, n_outputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        Standardise(symbols),
        nn.Linear(symbols.shape[1], hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, n_outputs),
    )


def linear_network(symbols: np.ndarray, n_outputs: int) -> nn.Sequential:
    return nn.Sequential(Standardise(symbols), nn.Linear(symbols.shape[1], n_outputs))


def learn(network: nn.Module, lessons: Lessons, penalty: Penalty, settings: Learning) -> nn.Module:
    """Train; the epoch with the smallest penalty on the validation images wins."""
    n_images = lessons.symbols.shape[1]
    batch_size = min(settings.batch_size, n_images)
    n_epochs, n_steps = settings.n_epochs(n_images), n_images // batch_size
    rate = settings.learning_rate
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=n_epochs * n_steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(settings.seed)
    best, smallest = network, float("inf")
    for epoch in range(n_epochs):
        network.train()
        symbols, wanted = lessons.in_pass(epoch)
        for batch in torch.randperm(n_images, generator=generator)[: n_steps * batch_size].split(
            batch_size
        ):
            loss = penalty(network(symbols[batch]), wanted[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        reached = float(
            penalty(run(network, lessons.validation), torch.from_numpy(lessons.validation_wanted))
        )
        if reached < smallest:
            best, smallest = copy.deepcopy(network), reached
    return best.eval()


class SoftenedScores(nn.Module):
    """Scores of a network, softened by a temperature, as probabilities (N, K)."""

    shifts: Tensor

    def __init__(self, scores: nn.Module, n_classes: int, temperature: float) -> None:
        super().__init__()
        self.scores = scores
        self.temperature = temperature
        self.register_buffer("shifts", torch.zeros(n_classes))

    def forward(self, symbols: Tensor) -> Tensor:
        return ((self.scores(symbols) + self.shifts) / self.temperature).softmax(1)

    def shift(self, label: int, by: float) -> None:
        """Make one class's score larger or smaller."""
        self.shifts[label] += by


def learn_classes(
    lessons: Lessons, labels: np.ndarray, n_classes: int, loss: str, settings: Learning
) -> SoftenedScores:
    """A decoder of classes; `labels` (M,), of validation images, choose how sure it is."""
    torch.manual_seed(settings.seed)
    symbols = lessons.symbols[0]
    network = (
        linear_network(symbols, n_classes)
        if loss == SVM
        else dense_network(symbols, n_classes, settings.hidden)
    )
    learnt = learn(network, lessons, PENALTIES[loss], settings)
    temperature = likeliest_temperature(run(learnt, lessons.validation), torch.from_numpy(labels))
    return SoftenedScores(learnt, n_classes, temperature)


def likeliest_temperature(scores: Tensor, labels: Tensor) -> float:
    """Under which the labels (N,) are most likely, given scores (N, K)."""
    found = minimize_scalar(
        lambda log: float(cross_entropy(scores / np.exp(log), labels)),
        bounds=LOG_TEMPERATURE_BOUNDS,
        method="bounded",
    )
    return float(np.exp(found.x))


class Pixels(nn.Module):
    """A network's coefficients (N, n) of principal components, as uint8 images (N, H, W, C)."""

    mean: Tensor
    components: Tensor

    def __init__(
        self,
        coefficients: nn.Module,
        components: "PrincipalComponents",
        shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.coefficients = coefficients
        self.shape = shape
        self.register_buffer("mean", components.mean)
        self.register_buffer("components", components.rows)

    def forward(self, symbols: Tensor) -> Tensor:
        images = self.mean + self.coefficients(symbols) @ self.components
        return (images.clamp(0, 1) * 255).round().to(torch.uint8).reshape(-1, *self.shape)


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Principal components of images in 0…1; a squared error in their coefficients is one in
    pixels.
    """

    mean: Tensor
    "(H·W·C,)"
    rows: Tensor
    "(n, H·W·C), orthonormal."

    @classmethod
    def of(cls, images: np.ndarray, seed: int = 0) -> "PrincipalComponents":
        torch.manual_seed(seed)
        rows = flat(images[:N_IMAGES_FOR_COMPONENTS])
        _, _, columns = torch.pca_lowrank(
            rows, min(N_COMPONENTS, *rows.shape), center=True, niter=2
        )
        return cls(rows.mean(0), columns.T.contiguous())

    def coefficients(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, C) → float32 (N, n)."""
        parts = np.array_split(images, -(-len(images) // N_IMAGES_FOR_COMPONENTS))
        return torch.cat([(flat(part) - self.mean) @ self.rows.T for part in parts]).numpy()


def flat(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W, C) → float32 (N, H·W·C) in 0…1."""
    return torch.from_numpy(images.reshape(len(images), -1)).float().div_(255)


def learn_pixels(
    lessons: Lessons,
    components: PrincipalComponents,
    shape: tuple[int, int, int],
    settings: Learning,
) -> Pixels:
    """A decoder of images (H, W, C); what the lessons want are coefficients."""
    torch.manual_seed(settings.seed)
    network = dense_network(lessons.symbols[0], len(components.rows), settings.hidden)
    return Pixels(learn(network, lessons, mse_loss, settings), components, shape)


class Distances(nn.Module):
    """Squared Mahalanobis distances (N, K) to the classes' means, all of one covariance."""

    whiten: Tensor
    means: Tensor

    def __init__(self, symbols: np.ndarray, labels: np.ndarray) -> None:
        """Takes symbols (N, D) with classes (N,)."""
        super().__init__()
        rows = symbols.astype(np.float64)
        means = np.stack([rows[labels == label].mean(0) for label in range(labels.max() + 1)])
        covariance = np.cov(
            rows - means[labels], rowvar=False, ddof=0
        ) + ROUNDING_VARIANCE * np.eye(rows.shape[1])
        whiten = np.linalg.cholesky(np.linalg.inv(covariance))
        self.register_buffer("whiten", torch.from_numpy(whiten).float())
        self.register_buffer("means", torch.from_numpy(means @ whiten).float())

    def forward(self, symbols: Tensor) -> Tensor:
        white = symbols @ self.whiten
        return (white**2).sum(1, keepdim=True) - 2 * white @ self.means.T + (self.means**2).sum(1)


class Undecided(nn.Module):
    """A score (N,): the entropy, in nats, of the class that the softened distances tell.

    Strange images lie between the classes rather than far from them all. On the validation images
    of CIFAR-10 against those of CIFAR-100 the area under the curve is 0.86; the distance to the
    nearest class has 0.72.
    """

    def __init__(self, distances: Distances) -> None:
        super().__init__()
        self.distances = distances

    def forward(self, symbols: Tensor) -> Tensor:
        log_share = (-self.distances(symbols) / (2 * SOFTNESS)).log_softmax(1)
        return -(log_share.exp() * log_share).sum(1)
