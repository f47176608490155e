"""Fog: encoders cut over nodes that die, held against each other (our reading of EDDL).

Every arm (tests.studies.fog.arms) has as many MACs a node and learns from the same teacher, a
released bundle. It is measured through its int8 parts and the wire coder, with every dead set of
one and of two nodes. A row is written as soon as it is measured, and what another machine measured
of the same recipe is not measured again: so a large size may be put together in several runs.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.presets import recipe
from tests.studies.common import RUNS, trained, training_parser
from tests.studies.fog.arms import ARMS, team_of
from tests.studies.fog.teacher import write_teacher


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


def run_of(arm: str, seed: int, size: FogSize, data: DataSet, device: str) -> Path:
    """The folder of that arm's finished run."""
    model = recipe(size.preset).model
    assert model.team is not None
    return trained(
        data, size.preset, seed, device, f"{arm}-{size.epochs}", teacher=teacher_of(size, data),
        ce_epochs=size.epochs, model=replace(model, team=team_of(arm, model.team, seed)),
    )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    top = training_parser(SIZES)
    top.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    top.add_argument("--only-train", action="store_true", help="measure nothing yet")
    return top


def main(options: argparse.Namespace) -> None:
    size = SIZES[options.size]
    data = load(size.data_set, options.data_dir)
    for arm in options.arms:
        for seed in options.seeds or range(ARMS[arm].n_seeds):
            run_of(arm, seed, size, data, options.device)
