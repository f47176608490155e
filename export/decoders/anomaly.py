"""Anomaly: how unlike the data set's own images an image is, told from its symbols alone.

Two scores, and the larger one counts. The first is learned: own symbols against those of drawn
pictures of no class (outlier exposure, Hendrycks et al., arXiv:1812.04606). The second needs no
strangers: how undecided the distances to the classes are, since what shows another object lies
between the classes. Each is scaled by what validation images have, so that neither takes the
other's place; the threshold lets NORMAL_SHARE of the validation images pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from export.decoders.finetune import run
from export.decoders.lessons import Lessons
from export.decoders.networks import CE, Distances, Learning, Undecided, learn_classes
from export.decoders.strangers import KINDS, draw
from export.encoder import onnx_model
from export.encoder.symbols import Encode
from host_training.data.dataset import DataSet
from link.bundle.manifest import ANOMALY_TASK, Learned, Output, TaskEntry, TaskMeasured

FILE = "decoder-anomaly.onnx"
NORMAL_SHARE = 0.95
"The share of the validation images that an anomaly score lets pass."
MIN_IMAGES = 50
"""Validation images; of fewer none may be told by mistake, nor any that was learned from: a few say
little of others.
"""
HELD_BACK = ("disc", "noise", "grey noise")
"Kinds of strangers that a score is measured on that has never seen them."
N_STRANGERS, N_TO_MEASURE = 600, 300
"How many of each kind: to learn from, a quarter of them to choose the epoch by, and to measure on."
MAX_OWN = 10_000
"Training images to learn from."
LEARNING = Learning(epochs=1, hidden=64, min_steps=300)
LEARNT, MEASURED = 0, 1
"Seeds of what is drawn."
ENDS = 0.5, 0.975
"Quantiles of a score over validation images that become 0 and 1."
DECIMALS = 4
WEAK = 0.5
"Share told, below which a report says that the score is weak."
SMALLEST = 1e-3
"Distance of the two, so that a score which never changes divides by something."


class Scaled(nn.Module):
    """A score (N,), scaled so that validation images have their median at 0 and few are above 1."""

    def __init__(self, score: nn.Module, validation: np.ndarray) -> None:
        super().__init__()
        self.score = score
        low, high = np.quantile(run(score, validation).numpy(), ENDS)
        self.low = float(low)
        self.range = float(max(high - low, SMALLEST))

    def forward(self, symbols: Tensor) -> Tensor:
        return (self.score(symbols) - self.low) / self.range


class Margin(nn.Module):
    """By how much the second of two classes' scores is above the first."""

    def __init__(self, scores: nn.Module) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, symbols: Tensor) -> Tensor:
        scores = self.scores(symbols)
        return scores[:, 1] - scores[:, 0]


class Larger(nn.Module):
    """The larger of some scores (N,)."""

    def __init__(self, *scores: nn.Module) -> None:
        super().__init__()
        self.scores = nn.ModuleList(scores)

    def forward(self, symbols: Tensor) -> Tensor:
        return torch.stack([score(symbols) for score in self.scores]).amax(0)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A score, where it is an alarm, and what it is worth."""

    score: nn.Module
    "Symbols (N, D) → (N,)."
    threshold: float
    seed: int
    n_images: int
    "Validation images behind the threshold."
    false_alarms: float
    "Share of the test split's images above it."
    caught: dict[str, float]
    "Share of strangers above it, by kind."
    caught_unseen: dict[str, float]
    "The same of a score that learned without the kinds HELD_BACK, of these."

    def figures(self) -> dict[str, float]:
        """For the manifest, by name."""
        shares = {"false_alarms": self.false_alarms}
        shares |= {f"caught_{kind.replace(' ', '_')}": share for kind, share in self.caught.items()}
        return shares | {
            f"caught_unseen_{kind.replace(' ', '_')}": one
            for kind, one in self.caught_unseen.items()
        }

    @property
    def weak_kinds(self) -> list[str]:
        """Kinds of strangers of which most are not told, or would not be if never seen."""
        return [
            kind
            for kind in KINDS
            if min(self.caught[kind], self.caught_unseen.get(kind, 1.0)) < WEAK
        ]

    def describe(self) -> str:
        weakest = min(self.caught, key=lambda kind: self.caught[kind])
        return (
            "none of these: of drawn pictures of no class "
            f"{np.mean(list(self.caught.values())):.0%} are told (weakest: {weakest}, "
            f"{self.caught[weakest]:.0%}), of the test split's own {self.false_alarms:.1%} too; "
            f"threshold from {self.n_images} validation images"
        )


def write_task(fitted: Fitted, data: DataSet, n_latents: int, path: Path) -> TaskEntry:
    """Write the score's file into a bundle's folder; its entry among the tasks of the manifest."""
    onnx_model.write_task(fitted.score, n_latents, Output.SCORE, path)
    return TaskEntry(
        file=path.name,
        output=Output.SCORE,
        threshold=round(fitted.threshold, DECIMALS),
        learned=Learned(task=ANOMALY_TASK, data_set=data.name, seed=fitted.seed),
        measured=TaskMeasured(split="test", images=len(data.test), others=fitted.figures()),
    )


def fit(
    data: DataSet, encode: Encode, validation: np.ndarray, test: np.ndarray, seed: int = 0
) -> Fitted:
    """Learn from training images and strangers; `validation` and `test` are symbols int8 (N, D) of
    those splits.
    """
    chosen = np.random.default_rng(LEARNT).permutation(len(data.train))[:MAX_OWN]
    own, labels = encode(data.train.images[chosen]), data.train.labels[chosen]
    strangers = {kind: encode(draw(kind, N_STRANGERS, data.train.images, LEARNT)) for kind in KINDS}
    others = {kind: encode(draw(kind, N_TO_MEASURE, data.train.images, MEASURED)) for kind in KINDS}

    def learnt(kinds: Sequence[str]) -> tuple[nn.Module, float]:
        score = learn(
            own,
            labels,
            [strangers[kind] for kind in kinds],
            validation,
            replace(LEARNING, seed=seed),
        )
        return score, threshold_of(score, validation, own)

    def caught(score: nn.Module, threshold: float, kinds: Sequence[str]) -> dict[str, float]:
        return {
            kind: float((run(score, others[kind]).numpy() > threshold).mean()) for kind in kinds
        }

    score, threshold = learnt(KINDS)
    return Fitted(
        score,
        threshold,
        seed,
        n_images=len(validation),
        false_alarms=float((run(score, test).numpy() > threshold).mean()),
        caught=caught(score, threshold, KINDS),
        caught_unseen=caught(*learnt([kind for kind in KINDS if kind not in HELD_BACK]), HELD_BACK),
    )


def threshold_of(score: nn.Module, validation: np.ndarray, own: np.ndarray) -> float:
    """What NORMAL_SHARE of the validation images stay below; with few of them, all, and the
    training images too.
    """
    if len(validation) >= MIN_IMAGES:
        return float(np.quantile(run(score, validation).numpy(), NORMAL_SHARE, method="higher"))
    return float(run(score, np.concatenate([validation, own])).max())


def learn(
    own: np.ndarray,
    labels: np.ndarray,
    strangers: Sequence[np.ndarray],
    validation: np.ndarray,
    learning: Learning,
) -> nn.Module:
    """The score, from symbols int8 (N, D) of own images with classes (N,), and of each kind of
    stranger.

    Both sides count the same in learning; a quarter of the strangers helps the validation images to
    choose the epoch.
    """
    parts = [np.split(kind, [len(kind) // 4]) for kind in strangers]
    chooses, teaches = (np.concatenate(part) for part in zip(*parts, strict=True))
    n = max(len(own), len(teaches))
    lessons = Lessons(
        np.concatenate([np.resize(own, (n, own.shape[1])), np.resize(teaches, (n, own.shape[1]))])[
            None
        ],
        np.repeat([0, 1], n),
        np.concatenate([validation, np.resize(chooses, validation.shape)]),
        np.repeat([0, 1], len(validation)),
    )
    told = learn_classes(lessons, lessons.validation_wanted, 2, CE, learning)
    undecided = Undecided(Distances(own, labels))
    return Larger(Scaled(Margin(told.scores), validation), Scaled(undecided, validation)).eval()
