"""Accuracy by class: one number hides that a class is never named, or that no other than the
commonest is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

N_NAMED = 8
"Classes in one sentence; of more, the worst."


@dataclass(frozen=True)
class ClassAccuracy:
    """One class on one split."""

    name: str
    n_images: int
    n_right: int
    n_said: int
    "How many images of any class were taken for this one."

    @property
    def accuracy(self) -> float | None:
        """0…1, None without images."""
        return self.n_right / self.n_images if self.n_images else None

    def __str__(self) -> str:
        return f"{self.name} {percent(self.accuracy)} of {self.n_images}"


@dataclass(frozen=True)
class ClassAccuracies:
    """Every class on one split, which has at least one image."""

    each: tuple[ClassAccuracy, ...]

    @classmethod
    def of(cls, names: Sequence[str], labels: np.ndarray, said: np.ndarray) -> "ClassAccuracies":
        """Labels (N,) and what was said in their place (N,), numbers of the named classes."""
        counts = (labels, labels[labels == said], said)
        n_images, n_right, n_said = (
            np.bincount(which, minlength=len(names)).tolist() for which in counts
        )
        return cls(tuple(map(ClassAccuracy, names, n_images, n_right, n_said)))

    @property
    def n_images(self) -> int:
        return sum(one.n_images for one in self.each)

    @property
    def accuracy(self) -> float:
        return sum(one.n_right for one in self.each) / self.n_images

    @property
    def mean(self) -> float:
        """Over the classes, each counted once however many images it has (balanced accuracy)."""
        known = [one.accuracy for one in self.each if one.accuracy is not None]
        return sum(known) / len(known)

    @property
    def largest(self) -> ClassAccuracy:
        """The class with the most images."""
        return max(self.each, key=lambda one: one.n_images)

    @property
    def largest_share(self) -> float:
        """0…1: the accuracy of whoever only ever names the largest class."""
        return self.largest.n_images / self.n_images

    @property
    def never_said(self) -> tuple[str, ...]:
        """Classes that have images, and that no image was taken for."""
        return tuple(one.name for one in self.each if one.n_images and not one.n_said)

    def describe(self) -> str:
        """One line: the accuracy beside the share of the largest class, then classes."""
        known = [one for one in self.each if one.accuracy is not None]
        named = (
            known
            if len(known) <= N_NAMED
            else sorted(known, key=lambda one: one.accuracy or 0.0)[:N_NAMED]
        )
        never = f"; never says {_listed(self.never_said)}" if self.never_said else ""
        return (
            f"{self.accuracy:.2%} of {self.n_images:,} images, of which "
            f"{percent(self.largest_share)} are '{self.largest.name}'; {self.mean:.2%} as the mean "
            "over the classes: "
            f"{'the worst are ' if named is not known else ''}{', '.join(map(str, named))}{never}"
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "mean_over_classes": self.mean,
            "largest_share": self.largest_share,
            "classes": {
                one.name: {"images": one.n_images, "right": one.n_right, "said": one.n_said}
                for one in self.each
            },
        }


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(names[:N_NAMED]) + more
