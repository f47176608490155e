"""Accuracy at a number of bytes: what the released recipes were to reach, and what their results
files say.
"""

import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from host_training.presets import PRESETS
from link.output.results import FOLDER
from tests.studies.common import Table
from tests.studies.nair import RETRAINED

REASON = (
    "Models for a CPU were trained on a processor core or two in half an hour to three hours, 16 "
    "to 145 epochs, `plain-20-medium` with the scores of `wide-70-long` to learn from; those for a "
    "GPU on an H200, three or four at a time, 85 or 128 epochs in two to three minutes each, with "
    "the scores of a larger network to learn from. The paper takes 300 epochs. Beside each goal "
    "stands the recipe of highest mean test accuracy among those measured: ± over its seeds, or "
    "one seed."
)
ABOUT_OTHERS = (
    "The drop is the largest of the recipes above. Of the mixture's bits over the histograms', "
    "same symbols, the lowest share of any bundle stands here: a rotated bundle, whose latents no "
    "longer depend on each other much, has fewer bits of both kinds and a larger share. NAIR's "
    "order is held against the raw one by accuracy above chance, mean over seeds, once after a "
    "quarter of either order's own bytes, once after as many bytes for both: a quarter of the raw "
    "order's. Where it misses: the mixture guesses what is missing from what is there, so the raw "
    "order loses little that an order could save; and a quarter of a rotated bitstream's own bytes "
    "are some ten bits."
)
GPU_PRESETS = [name for name, preset in PRESETS.items() if preset.machine == "GPU"]
N_CLASSES = {"cifar10": 10, "cifar100": 100}


@dataclass(frozen=True)
class Goal:
    """An accuracy on the test split, as a share, in at most so many bytes a mean image."""

    data_set: str
    bytes_per_image: float
    accuracy: float
    "The accuracy of a model trained on a processor."
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


PHOTO_GOALS = {
    "photo": (0.955, 5, 1.0),
    "photo-large": (0.97, 4, 4.0),
    "photo-small": (0.93, 6, 1.0),
}
"By preset: accuracy as a share, bytes of a mean image, MB of its encoder."


@dataclass(frozen=True)
class Measured:
    """A bundle as its export, or its rotation, measured it; one of several seeds has the others'
    figures beside it.
    """

    study: str
    export: str
    "The study of its export; its own, or that of the bundle that was rotated."
    accuracies: tuple[float, ...]
    bytes_per_image: float
    macs: float
    bits_share: float
    "The mixture's bits over the histograms', same symbols."
    drop_points: float | None = None
    "What int8 costs; None for a rotated bundle, whose decoder is another one."

    @property
    def accuracy(self) -> float:
        return statistics.mean(self.accuracies)

    @property
    def points(self) -> str:
        spread = (
            f" ± {100 * statistics.stdev(self.accuracies):.2f}" if len(self.accuracies) > 1 else ""
        )
        return f"{100 * self.accuracy:.2f}{spread}"

    @property
    def trained_on(self) -> str:
        return "GPU" if any(f"-{preset}-" in self.export for preset in GPU_PRESETS) else "CPU"

    def reaches_for(self, goal: Goal) -> bool:
        is_of_its_data = self.export.split("-")[1] == goal.data_set
        return (
            is_of_its_data
            and self.bytes_per_image <= goal.bytes_per_image
            and self.macs <= goal.macs
        )


def measured() -> Iterator[Measured]:
    """All bundles of which there are results; rotation makes the encoder's last layer smaller."""
    exports = dict(results("export"))
    for study, figures in exports.items():
        if re.search(r"-seed-\d+$", study):
            continue
        seeds = [
            figures,
            *(
                more
                for other, more in exports.items()
                if re.fullmatch(rf"{re.escape(study)}-seed-\d+", other)
            ),
        ]
        yield Measured(
            study,
            study,
            tuple(each["int8_accuracy"] for each in seeds),
            statistics.mean(each["bytes_per_image"] for each in seeds),
            figures["encoder_macs"],
            statistics.mean(bits_share(each) for each in seeds),
            statistics.mean(each["int8_drop_points"] for each in seeds),
        )
    by_figures = {
        (each["int8_accuracy"], each["bytes_per_image"]): study for study, each in exports.items()
    }
    for study, figures in results("turn"):
        export = by_figures[figures["accuracy_before"], figures["bytes_per_image_before"]]
        share, macs = bits_share(figures), exports[export]["encoder_macs"]
        yield Measured(
            study, export, (figures["accuracy"],), figures["bytes_per_image"], macs, share
        )


def bits_share(figures: Mapping[str, float]) -> float:
    return figures["mixture_bits_per_image"] / figures["static_bits_per_image"]


def results(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(FOLDER.glob(f"{kind}-*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))["figures"]


def best(goal: Goal, machine: str, found: Sequence[Measured]) -> Measured | None:
    """The most accurate bundle trained on that machine that keeps to the goal's bytes and
    multiplications.
    """
    candidates = [each for each in found if each.trained_on == machine and each.reaches_for(goal)]
    return max(candidates, key=lambda each: each.accuracy, default=None)


def table() -> Table:
    """Each goal beside the most accurate bundle that keeps to its bytes, and by how much it is
    missed.
    """
    found = list(measured())
    rows = []
    for goal in GOALS:
        for machine, wish in (("CPU", goal.accuracy), ("GPU", goal.with_gpu)):
            chosen = best(goal, machine, found)
            cells = ["nothing measured", "", "", "", ""]
            if chosen is not None:
                cells = [
                    chosen.points,
                    f"{chosen.bytes_per_image:.2f}",
                    f"{chosen.macs / 1e6:.0f} M",
                ]
                cells += [verdict(chosen.accuracy, wish), f"`results/{chosen.study}.json`"]
            rows.append([f"{goal}", machine, f"{100 * wish:.1f}", *cells])
    return Table(
        ["goal", "trained on a", "goal, %", "measured, %", "bytes", "node MACs", "", "by"], rows
    )


def others() -> Table:
    """The goals beside those: int8's drop, the mixture's share of the histograms' bits, NAIR's
    order, photos of one's own.
    """
    found = list(measured())
    rows = [*drop_rows(found), *bits_rows(found), *nair_rows(), *photo_rows()]
    return Table(["goal", "", "measured", "", "by"], [list(row) for row in rows])


Row = tuple[str, str, str, str, str]


def drop_rows(found: Sequence[Measured]) -> Iterator[Row]:
    for machine, most in (("CPU", 0.3), ("GPU", 0.2)):
        chosen = [each for goal in GOALS if (each := best(goal, machine, found))]
        drops = [(each.drop_points, each.study) for each in chosen if each.drop_points is not None]
        if drops:
            drop, study = max(drops)
            name = f"points lost to int8, trained on a {machine}"
            yield (
                name,
                f"at most {most:g}",
                f"{drop:.2f}",
                missed(drop - most),
                f"`results/{study}.json`",
            )


def bits_rows(found: Sequence[Measured], most: float = 0.45) -> Iterator[Row]:
    if found:
        share, study = min((each.bits_share, each.study) for each in found)
        name = "the mixture's bits over the histograms'"
        yield (
            name,
            f"at most {most:g}",
            f"{share:.2f}",
            missed(share - most),
            f"`results/{study}.json`",
        )


def nair_rows() -> Iterator[Row]:
    """After a quarter of the bytes: above chance as a multiple of the raw order's, and points
    beside tail-drop's.
    """
    for study, figures in results("study-nair"):
        for (name, n_classes), prefix, key in product(
            N_CLASSES.items(), ("", "static_"), ("cut", "raw_bytes")
        ):
            if f"{name} raw {key}_0.25_mean" not in figures:
                continue
            rotated, raw, retrained = (
                figures[f"{name} {order} {prefix}{key}_0.25_mean"]
                for order in ("importance", "raw", RETRAINED)
            )
            of = "the raw order's" if key == "raw_bytes" else "its own"
            title = (
                f"NAIR, {name}, {'histograms' if prefix else 'mixture'}, a quarter of {of} bytes"
            )
            ratio, points = (
                (rotated - 1 / n_classes) / (raw - 1 / n_classes),
                100 * (rotated - retrained),
            )
            by = f"`results/{study}.json`"
            yield (
                f"{title}: over the raw order",
                "at least 2 ×",
                f"{ratio:.2f} ×",
                missed(2 - ratio),
                by,
            )
            yield (
                f"{title}: points over tail-drop",
                "at least -1",
                f"{points:+.1f}",
                missed(-1 - points),
                by,
            )


def photo_rows() -> Iterator[Row]:
    """Presets that begin from a pretrained backbone, on folders of photos; means over seeds."""
    for study, figures in results("photos"):
        preset = next((name for name in PHOTO_GOALS if study.endswith(f"-{name}")), None)
        if preset is None:
            continue
        accuracy, n_bytes, largest = PHOTO_GOALS[preset]
        mean, spread = figures["accuracy"], figures.get("accuracy_std")
        of_seeds = "" if spread is None else f" ± {100 * spread:.2f}"
        is_short = figures["bytes_per_image"] <= n_bytes
        name, by = study.replace("-", " ", 1), f"`results/{study}.json`"
        yield (
            f"{name}, splits drawn at random, in {n_bytes} bytes",
            f"at least {100 * accuracy:g} %",
            f"{100 * mean:.2f}{of_seeds} % in {figures['bytes_per_image']:.2f}",
            verdict(mean, accuracy) if is_short else "missed: more bytes",
            by,
        )
        for what, key, most, unit in (
            ("points lost to int8", "int8_drop_points", 0.5, 1),
            ("training and export, s", "train_export_s", 360, 1),
            ("encoder, MB", "encoder_bytes", largest, 1e6),
        ):
            value = figures[key] / unit
            yield f"{name}: {what}", f"at most {most:g}", f"{value:.2f}", missed(value - most), by


def verdict(accuracy: float, wish: float) -> str:
    return "reached" if accuracy >= wish else f"missed by {100 * (wish - accuracy):.2f} points"


def missed(by: float) -> str:
    return "reached" if by <= 0 else f"missed by {by:.2f}"
