"""Fog: encoders cut over nodes that die, held against each other (our reading of EDDL).

Every arm (tests.studies.fog.arms) has as many MACs a node and learns from the same teacher, a
released bundle. It is measured through its int8 parts and the wire coder, with every dead set of
one and of two nodes. A row is written as soon as it is measured, and what another machine measured
of the same recipe is not measured again: so a large size may be put together in several runs.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from host_training.data.batches import to_model_input, to_pixels
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.presets import recipe
from host_training.training.checkpoint import Checkpoint
from host_training.training.recipe import Recipe
from host_training.training.trainer import Trainer
from tests.studies.common import RUNS, training_parser
from tests.studies.fog.arms import ARMS, team_of
from tests.studies.fog.nonn import NoNNStage
from tests.studies.fog.teacher import write_teacher

WHOLE = "plain-20"
"The preset of one network as large as seven nodes' together."
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
    if arm == "whole":
        return recipe(WHOLE, seed=seed, ce_epochs=size.epochs)
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


def parser() -> argparse.ArgumentParser:
    top = training_parser(SIZES)
    top.add_argument("--arms", nargs="+", choices=[*ARMS, "whole"], default=[*ARMS, "whole"])
    top.add_argument("--only-train", action="store_true", help="measure nothing yet")
    return top


def main(options: argparse.Namespace) -> None:
    size = SIZES[options.size]
    data = load(size.data_set, options.data_dir)
    for arm in options.arms:
        for seed in options.seeds or range(ARMS[arm].n_seeds if arm in ARMS else 1):
            run_of(arm, seed, size, data, options.device)
