"""Tasks: what a frozen node can still learn, and what one that only sends labels could not.

Test images go through the bundle's int8 encoder and the wire coder; decoders that learned on the
training split answer as the host runs them, by ONNX. The rival is a node that sends only its label.
Its classifier is as good as the bundle's own decoder, and its host makes the best of a label: the
rule is learned too.

    classes     the bundle's own classes with other losses, superclasses, living or not, the classes
                of another data set
    new class   ten classes of another data set, each from 5, 20 and 100 examples
    anomaly     images of another data set, and noise, told from the bundle's own
    thumbnail   the image itself: what somebody who has the key, and trained a decoder, would see
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes

from tests.studies.command import MistakeError, add_data_dir, bundle_of_one
from tests.studies.common import Table, finish, number, percent
from tests.studies.tasks.anomalies import ANOMALY_RIVALS, anomaly_rows
from tests.studies.tasks.classes import OWN_TASKS, class_rows, new_class_rows
from tests.studies.tasks.field import Field
from tests.studies.tasks.rows import Rows
from tests.studies.tasks.thumbnails import PICTURE_FIGURES, show, thumbnail_rows


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--bundle", type=Path, nargs="+", default=[Path("models/cifar10")])
    top.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_data_dir(top)
    return top


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    started = time.monotonic()
    figures: dict[str, float] = {}
    bundles = {}
    for path in options.bundle:
        place = Field(bundle_of_one(path), options.data_dir)
        if place.bundle.data_set not in OWN_TASKS:
            raise MistakeError(
                f"bundle {path} is of {place.bundle.data_set}; the study is for "
                f"{', '.join(OWN_TASKS)}"
            )
        rows = Rows.at(place.folder / "rows.json")
        class_rows(place, rows, options.seeds)
        anomaly_rows(place, rows)
        thumbnail_rows(place, rows, options.seeds)
        new_class_rows(place, rows, options.seeds)
        bundle_name = path.resolve().parent.name if path.name == "bundle" else path.name
        show(place, place.folder / "thumbnails.png")  # the data set's images: not to be published
        figures |= {f"{bundle_name} {name}": value for name, value in rows.figures(options.seeds)}
        bundles[bundle_name] = {
            "id": place.bundle.id.hex(),
            "data_set": place.bundle.data_set,
            "rows": rows.rows,
        }
    extra = {"size": "-".join(bundles), "wall_s": time.monotonic() - started, "bundles": bundles}
    finish("tasks", figures, options.seeds, extra, plot, n_axes=2)


def tasks_with(result: dict[str, Any], figure: str) -> list[str]:
    """Bundle and task of each that has this figure."""
    return [
        name.removesuffix(f" {figure}_mean")
        for name in result["figures"]
        if name.endswith(f" {figure}_mean")
    ]


def tables(result: dict[str, Any]) -> list[Table]:
    figures = result["figures"]

    classes = [
        [
            task,
            *(percent(figures, f"{task} {rival}accuracy") for rival in ("", "label_only_")),
            number(figures, f"{task} bytes", ".1f"),
        ]
        for task in tasks_with(result, "accuracy")
    ]
    new = [
        [
            task,
            *(number(figures, f"{task} {rival}auroc", ".3f") for rival in ("", "label_only_")),
            *(percent(figures, f"{task} {figure}") for figure in ("found", "false_alarms")),
        ]
        for task in tasks_with(result, "found")
    ]
    anomaly = [
        [
            task,
            *(f"{figures[f'{task} {rival}auroc_mean']:.3f}" for rival in ("", *ANOMALY_RIVALS)),
            f"{100 * figures[f'{task} missed_at_5_percent_alarms_mean']:.1f}",
        ]
        for task in tasks_with(result, f"{ANOMALY_RIVALS[-1]}auroc")
    ]
    thumbnails = [
        [
            f"{task}, {of}",
            *(
                number(figures, f"{task} {prefix}{figure}", form)
                for figure, form in PICTURE_FIGURES
            ),
        ]
        for task in tasks_with(result, "psnr_db")
        for of, prefix in (
            ("decoded from the latents", ""),
            ("the mean image of the label's class", "label_only_"),
        )
    ]
    return [
        Table(["classes", "accuracy, %", "from the label alone, %", "bytes"], classes),
        Table(
            [
                "new class, mean over ten",
                "AUROC",
                "from the label alone",
                "found, %",
                "false alarms, %",
            ],
            new,
        ),
        Table(
            [
                "anomaly, AUROC of",
                "indecision",
                "label's confidence, a byte more",
                "bitstream's length",
                "missed, %, at 5 %",
            ],
            anomaly,
        ),
        Table(["image", "PSNR, dB", "SSIM", "picked out of all test images"], thumbnails),
    ]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    for ax, figure, unit, title in (
        (axes[0], "accuracy", 100, "accuracy, %"),
        (axes[1], "auroc", 1, "AUROC"),
    ):
        tasks = tasks_with(result, figure)
        for kind, offset, colour, name in (
            ("", 0.2, "C0", "latents"),
            ("label_only_", -0.2, "0.7", "label alone"),
        ):
            bars = [
                (at, task)
                for at, task in enumerate(tasks)
                if f"{task} {kind}{figure}_mean" in result["figures"]
            ]
            means, spreads = (
                [unit * result["figures"][f"{task} {kind}{figure}_{of}"] for _, task in bars]
                for of in ("mean", "stdev")
            )
            ax.barh(
                [at + offset for at, _ in bars], means, 0.38, xerr=spreads, color=colour, label=name
            )
        ax.set_yticks(range(len(tasks)), tasks, fontsize="x-small")
        ax.invert_yaxis()
        ax.set(xlabel=title)
    axes[0].legend(fontsize="small")
    axes[1].set_xlim(0.5, 1)
