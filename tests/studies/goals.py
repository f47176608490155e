"""Accuracy at a number of bytes: what the released recipes were to reach, and what their results files say."""

import json
import re
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from link.results import FOLDER
from tests.studies.common import Table

REASON = (
    "Models for a CPU were trained on a processor core or two in half an hour to three hours, 16 to 145 epochs; those "
    "for a GPU on an H200, three or four at a time, 85 or 128 epochs in two to three minutes each, with the scores of "
    "a larger network to learn from. The paper takes 300 epochs. Beside each goal stands the recipe of highest mean "
    "test accuracy among those measured: ± over its seeds, or one seed."
)
GPU_PRESETS = ("plain-5-long", "plain-20-long", "plain-120")
"Presets that a GPU trained for the bundles measured here; a CPU all others."


@dataclass(frozen=True)
class Goal:
    """An accuracy on the test split, as a share, in at most so many bytes a mean image."""

    data_set: str
    bytes_per_image: float
    accuracy: float
    "Of a model trained on a processor."
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
    """A bundle as its export, or its turning, measured it; one of several seeds has the others' figures beside it."""

    study: str
    accuracies: tuple[float, ...]
    bytes_per_image: float
    macs: float

    @property
    def accuracy(self) -> float:
        return statistics.mean(self.accuracies)

    @property
    def points(self) -> str:
        spread = f" ± {100 * statistics.stdev(self.accuracies):.2f}" if len(self.accuracies) > 1 else ""
        return f"{100 * self.accuracy:.2f}{spread}"

    @property
    def trained_on(self) -> str:
        return "GPU" if any(f"-{preset}-" in self.study for preset in GPU_PRESETS) else "CPU"

    def reaches_for(self, goal: Goal) -> bool:
        is_of_its_data = self.study.split("-")[1] == goal.data_set
        return is_of_its_data and self.bytes_per_image <= goal.bytes_per_image and self.macs <= goal.macs


def measured() -> Iterator[Measured]:
    """All bundles of which there are results; turning changes no layer of the encoder but its last, made smaller."""
    exports = dict(results("export"))
    for study, figures in exports.items():
        if re.search(r"-seed-\d+$", study):
            continue
        seeds = [
            figures,
            *(more for other, more in exports.items() if re.fullmatch(rf"{re.escape(study)}-seed-\d+", other)),
        ]
        yield Measured(
            study,
            tuple(each["int8_accuracy"] for each in seeds),
            statistics.mean(each["bytes_per_image"] for each in seeds),
            figures["encoder_macs"],
        )
    macs = {(each["int8_accuracy"], each["bytes_per_image"]): each["encoder_macs"] for each in exports.values()}
    for study, figures in results("turn"):
        before = macs[figures["accuracy_before"], figures["bytes_per_image_before"]]
        yield Measured(study, (figures["accuracy"],), figures["bytes_per_image"], before)


def results(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(FOLDER.glob(f"{kind}-*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))["figures"]


def table() -> Table:
    """Each goal beside the most accurate bundle that keeps to its bytes, and by how much it is missed."""
    found = list(measured())
    rows = []
    for goal in GOALS:
        for machine, wish in (("CPU", goal.accuracy), ("GPU", goal.with_gpu)):
            candidates = [each for each in found if each.trained_on == machine and each.reaches_for(goal)]
            best = max(candidates, key=lambda each: each.accuracy, default=None)
            cells = ["nothing measured", "", "", "", ""]
            if best is not None:
                cells = [best.points, f"{best.bytes_per_image:.2f}", f"{best.macs / 1e6:.0f} M"]
                cells += [verdict(best.accuracy, wish), f"`results/{best.study}.json`"]
            rows.append([f"{goal}", machine, f"{100 * wish:.1f}", *cells])
    return Table(["goal", "trained on a", "goal, %", "measured, %", "bytes", "node MACs", "", "by"], rows)


def verdict(accuracy: float, wish: float) -> str:
    return "reached" if accuracy >= wish else f"missed by {100 * (wish - accuracy):.2f} points"
