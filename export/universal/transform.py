"""Transform: a backbone's features as few whole numbers that keep what questions nobody has asked
yet may want.

A linear map, the most telling direction first, all rounded in one step. Which directions tell most
is a matter of what an error costs, a metric M; of that they are the principal components:

    M = (Σ + SHRINKAGE)⁻¹ + Wᵀ W, both of equal trace over the images' covariance Σ

The first half lets every direction in which images vary count the same, however little they do: a
question may be about any. W is what ImageNet's head reads off the features: a thousand questions
that the backbone was trained for, none of them about these images. The step is as coarse as the
wanted bits allow.
"""

from dataclasses import dataclass

import numpy as np
import torch

from export.encoder.importance import Rotation

SHRINKAGE = 0.1
"Added to what images vary in each direction, in its mean; chosen with a set left out in turn."
FLOOR = 0.1
"Added to every feature's deviation, in their mean: one that hardly varies says nothing."
JITTER = 1e-9
SYMBOL_MIN, SYMBOL_MAX = -128, 127
N_HALVINGS = 16


@dataclass(frozen=True, eq=False)
class Fit:
    """What a transform is fitted to."""

    features: np.ndarray
    "float32 (N, F)"
    weights: np.ndarray
    "float64 (N,): how much each image counts."
    groups: np.ndarray
    """int64 (N,): which set each image is of. What sets differ in as a whole tells nothing within
    a question, so images vary about the mean of their own.
    """


def moments(fit: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and deviation (F,), and the covariance of standardised features within sets, float64
    (F, F).
    """
    share = fit.weights / fit.weights.sum()
    mean = share @ fit.features
    deviation = np.sqrt(share @ (fit.features - mean) ** 2)
    deviation = deviation + FLOOR * deviation.mean()
    points = (fit.features - mean) / deviation
    _, groups = np.unique(fit.groups, return_inverse=True)
    sums = np.zeros((groups.max() + 1, points.shape[1]))
    np.add.at(sums, groups, points * share[:, None])
    between = (sums.T / np.bincount(groups, share)) @ sums
    return mean, deviation, (points.T * share) @ points - between


def transform(fit: Fit, head: np.ndarray, n_latents: int, bits: float) -> Rotation:
    """z = analysis (features − mean), D numbers that take `bits` together once they are rounded, if
    each is coded by its own histogram; `head` (K, F) is what reads known questions off features.
    """
    mean, deviation, total = moments(fit)
    n_features, level = len(total), np.trace(total) / len(total)
    any_question = np.linalg.inv(total / level + SHRINKAGE * np.eye(n_features))
    known = (head - head.mean(0)) * deviation
    metric = sum(part / np.sum(part * total) for part in (any_question, known.T @ known))
    factor = np.linalg.cholesky(metric + JITTER * np.trace(metric) * np.eye(n_features))
    worth, basis = np.linalg.eigh(factor.T @ total @ factor)
    leading = np.arange(n_features)[::-1][:n_latents]
    analysis = ((factor @ basis[:, leading]).T) / deviation
    step = step_of((fit.features - mean) @ analysis.T, fit.weights, bits)
    analysis /= step
    deviations = np.sqrt(np.maximum(worth[leading], 0)) / step
    return Rotation(
        mean=torch.from_numpy(mean),
        analysis=torch.from_numpy(analysis),
        synthesis=torch.from_numpy(np.linalg.pinv(analysis)),
        importance=torch.from_numpy(worth[leading].copy()),
        deviation=torch.from_numpy(deviations),
    )


def step_of(numbers: np.ndarray, weights: np.ndarray, bits: float) -> float:
    """The step in which numbers (N, D) take so many bits a row, by the histogram of each column."""
    low, high = 1e-6, float(np.abs(numbers).max()) + 1
    for _ in range(N_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if entropy(numbers / middle, weights) > bits else (low, middle)
    return high


def entropy(numbers: np.ndarray, weights: np.ndarray) -> float:
    """Bits of a row of rounded numbers (N, D), by the histogram of each column."""
    total = 0.0
    for column in np.rint(numbers).astype(np.int64).T:
        counts = np.bincount(column - column.min(), weights)
        shares = counts[counts > 0] / weights.sum()
        total -= float((shares * np.log2(shares)).sum())
    return total


def rounded(features: np.ndarray, by: Rotation) -> np.ndarray:
    """Symbols int8 (N, D) of features (N, F): what an int8 layer makes of them but for the rounding
    of its weights.
    """
    numbers = (features - by.mean.numpy()) @ by.analysis.numpy().T
    return np.clip(np.rint(numbers), SYMBOL_MIN, SYMBOL_MAX).astype(np.int8)
