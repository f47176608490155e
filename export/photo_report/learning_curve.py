"""Learning curve: the accuracy of a decoder that learns from only so many photos of each class, on
features that stay as they are.

Those are of a pretrained backbone as it came, where there is one. Else they are the latents, of an
encoder that has learned from all photos: few look better then than they are, and what counts is
whether the curve still rises at its end.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

PHOTOS = (10, 20, 50, 100)
N_DRAWS = 5
SEED = 0
PENALTY = 1e-3
N_STEPS = 60


@dataclass(frozen=True)
class Point:
    """Accuracies 0…1 of decoders that learned from so many photos of each class."""

    n_photos: int
    mean: float
    lowest: float
    highest: float
    is_all: bool = False
    "From all photos; `n_photos` is then the mean over the classes."


def learning_curve(
    train: np.ndarray, test: np.ndarray, labels: np.ndarray, test_labels: np.ndarray
) -> tuple[Point, ...]:
    """Features float32 (N, D) and (M, D), labels int64 (N,) and (M,); a class with fewer photos
    gives all that it has.
    """
    shift, scale = train.mean(0), train.std(0) + 1e-6
    known = torch.from_numpy((train - shift) / scale)
    unknown = torch.from_numpy((test - shift) / scale)
    wanted = torch.from_numpy(labels)
    counts = np.bincount(labels)
    rng = np.random.default_rng(SEED)

    def accuracy(chosen: np.ndarray) -> float:
        scores = _classifier(known[chosen], wanted[chosen], len(counts))(unknown)
        return float((scores.argmax(1).numpy() == test_labels).mean())

    points = []
    for n_photos in (n for n in PHOTOS if n < counts.max()):
        found = [accuracy(_drawn(labels, n_photos, rng)) for _ in range(N_DRAWS)]
        points.append(Point(n_photos, float(np.mean(found)), min(found), max(found)))
    last = accuracy(np.arange(len(labels)))
    return (*points, Point(round(float(counts.mean())), last, last, last, is_all=True))


def _drawn(labels: np.ndarray, n_photos: int, rng: np.random.Generator) -> np.ndarray:
    each = [rng.permutation(np.flatnonzero(labels == one))[:n_photos] for one in np.unique(labels)]
    return np.concatenate(each)


def _classifier(features: torch.Tensor, labels: torch.Tensor, n_classes: int) -> nn.Linear:
    """Multinomial logistic regression, to its minimum: the same each time."""
    layer = nn.Linear(features.shape[1], n_classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(
        layer.parameters(), max_iter=N_STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = nn.functional.cross_entropy(layer(features), labels)
        value = value + PENALTY * layer.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return layer.requires_grad_(False)


def exponent(curve: tuple[Point, ...]) -> float:
    """How fast errors go down: their share falls as the number of photos to the power of minus
    this; 0 where it does not.

    By least squares in logarithms, over all points where there are errors.
    """
    known = [point for point in curve if point.mean < 1]
    if len({point.n_photos for point in known}) < 2:
        return 0.0
    x = [math.log(point.n_photos) for point in known]
    y = [math.log(1 - point.mean) for point in known]
    return max(0.0, -float(np.polyfit(x, y, 1)[0]))
