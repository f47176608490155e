"""Rate: the coder's mixture in the loss against a factorised prior, and the node's own work; writes
results/study-rate.json.

    bottleneck  on the trunk of a released bundle (--bundle), int8, through coder and the host's
                decoder: learned with the mixture's rate, with a factorised prior's, and rotated by
                importance; beside them the label alone, which needs no coder
    overhead    what a node does beside the model, in alternation with an earlier revision's

λ is chosen on the validation split: of those that lose no more than 0.3 points to the best one, the
one of the fewest bits. All are coded with a mixture fitted to their symbols.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from export.decoders.lessons import AtHost, Lessons
from export.deployment import Deployed, fit_tables
from export.encoder import onnx_model, tflite
from export.encoder.importance import Rotation
from export.encoder.symbols import Int8Encoder, clamped
from export.measure import accuracy
from export.rotate import Rotating, classes_decoder, importance_of
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from link.bundle.bundle import Bundle
from link.bundle.manifest import ENCODER, Output
from link.output.results import write_result
from tests.studies.command import add_data_dir, add_results, command
from tests.studies.common import Table, draw
from tests.studies.rate.bottleneck import Latents, as_rotation, learn

NAME = "study-rate"
NODE_WORK = Path(__file__).with_name("node_work.py")
RATES = {"mixture": (0.003, 0.0015), "factorised": (0.002, 0.001)}
COARSENESSES = (2.0,)
COMPONENTS = (64, 256)
MOST_LOST_POINTS = 0.3
BEFORE = "c44229d^"
"The revision before the node's own work was made less."
N_ROUNDS, N_IMAGES = 5, 200

Figures = dict[str, float]


def deployed(bundle: Bundle, data: DataSet, axes: Rotation, seed: int, folder: Path) -> Figures:
    """What the bundle is worth with these latents, int8 and through the coder."""
    folder.mkdir()
    tflite.rotate_latents(bundle.encoder_path, axes, folder / ENCODER)
    encode = Int8Encoder(folder / ENCODER, bundle.image)
    sent = AtHost.of(data, encode)
    tables = fit_tables(data, sent.symbols, None, COMPONENTS, folder, lambda _: None)
    passes, validation, test = (
        clamped(symbols.reshape(-1, symbols.shape[-1]), tables.chosen.tables).reshape(symbols.shape)
        for symbols in (sent.passes, sent.validation, sent.test)
    )
    heard = AtHost(data, passes, validation, test)
    decoder = classes_decoder(Lessons.of_classes(heard), len(data.classes), seed)
    onnx_model.write_task(
        decoder, len(axes.analysis), Output.PROBABILITIES, folder / "decoder.onnx"
    )
    made = Deployed(data, folder, encode, heard.symbols, tables)
    return {
        "accuracy": made.accuracy,
        "bytes_per_image": made.rates.coded_bytes,
        "validation_accuracy": accuracy(made.classify(validation), data.validation.labels),
        "validation_bits": tables.chosen.validation_bits,
        "latents": len(axes.analysis),
    }


def bottlenecks(
    bundle: Bundle, data: DataSet, seeds: range, data_dir: Path, folder: Path
) -> Iterator[dict[str, list[Figures]]]:
    """By method and setting, the figures of each seed so far, after each of them."""
    latents = Latents.of(bundle, data, folder)
    found: dict[str, list[Figures]] = {}
    for seed in seeds:
        points = {
            f"{prior} {rate:g}": as_rotation(
                learn(latents, len(data.classes), prior, rate, seed), latents
            )
            for prior, rates in RATES.items()
            for rate in rates
        }
        for coarseness in COARSENESSES:
            settings = Rotating(
                bundle.path, folder / "unused", coarseness, data_dir=data_dir, seed=seed
            )
            points[f"rotation {coarseness:g}"] = importance_of(bundle, data, settings)
        for name, axes in points.items():
            figures = deployed(bundle, data, axes, seed, folder / f"{name} {seed}")
            found.setdefault(name, []).append(figures)
            print(f"{name}, seed {seed}: {json.dumps(figures)}", flush=True)
        yield found


def chosen(found: dict[str, list[Figures]], method: str) -> str:
    """The setting of a method by the validation split."""
    worth = {
        name: mean(points, "validation_accuracy")
        for name, points in found.items()
        if name.startswith(method)
    }
    enough = max(worth.values()) - MOST_LOST_POINTS / 100
    good = [name for name, value in worth.items() if value >= enough]
    return min(good, key=lambda name: mean(found[name], "validation_bits"))


def mean(points: list[Figures], name: str) -> float:
    return statistics.mean(point[name] for point in points)


def overhead(bundle: Path, images: np.ndarray, before: str) -> Figures:
    """This revision's and an earlier one's, in turns; the ratio is the median of the rounds'."""
    here = Path.cwd()
    rounds = []
    with tempfile.TemporaryDirectory(dir=here, prefix=".before-") as scratch:
        other, replay = Path(scratch) / "tree", Path(scratch) / "replay.npz"
        np.savez(replay, images=images)
        subprocess.run(["git", "worktree", "add", "-q", "--detach", other, before], check=True)
        try:
            for _ in range(N_ROUNDS):
                rounds.append([work(tree, bundle.resolve(), replay) for tree in (other, here)])
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", other], check=True)
    return {
        "node_overhead_ratio": statistics.median(now / was for was, now in rounds),
        "node_overhead_before_ms": statistics.median(was for was, _ in rounds),
        "node_overhead_ms": statistics.median(now for _, now in rounds),
    }


def work(tree: Path, bundle: Path, replay: Path) -> float:
    said = subprocess.run(
        [sys.executable, NODE_WORK, bundle, replay],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    print(f"{tree.name}: {said.stdout.strip()}", flush=True)
    return json.loads(said.stdout)["overhead_ms"]


def summary(found: dict[str, list[Figures]], bundle: Bundle) -> dict[str, float]:
    figures: dict[str, float] = {"seeds": len(next(iter(found.values())))}
    for name, points in found.items():
        for key in points[0]:
            figures[f"{key} [{name}]"] = mean(points, key)
        spread = statistics.pstdev(point["accuracy"] for point in points)
        figures[f"accuracy_deviation [{name}]"] = spread
    for prefix, method in (
        ("", "mixture"),
        ("factorised_", "factorised"),
        ("rotated_", "rotation"),
    ):
        points = found[chosen(found, method)]
        figures[f"{prefix}accuracy"] = mean(points, "accuracy")
        figures[f"{prefix}bytes_per_image"] = mean(points, "bytes_per_image")
    figures["label_alone_accuracy"] = bundle.measured.accuracy or 0.0
    figures["label_alone_bytes_per_image"] = 1.0
    return figures


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--part", choices=("bottleneck", "overhead", "all"), default="all")
    top.add_argument("--bundle", type=Path, default=Path("models/cifar10"))
    top.add_argument("--seeds", type=int, default=3)
    top.add_argument("--before", default=BEFORE, help="revision that the node is held against")
    add_data_dir(top)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    bundle = Bundle.load(options.bundle, "host")
    data = load(bundle.data_set, options.data_dir, bundle.image.height)
    path = options.results / f"{NAME}.json"
    figures: dict[str, Any] = {}
    if path.is_file():
        figures = json.loads(path.read_text(encoding="utf-8"))["figures"]

    def write() -> None:
        extra = {"bundle": bundle.id.hex()}
        made = write_result(NAME, figures, command=command(), extra=extra, folder=options.results)
        print(made, draw(json.loads(made.read_text(encoding="utf-8")), plot, 1))

    if options.part != "bottleneck":
        figures |= overhead(options.bundle, data.test.images[:N_IMAGES], options.before)
        write()
    if options.part != "overhead":
        with tempfile.TemporaryDirectory() as folder:
            seeds = range(options.seeds)
            for found in bottlenecks(bundle, data, seeds, options.data_dir, Path(folder)):
                figures |= summary(found, bundle)
                write()
                print(f"chosen: {[chosen(found, method) for method in (*RATES, 'rotation')]}")


LABEL_ALONE = "label alone"
WHAT = {
    "mixture": "the coder's mixture in the loss",
    "factorised": "a factorised prior in the loss",
    "rotation": "rotated by importance, nothing learned",
    LABEL_ALONE: "a node that classifies by itself",
}


def points_of(figures: dict[str, float]) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Method, setting, and figures by their short names."""
    for name in figures:
        if name.startswith("accuracy ["):
            point = name.removeprefix("accuracy [").removesuffix("]")
            method, setting = point.split()
            ending = f" [{point}]"
            known = {
                key.removesuffix(ending): value
                for key, value in figures.items()
                if key.endswith(ending)
            }
            yield method, setting, known
    if "label_alone_accuracy" in figures:
        short = ("accuracy", "bytes_per_image")
        yield LABEL_ALONE, "", {name: figures[f"label_alone_{name}"] for name in short}


def tables(result: dict[str, Any]) -> list[Table]:
    figures = result["figures"]
    rows = [
        [
            WHAT[method],
            setting,
            f"{100 * known['accuracy']:.2f}"
            + (f" ± {100 * known['accuracy_deviation']:.2f}" if "latents" in known else ""),
            f"{known['bytes_per_image']:.2f}",
            f"{known['latents']:.0f}" if "latents" in known else "",
        ]
        for method, setting, known in points_of(figures)
    ]
    made = [Table(["what", "λ or coarseness", "accuracy, %", "bytes", "latents"], rows)]
    if "node_overhead_ratio" in figures:
        names = ("node_overhead_before_ms", "node_overhead_ms", "node_overhead_ratio")
        header = ["a node beside its model, ms an image: before", "now", "ratio"]
        made.append(Table(header, [[f"{figures[name]:.2f}" for name in names]]))
    return made


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    found = list(points_of(result["figures"]))
    for method, what in WHAT.items():
        known = [each for name, _, each in found if name == method]
        axes[0].plot(
            [each["bytes_per_image"] for each in known],
            [100 * each["accuracy"] for each in known],
            "o",
            label=what,
        )
    axes[0].set(xlabel="bytes an image", ylabel="accuracy, %")
    axes[0].legend(fontsize="small")
