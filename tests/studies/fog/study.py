"""Fog: encoders cut over nodes that die, held against each other (our reading of EDDL).

Every arm (tests.studies.fog.arms) has as many MACs a node and learns from the same teacher, a
released bundle. It is measured through its int8 parts and the wire coder, with every dead set of
one and of two nodes. A row is written as soon as it is measured, and what another machine measured
of the same recipe is not measured again: so a large size may be put together in several runs.
"""

import argparse
import hashlib
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes

from host_training.data.batches import to_model_input, to_pixels
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.models.block_design import offsets
from host_training.presets import recipe
from host_training.training.checkpoint import Checkpoint
from host_training.training.recipe import Recipe
from host_training.training.trainer import Trainer
from link.output.results import FOLDER, commit
from tests.studies.common import RUNS, Table, finish, training_parser
from tests.studies.fog.arms import ARMS, team_of
from tests.studies.fog.measured import worth_of_run, worth_of_whole
from tests.studies.fog.nonn import NoNNStage
from tests.studies.fog.teacher import write_teacher
from tests.studies.rows import Row, Rows

WHOLE, WHOLE_PRESET = "whole", "plain-20"
"One network as large as seven nodes' together, on one of them."
ALL = [*ARMS, WHOLE]
ABOUT = {arm: each.about for arm, each in ARMS.items()} | {
    WHOLE: "one network on one node",
    "replica": "the exchange's, each group on three nodes",
}
NEED_TEACHER = ("nonn",)
KINDS = ("all_alive", "one_dead_mean", "one_dead_worst", "two_dead_mean", "two_dead_worst")
N_SEEN = 1000
"Images by which a teacher's features are shared out."


@dataclass(frozen=True)
class FogSize:
    """How large the study is."""

    data_set: str
    epochs: int
    teacher: str | None = None
    "The released bundle that all learn from."
    preset: str = "branch-7"


SIZES = {
    "small": FogSize("digits", 40),
    "reduced": FogSize("cifar10", 6, "models/cifar10"),
    "medium": FogSize("cifar10", 32, "models/cifar10"),
    "full": FogSize("cifar10", 128, "models/cifar10-wide"),
}
"""small: the embedded digits, minutes; reduced: hours; medium: 50 minutes of a core with AMX for
each row; full: a GPU.
"""


def teacher_of(size: FogSize, data: DataSet) -> Path | None:
    if size.teacher is None:
        return None
    path = RUNS / f"teacher-{Path(size.teacher).name}" / "ce.pt"
    if not path.exists():
        write_teacher(Path(size.teacher), data, path)
    return path


def recipe_of(arm: str, seed: int, size: FogSize) -> Recipe:
    if arm == WHOLE:
        return recipe(WHOLE_PRESET, seed=seed, ce_epochs=size.epochs)
    chosen = recipe(size.preset, seed=seed, ce_epochs=size.epochs)
    assert chosen.model.team is not None
    team = team_of(arm, chosen.model.team, seed)
    return replace(chosen, model=replace(chosen.model, team=team))


def run_of(arm: str, seed: int, size: FogSize, data: DataSet, device: str) -> Path:
    """The folder of that arm's run, finished now."""
    run = RUNS / f"{data.name}-{arm}-{size.epochs}-seed-{seed}"
    chosen, teacher = recipe_of(arm, seed, size), teacher_of(size, data)
    torch.set_num_threads(chosen.cpu_threads or torch.get_num_threads())
    trainer = Trainer(data, chosen, run, torch.device(device), teacher=teacher)
    if arm == "nonn" and teacher is not None:
        known = Checkpoint.read(teacher, device).model
        seen = to_model_input(to_pixels(data.train.images[:N_SEEN]), 0).to(device)
        trainer.stages[0] = NoNNStage(trainer.model, trainer.recipe, known, seen)
    trainer.train()
    return run


def recipe_sha256(arm: str, seed: int, size: FogSize) -> str:
    text = json.dumps(asdict(recipe_of(arm, seed, size)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def rows_of(size: str) -> Rows:
    """What is measured of a size, also by earlier runs of this study."""
    return Rows(FOLDER / f"study-fog-{size}.json", ALL, "recipe")


def figures_of(rows: Rows) -> dict[str, float]:
    """Means over seeds by name, an arm's in front but for the exchange, and deviations."""
    found: dict[str, float] = {}
    for arm in ALL:
        each = list(rows.of(arm))
        prefix = "" if arm == "exchange" else f"{arm}_"
        for name in each[0] if each else ():
            values = [figures[name] for figures in each]
            found[f"{prefix}{name}"] = statistics.mean(values)
            if len(values) > 1:
                found[f"{prefix}{name}_stdev"] = statistics.stdev(values)
    return found | replicated(found)


def replicated(figures: Mapping[str, float]) -> dict[str, float]:
    """The exchange's network with each group on three nodes: what two dead leave is the same bits
    (tests/link/fog shows it), for three times the work of a node.
    """
    if "accuracy_all_alive" not in figures:
        return {}
    alive = figures["accuracy_all_alive"]
    kinds = ("all_alive", "one_dead_mean", "one_dead_worst", "two_dead_mean", "two_dead_worst")
    k = len(offsets(7))
    return {f"replica_accuracy_{kind}": alive for kind in kinds} | {
        f"replica_{name}": k * figures[name] for name in ("macs_per_node", "weights_per_node")
    }


def parser() -> argparse.ArgumentParser:
    top = training_parser(SIZES)
    top.add_argument("--arms", nargs="+", choices=ALL, default=ALL)
    top.add_argument("--only-train", action="store_true", help="measure nothing yet")
    return top


def main(options: argparse.Namespace) -> None:
    size, rows = SIZES[options.size], rows_of(options.size)
    data = load(size.data_set, options.data_dir)
    for arm in options.arms:
        for seed in options.seeds or range(ARMS[arm].n_seeds if arm in ARMS else 1):
            sha256 = recipe_sha256(arm, seed, size)
            if (arm in NEED_TEACHER and size.teacher is None) or rows.has(arm, seed, sha256):
                continue
            run = run_of(arm, seed, size, data, options.device)
            if options.only_train:
                continue
            worth = worth_of_whole(run, data) if arm == WHOLE else worth_of_run(run, data)
            print(arm, seed, worth, flush=True)
            rows.add(Row(arm, seed, sha256, commit(), worth))
            write(rows, options.size)


def write(rows: Rows, size: str) -> None:
    """The results as far as they are there."""
    extra = {
        "size": size,
        "data_set": SIZES[size].data_set,
        "epochs": SIZES[size].epochs,
        "teacher": SIZES[size].teacher,
        "rows": rows.stored(),
    }
    finish("fog", figures_of(rows), rows.seeds, extra, plot, n_axes=1)


def tables(result: dict[str, Any]) -> list[Table]:
    figures = result["figures"]
    body = []
    for arm in [*ALL, "replica"]:
        prefix = "" if arm == "exchange" else f"{arm}_"
        if f"{prefix}accuracy_all_alive" not in figures:
            continue
        n_seeds = len([row for row in result["rows"] if row["arm"] == arm])
        cells = [
            number({name: figures[name] for name in figures}, f"{prefix}accuracy_{kind}")
            for kind in KINDS
        ]
        macs = figures[f"{prefix}macs_per_node"] / 1e6
        sent = [
            f"{figures[name]:.{digits}f}" if (name := f"{prefix}{kind}") in figures else ""
            for kind, digits in (("published_bytes_per_node", 0), ("uplink_bytes", 2))
        ]
        body.append([arm, ABOUT.get(arm, ""), f"{n_seeds or ''}", *cells, f"{macs:.2f}", *sent])
    header = [
        "arm", "what", "seeds", "all alive, %", "one dead", "worst of 7", "two dead",
        "worst of 21", "M MACs a node", "published, B", "uplink, B",
    ]  # fmt: skip
    return [Table(header, body)]


def number(figures: Mapping[str, float], name: str) -> str:
    spread = f" ± {100 * figures[f'{name}_stdev']:.2f}" if f"{name}_stdev" in figures else ""
    return f"{100 * figures[name]:.2f}{spread}"


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    [ax] = axes
    figures = result["figures"]
    for arm in [*ALL, "replica"]:
        prefix = "" if arm == "exchange" else f"{arm}_"
        means = [
            figures.get(f"{prefix}accuracy_{kind}")
            for kind in ("all_alive", "one_dead_mean", "two_dead_mean")
        ]
        if None not in means:
            ax.plot(range(3), [100 * each for each in means], marker="o", label=arm)
    ax.set(xticks=range(3), xlabel="dead nodes of seven", ylabel="accuracy, %")
    ax.legend(fontsize="x-small")
