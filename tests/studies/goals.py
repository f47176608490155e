"""Accuracy at a number of bytes: what the released recipes were to reach, and what their results files say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from link.results import FOLDER
from tests.studies.common import Table

REASON = (
    "Each model here was trained once, on a processor core or two, for half an hour to three hours: 16 to 145 epochs, "
    "where the paper takes 300. The goals with a GPU have not been tried. "
    "Beside each goal stands the bundle of highest test accuracy among those measured; each is one seed."
)


@dataclass(frozen=True)
class Goal:
    """An accuracy on the test split, as a share, in at most so many bytes a mean image."""

    data_set: str
    bytes_per_image: float
    accuracy: float
    with_gpu: float
    macs: float = float("inf")
    "At most so many multiplications on the node."

    def __str__(self) -> str:
        node = "" if self.macs == float("inf") else f", node of {self.macs / 1e6:.0f} million MACs"
        return f"{self.data_set} in {self.bytes_per_image:g} bytes{node}"


GOALS = (
    Goal("cifar10", 38, 0.928, 0.94),
    Goal("cifar10", 13, 0.92, 0.935),
    Goal("cifar10", 7, 0.91, 0.92),
    Goal("cifar10", 13, 0.915, 0.925, macs=20e6),
    Goal("cifar100", 45, 0.68, 0.728),
    Goal("cifar100", 13, 0.64, 0.68),
)


@dataclass(frozen=True)
class Measured:
    """A bundle as its export, or its turning, measured it."""

    study: str
    accuracy: float
    bytes_per_image: float
    macs: float

    def reaches_for(self, goal: Goal) -> bool:
        is_of_its_data = self.study.split("-")[1] == goal.data_set
        return is_of_its_data and self.bytes_per_image <= goal.bytes_per_image and self.macs <= goal.macs


def measured() -> Iterator[Measured]:
    """All bundles of which there are results; turning changes no layer of the encoder but its last, made smaller."""
    exports = {}
    for study, figures in results("export"):
        export = Measured(study, figures["int8_accuracy"], figures["bytes_per_image"], figures["encoder_macs"])
        exports[export.accuracy, export.bytes_per_image] = export
        yield export
    for study, figures in results("turn"):
        before = exports[figures["accuracy_before"], figures["bytes_per_image_before"]]
        yield Measured(study, figures["accuracy"], figures["bytes_per_image"], before.macs)


def results(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(FOLDER.glob(f"{kind}-*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))["figures"]


def table() -> Table:
    """Each goal beside the most accurate bundle that keeps to its bytes, and by how much it is missed."""
    found = list(measured())
    rows = []
    for goal in GOALS:
        best = max((each for each in found if each.reaches_for(goal)), key=lambda each: each.accuracy, default=None)
        wanted = [f"{100 * goal.accuracy:.1f}", f"{100 * goal.with_gpu:.1f}"]
        if best is None:
            rows.append([f"{goal}", *wanted, "nothing measured", "", "", "", ""])
            continue
        missing = 100 * (goal.accuracy - best.accuracy)
        verdict = f"missed by {missing:.2f} points" if missing > 0 else "reached"
        cells = [f"{100 * best.accuracy:.2f}", f"{best.bytes_per_image:.2f}", f"{best.macs / 1e6:.0f} M"]
        rows.append([f"{goal}", *wanted, *cells, verdict, f"`results/{best.study}.json`"])
    return Table(["goal", "accuracy, %", "with a GPU", "measured, %", "bytes", "node MACs", "", "by"], rows)
