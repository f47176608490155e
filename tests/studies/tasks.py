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
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from sklearn.metrics import roc_auc_score
from torch import nn

from export.decoders import anomaly
from export.decoders.add import (
    FEW_VIEWS,
    AtHost,
    Decoder,
    class_decoder,
    class_lessons,
    new_class_decoder,
    thumbnail_lessons,
    views,
)
from export.decoders.anomaly import NORMAL_SHARE
from export.decoders.networks import CE, KL, SVM, Components, Learning, learn_pixels
from export.decoders.pictures import psnr, ssim
from export.decoders.questions import COARSE, FINE, LABEL, LIVING, NewClass, classes_of
from export.encoder.onnx_model import write_task
from export.encoder.symbols import Int8Encoder, received
from host_decoder.decode.classifier import Classifier
from host_decoder.decode.onnx_decoder import OnnxDecoder
from host_decoder.view.picture import to_png
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from link.base import durable
from link.bundle.bundle import PIXELS, PROBABILITIES, SCORE, Bundle
from link.coder import latent_coder
from link.coder.bulk import decode_bulk
from tests.studies.command import MistakeError, add_data_dir
from tests.studies.common import RUNS, Table, finish, number, percent, spread

OTHER = {"cifar10": "cifar100", "cifar100": "cifar10", "cifar100-coarse": "cifar10"}
"The data set that new classes and anomalies come from."
OWN_TASKS = {
    "cifar10": (LABEL, LIVING),
    "cifar100": (LABEL, COARSE, LIVING),
    "cifar100-coarse": (LABEL, FINE, LIVING),
}
N_NEW_CLASSES, SHOTS = 10, (5, 20, 100)
N_NOISE_IMAGES = 1000
N_SHOWN, ZOOM = 10, 3
ANOMALY_RIVALS = ("label_and_confidence_byte_", "bitstream_length_")
PICTURE_FIGURES = (("psnr_db", ".2f"), ("ssim", ".3f"), ("picked_out", ".4f"))

Row = dict[str, float]


@dataclass(frozen=True, eq=False)
class Received:
    """Images at the host, after the wire."""

    symbols: np.ndarray
    "float32 (N, D)"
    n_bytes: np.ndarray
    "int64 (N,)"
    label_scores: np.ndarray
    "float32 (N, K): what the bundle's own decoder says of them."

    @property
    def labels(self) -> np.ndarray:
        """All that a label-only node would have sent."""
        return self.label_scores.argmax(1)


@dataclass(frozen=True, eq=False)
class Field:
    """A bundle whose node is in the field; what went through its encoder once is kept in
    `folder`.
    """

    bundle: Bundle
    data_dir: Path

    @cached_property
    def folder(self) -> Path:
        folder = RUNS / f"tasks-{self.bundle.id.hex()}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def data(self) -> DataSet:
        return load(self.bundle.data_set, self.data_dir)

    @cached_property
    def other(self) -> DataSet:
        return load(OTHER[self.bundle.data_set], self.data_dir)

    @cached_property
    def own_decoder(self) -> Classifier:
        return Classifier.of(self.bundle)

    @cached_property
    def anomaly_score(self) -> nn.Module:
        encode = received(self.encode, self.bundle.tables)
        validation, test = (
            encode(split.images) for split in (self.data.validation, self.data.test)
        )
        return anomaly.fit(self.data, encode, validation, test).score

    def heard(self, data: DataSet) -> AtHost:
        return AtHost.of(data, received(self.encode, self.bundle.tables))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Symbols int8 (N, D), the encoder run once for the same images."""
        kept = (
            self.folder
            / f"{hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()[:16]}.npy"
        )
        if not kept.exists():
            encoder = Int8Encoder(self.bundle.encoder_path, self.bundle.image)
            write_array(kept, encoder(images))
        return np.load(kept)

    def receive(self, images: np.ndarray) -> Received:
        """The same through the wire coder too, each image its own bitstream."""
        symbols, kept = (
            self.encode(images),
            self.folder / f"wire-{hashlib.sha256(images.data).hexdigest()[:16]}",
        )
        paths = [kept.with_suffix(f".{name}.npy") for name in ("symbols", "bytes", "scores")]
        if not paths[-1].exists():
            bitstreams = [latent_coder.encode(image, self.bundle.tables) for image in symbols]
            latents = decode_bulk(bitstreams, self.bundle.tables)
            assert latents.is_valid.all()
            classify = Classifier.of(self.bundle)
            scores = np.concatenate(
                [classify(part) for part in np.array_split(latents.symbols, 50)]
            )
            lengths = np.array([len(bitstream) for bitstream in bitstreams])
            for path, array in zip(paths, (latents.symbols, lengths, scores), strict=True):
                write_array(path, array)
        return Received(*map(np.load, paths))

    def on_host(self, decoder: Decoder) -> Callable[[np.ndarray], np.ndarray]:
        """The decoder as the host runs it."""
        path = self.folder / "decoder.onnx"
        write_task(decoder.module, self.bundle.n_latents, decoder.output, path)
        if decoder.output == PROBABILITIES:
            return Classifier(path, self.bundle.n_latents, len(decoder.facts["classes"]))
        return OnnxDecoder(path, self.bundle.n_latents, decoder.output)


def write_array(path: Path, array: np.ndarray) -> None:
    with durable.whole(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, array)


@dataclass(frozen=True, eq=False)
class Rows:
    """What is measured already, one row per task and seed, kept as it grows."""

    path: Path
    rows: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path) -> "Rows":
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def missing(self, name: str, seeds: Sequence[int]) -> list[int]:
        return [seed for seed in seeds if f"{name} {seed}" not in self.rows]

    def add(self, name: str, seed: int, row: Row) -> None:
        self.rows[f"{name} {seed}"] = row
        with durable.whole(self.path) as unfinished:
            unfinished.write_text(json.dumps(self.rows, indent=1))
        print(self.path.parent.name, name, seed, row, flush=True)

    def figures(self, seeds: Sequence[int]) -> Iterator[tuple[str, float]]:
        """Mean and standard deviation over these seeds, by task."""
        for name in dict.fromkeys(key.rpartition(" ")[0] for key in self.rows):
            rows = [row for seed in seeds if (row := self.rows.get(f"{name} {seed}"))]
            for figure, value in spread(rows).items() if rows else ():
                yield f"{name} {figure}", value


def class_rows(place: Field, rows: Rows, seeds: Sequence[int]) -> None:
    tasks = [
        (task, classes_of(task, place.data, place.data_dir)) for task in OWN_TASKS[place.data.name]
    ]
    tasks.append((f"{place.other.name}'s classes", place.other))
    if place.other.coarse_classes:
        tasks.append(
            (f"{place.other.name}'s superclasses", classes_of(COARSE, place.other, place.data_dir))
        )
    for task, data in tasks:
        for loss in (CE, SVM, KL) if task == LABEL else (CE,):
            name = f"{task}, {loss}" if task == LABEL else task
            if missing := rows.missing(name, seeds):
                heard, test = place.heard(data), place.receive(data.test.images)
                lessons = class_lessons(heard, loss, place.own_decoder)
                rule = best_rule(place.receive(data.validation.images), data.validation.labels)
            for seed in missing:
                classify = place.on_host(class_decoder(heard, lessons, loss, Learning(seed=seed)))
                right = classify(test.symbols).argmax(1) == data.test.labels
                right_by_label = rule[test.labels] == data.test.labels
                row = {"accuracy": right.mean(), "label_only_accuracy": right_by_label.mean()}
                rows.add(name, seed, plain(row | {"bytes": test.n_bytes.mean()}))


def best_rule(arrived: Received, targets: np.ndarray) -> np.ndarray:
    """The target to say for each label, int64 (labels,): the most frequent one, and 0 for a label
    that never came.
    """
    counts = np.zeros((arrived.label_scores.shape[1], targets.max() + 1), np.int64)
    np.add.at(counts, (arrived.labels, targets), 1)
    return counts.argmax(1)


def plain(row: Mapping[str, Any]) -> Row:
    return {name: float(value) for name, value in row.items()}


def anomaly_rows(place: Field, rows: Rows) -> None:
    """One seed: what is learned from is drawn by it too."""
    noise = (
        np.random.default_rng(0)
        .integers(0, 256, (N_NOISE_IMAGES, *place.bundle.image.shape))
        .astype(np.uint8)
    )
    for name, images in ((place.other.name, place.other.test.images), ("noise", noise)):
        for seed in rows.missing(f"anomaly {name}", [0]):
            score = place.on_host(Decoder(place.anomaly_score, SCORE))
            pair = place.receive(place.data.test.images), place.receive(images)
            row = told_apart("", *(score(some.symbols) for some in pair))
            sure = (-np.rint(255 * some.label_scores.max(1)) for some in pair)
            long = (some.n_bytes for some in pair)
            for rival, scores in zip(ANOMALY_RIVALS, (sure, long), strict=True):
                row |= told_apart(rival, *scores)
            rows.add(f"anomaly {name}", seed, plain(row))


def told_apart(prefix: str, own: np.ndarray, strange: np.ndarray) -> Row:
    """How well scores tell strange images from the bundle's own, of which 5 % may give a false
    alarm.
    """
    is_strange = np.repeat([0, 1], [len(own), len(strange)])
    missed = (strange <= np.quantile(own, NORMAL_SHARE)).mean()
    auroc = roc_auc_score(is_strange, np.concatenate([own, strange]))
    return {f"{prefix}auroc": auroc, f"{prefix}missed_at_5_percent_alarms": missed}


def thumbnail_rows(place: Field, rows: Rows, seeds: Sequence[int]) -> None:
    if not (missing := rows.missing("thumbnail", seeds)):
        return
    data, test = place.data, place.receive(place.data.test.images)
    originals, shape = data.test.images, data.image_shape
    lessons, components = thumbnail_lessons(place.heard(data))
    means = np.stack(
        [
            data.train.images[data.train.labels == label].mean(0)
            for label in range(len(data.classes))
        ]
    )
    by_label = likeness(
        "label_only_", np.rint(means).astype(np.uint8)[test.labels], originals, components
    )
    for seed in missing:
        decode = place.on_host(
            Decoder(learn_pixels(lessons, components, shape, Learning(seed=seed)), PIXELS)
        )
        pictures = np.concatenate([decode(part) for part in np.array_split(test.symbols, 20)])
        write_array(place.folder / "shown.npy", np.stack([originals[:N_SHOWN], pictures[:N_SHOWN]]))
        rows.add("thumbnail", seed, likeness("", pictures, originals, components) | by_label)


def likeness(
    prefix: str, pictures: np.ndarray, originals: np.ndarray, components: Components
) -> Row:
    return {
        f"{prefix}psnr_db": float(psnr(pictures, originals).mean()),
        f"{prefix}ssim": float(ssim(pictures, originals).mean()),
        f"{prefix}picked_out": picked_out(pictures, originals, components),
    }


def picked_out(pictures: np.ndarray, originals: np.ndarray, components: Components) -> float:
    """Share of the pictures (N, H, W, C) that are nearer to their original than to any of the other
    N - 1.
    """
    given, true = (
        torch.from_numpy(components.coefficients(images)) for images in (pictures, originals)
    )
    nearest = torch.cat([torch.cdist(part, true).argmin(1) for part in given.split(1000)])
    return float((nearest == torch.arange(len(true))).float().mean())


def new_class_rows(place: Field, rows: Rows, seeds: Sequence[int]) -> None:
    """Means over ten classes, evenly spread over the other data set's, each told from all of the
    bundle's own.
    """
    names = place.other.classes[:: len(place.other.classes) // N_NEW_CLASSES]
    heard, own = place.heard(place.data), place.receive(place.data.test.images)
    usual = place.receive(place.data.validation.images)
    for shots in SHOTS:
        for seed in rows.missing(f"new class, {shots} shots", seeds):
            measured = [
                new_class_row(place, heard, own, usual, name, shots, seed) for name in names
            ]
            row = {figure: np.mean([one[figure] for one in measured]) for figure in measured[0]}
            rows.add(f"new class, {shots} shots", seed, plain(row))


def new_class_row(
    place: Field, heard: AtHost, own: Received, usual: Received, name: str, shots: int, seed: int
) -> Row:
    where = f"{place.other.name}:{name}"
    new = NewClass.find(where, max(SHOTS), seed, place.bundle.image, place.data_dir)
    encode = received(place.encode, place.bundle.tables)
    few = np.stack([encode(view) for view in views(new.few, place.data.augmentation, FEW_VIEWS)])[
        :, :shots
    ]
    arrived = place.receive(new.test)
    classify = place.on_host(new_class_decoder(heard, few, name, Learning(seed=seed)))
    scores = [classify(some.symbols)[:, 1] for some in (own, arrived)]
    # What a label alone tells: how much more often it comes for the examples than for the bundle's
    # own images.
    n_labels = own.label_scores.shape[1]
    said = place.own_decoder(few[0]).argmax(1)
    often = np.bincount(said, minlength=n_labels) + 1 / n_labels
    ratio = often / (np.bincount(usual.labels, minlength=n_labels) + 1)
    by_label = [ratio[some.labels] for some in (own, arrived)]
    return {
        "auroc": told_apart("", *scores)["auroc"],
        "found": (scores[1] > 0.5).mean(),
        "false_alarms": (scores[0] > 0.5).mean(),
        "label_only_auroc": told_apart("", *by_label)["auroc"],
    }


def show(place: Field, path: Path) -> None:
    """A sheet of images, and below them what their symbols give back."""
    shown = np.load(place.folder / "shown.npy")
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in shown])
    path.write_bytes(to_png(sheet.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)))


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
        place = Field(Bundle.load(path, "host"), options.data_dir)
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
