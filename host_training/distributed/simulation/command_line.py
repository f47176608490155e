"""`python -m host_training global`: a model learned on simulated devices, into a run's folder; or,
to hold it against, by the same steps in one place.

The folder is a run like any other: `make export RUN=…` takes its ce.pt. Interrupted or killed, the
same command goes on behind the last finished round.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from host_training.data.dataset import DataSet
from host_training.distributed.server.rules import Rules
from host_training.distributed.simulation.central import Central
from host_training.distributed.simulation.circumstances import LIES, LINKS, Circumstances
from host_training.distributed.simulation.partition import deal
from host_training.distributed.simulation.plan import Plan
from host_training.distributed.simulation.run import REPORT, RESULT, Run, World
from host_training.presets import PRESETS, recipe
from host_training.run import RunError
from host_training.training.curves import Curves
from host_training.training.progress import StageProgress
from link.base import durable
from link.update import RunSettings

Until = Callable[[], bool]
SAID, REACHED = "global.json", "central.npz"
JUDGED_PER_RUN = 20
DEFAULT_PRESETS = {"digits": "narrow-5"}
OTHER_PRESET = "plain-5-long"


def add_options(top: argparse.ArgumentParser) -> None:
    """The command's, but for the data set and the folder."""
    top.add_argument(
        "--preset", choices=PRESETS, help=f"default: {OTHER_PRESET}, for digits narrow-5"
    )
    for each in fields(Plan):
        if each.name == "has_flips":
            continue
        kind = {int: int, float: float, str: str}[type(each.default)]
        option = f"--{each.name.replace('_', '-')}"
        top.add_argument(option, type=kind, help=f"default: {each.default}")
    top.add_argument("--alpha", type=float, help="devices know few classes: 0.3, 0.1 (Dirichlet)")
    top.add_argument("--link", choices=LINKS, help="modelled, for the hours in the report")
    top.add_argument("--slow-share", type=float, help="share of the devices ten times slower")
    top.add_argument("--lost", type=float, help="share of the updates that never come")
    top.add_argument("--away", type=float, help="share of its turns that a device misses")
    top.add_argument(
        "--delay",
        type=int,
        default=0,
        help="updates count so many rounds later, and devices train on meanwhile (default: 0)",
    )
    top.add_argument("--lie", choices=LIES, help="what liars send")
    top.add_argument("--liar-share", type=float, help="share of the devices that lie")
    top.add_argument("--central", action="store_true", help="the same steps in one place")
    top.add_argument(
        "--start-from",
        type=Path,
        metavar="CE.PT",
        help="DuPHiL's two phases, from where that run ended",
    )
    top.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")


def plan_of(options: argparse.Namespace, data: DataSet) -> Plan:
    """What was said, and what fits the data set."""
    usual = {"crop_pixels": data.augmentation.crop_pad, "has_flips": data.augmentation.flip}
    said = {each.name: getattr(options, each.name, None) for each in fields(Plan)}
    return Plan(**usual | {name: value for name, value in said.items() if value is not None})


def world_of(options: argparse.Namespace) -> World:
    names = {each.name for each in fields(Circumstances)}
    said = {name: getattr(options, name, None) for name in names}
    around = Circumstances(**{name: value for name, value in said.items() if value is not None})
    return World(options.alpha, around, Rules(delay=options.delay))


def usual_preset(data_set: str) -> str:
    return DEFAULT_PRESETS.get(data_set, OTHER_PRESET)


MOST_DELAY = 4
"Rounds that an update may be late at the least, whatever the groups."
LEAST_BYTES = 200
"What a message may have at the least: header, signature and the list of the counted take half."


def epochs_of(options: argparse.Namespace) -> float:
    return Plan.epochs if options.epochs is None else options.epochs


def learn(
    data: DataSet, preset: str, options: argparse.Namespace, folder: Path, until: Until
) -> bool:
    """The run to its end; False when `until()` said so before."""
    torch.set_num_threads(options.threads)
    plan, world = plan_of(options, data), world_of(options)
    require_possible(plan, world)
    chosen = recipe(preset, ce_epochs=max(1, round(plan.epochs)), duphil_epochs=0, seed=plan.seed)
    said = {"preset": preset, "is_central": options.central, **asdict(plan), **asdict(world)}
    require_same(folder, json.loads(json.dumps(said)))
    if options.central:
        return central(data, Run(data, chosen, plan, world), folder, until)
    run = Run(data, chosen, plan, world, folder, options.start_from)
    n_rounds = run.settings.n_rounds
    with (
        Curves(str(folder / "tensorboard")) as curves,
        StageProgress("global", n_rounds, run.server.round_, JUDGED_PER_RUN) as shown,
    ):

        def on_round(line: dict[str, Any]) -> None:
            shown.step()
            draw(curves, line)
            if "accuracy" in line:
                part = round(JUDGED_PER_RUN * (line["round"] + 1) / n_rounds)
                shown.epoch(part, described(line))

        if not run.train(max(1, n_rounds // JUDGED_PER_RUN), on_round, until):
            return False
    durable.write(folder / REPORT, run.report())
    run.write_checkpoint(folder / f"{run.stage}.pt")
    return True


def central(data: DataSet, run: Run, folder: Path, until: Until) -> bool:
    """As many images a step, in ghost batches as large as a device's; it goes on where it was
    judged last.
    """
    plan, n_rounds = run.plan, run.settings.n_rounds
    n_shards = plan.n_devices // plan.n_groups
    shards = [
        data.train.subset(part) for part in deal(data.train.labels, n_shards, None, plan.seed)
    ]
    settings, path = plan.central(run.settings), folder / REACHED
    begin, start, momentum = reached(path, settings) or (0, run.flat.weights, None)
    one = Central(run.flat, shards, settings)
    with StageProgress("central", n_rounds, begin, JUDGED_PER_RUN) as shown:
        for number, weights in enumerate(one.train(start, begin, momentum), begin + 1):
            shown.step()
            if number % max(1, n_rounds // JUDGED_PER_RUN) == 0:
                figures = run.judge(weights)
                shown.epoch(round(JUDGED_PER_RUN * number / n_rounds), figures.describe())
                keep_reached(path, settings, number, weights, one.momentum)
            if until():
                return False
    run.write_checkpoint(folder / RESULT, run.flat.weights)
    return True


def keep_reached(
    path: Path, settings: RunSettings, number: int, weights: np.ndarray, momentum: np.ndarray | None
) -> None:
    """So many rounds of central training, over what was there."""
    arrays = {"weights": weights} if momentum is None else dict(weights=weights, momentum=momentum)
    with durable.whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, run=np.array(settings.run_id.hex()), number=np.array(number), **arrays)


def reached(path: Path, settings: RunSettings) -> tuple[int, np.ndarray, np.ndarray | None] | None:
    """Rounds, weights and momentum of central training that was broken off; None where there is
    none of these settings.
    """
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        found = dict(file)
    if str(found["run"]) != settings.run_id.hex():
        return None
    return int(found["number"]), found["weights"], found.get("momentum")


def require_possible(plan: Plan, world: World) -> None:
    """RunError with a sentence where no run can be made of these numbers."""
    for name, value, least in (
        ("n-devices", plan.n_devices, 1),
        ("n-groups", plan.n_groups, 1),
        ("batch-images", plan.batch_images, 2),
        ("up-bytes", plan.up_bytes, LEAST_BYTES),
        ("down-bytes", plan.down_bytes, LEAST_BYTES),
    ):
        if value < least:
            raise RunError(f"--{name} is {value}; it must be at least {least}")
    if plan.n_groups > plan.n_devices:
        raise RunError(f"{plan.n_groups} groups of {plan.n_devices} devices: take fewer groups")
    if not 0 <= world.rules.delay <= MOST_DELAY:
        raise RunError(f"--delay is {world.rules.delay}; it must be from 0 to {MOST_DELAY}")
    if not plan.epochs > 0:
        raise RunError(f"--epochs is {plan.epochs}; it must be above 0")
    if world.alpha is not None and not world.alpha > 0:
        raise RunError(f"--alpha is {world.alpha}; it must be above 0")


def require_same(folder: Path, said: dict[str, Any]) -> None:
    """RunError where the folder's run was begun with other words."""
    path = folder / SAID
    if not path.exists():
        durable.write(path, json.dumps(said, indent=1) + "\n")
        return
    before = json.loads(durable.read_small(path))
    if others := list(differences(before, said)):
        raise RunError(
            f"{folder} holds another run ({'; '.join(others)}); say the same again to go on with "
            "it, or take another folder (--run)"
        )


def differences(before: dict[str, Any], said: dict[str, Any]) -> Iterator[str]:
    for name in said:
        if before.get(name) != said[name]:
            yield f"its {name} is {before.get(name)}, not {said[name]}"


def draw(curves: Curves, line: dict[str, Any]) -> None:
    values: dict[str, float] = {
        "loss": line["loss"],
        "counted": len(line["accepted"]),
        "left_out": len(line["left_out"]),
        "refused": line["refused"],
        "up_megabytes": line["up_bytes"] / 1e6,
        "down_megabytes": line["down_bytes"] / 1e6,
        "hours": line["now_s"] / 3600,
        **{name: line[name] for name in ("accuracy", "val_loss") if name in line},
    }
    for name, value in values.items():
        curves.add_scalar(f"global/{name}", value, line["round"])


def described(line: dict[str, Any]) -> str:
    return (
        f"val {line['accuracy']:.2%} loss {line['val_loss']:.3f}, {line['up_bytes'] / 1e3:.0f} kB "
        f"up, {line['down_bytes'] / 1e3:.0f} kB down a device, {line['now_s'] / 3600:.2f} h"
    )
