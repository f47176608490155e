"""Global training: one encoder learned by many simulated devices, held against the same steps in
one place and against what others send (our reading of Sudharsan et al., IEEE Internet Computing
2021).

All arms of a seed see as many images, in batches of the same size, with the same rates. A ratio is
what a device would send as float32 after each of these steps, by what it sends, headers and
signatures counted. A row is written as soon as it is measured, and is not measured again.
"""

import argparse
import hashlib
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from matplotlib.axes import Axes

from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.distributed.simulation.central import Central
from host_training.distributed.simulation.circumstances import LIES, Circumstances
from host_training.distributed.simulation.partition import deal
from host_training.distributed.simulation.plan import Plan
from host_training.distributed.simulation.rivals import RIVALS
from host_training.distributed.simulation.run import Run, World
from host_training.presets import recipe
from host_training.training.evaluation import evaluate
from link.output.results import FOLDER, commit
from tests.studies.common import Table, finish, training_parser
from tests.studies.global_training import rival_run
from tests.studies.rows import Row, Rows

CENTRAL, OURS, NON_IID, SLOW_LOST = "central", "ours", "non_iid", "slow_lost"
GARBAGE = {f"garbage_{lie}": lie for lie in LIES}
ALL = [CENTRAL, OURS, NON_IID, SLOW_LOST, *GARBAGE, *RIVALS]
ABOUT = {
    CENTRAL: "the same steps in one place",
    OURS: "coded both ways",
    NON_IID: "ours, classes by Dirichlet 0.3",
    SLOW_LOST: "ours, 30 % of devices ten times slower, 30 % of updates lost",
    **{
        name: f"ours, 10 % of devices send {lie.replace('_', ' ')}" for name, lie in GARBAGE.items()
    },
    "dense": "float32 after each step",
    "dgc": "a thousandth of the entries",
    "signsgd": "a bit an entry",
    "powersgd": "rank 2",
    "fedavg": "float32 after eight local steps",
}
N_JUDGED = 40
TO_REACH = 0.8


@dataclass(frozen=True)
class GlobalSize:
    """How large the study is."""

    data_set: str
    preset: str
    plan: Plan
    seeds: tuple[int, ...] = (0, 1, 2)
    arms: tuple[str, ...] = field(default=tuple(ALL))


DIGITS = Plan(
    n_devices=8, n_groups=2, batch_images=32, epochs=40, up_bytes=4000, down_bytes=6000,
    crop_pixels=1, has_flips=False,
)  # fmt: skip
SIZES = {
    "small": GlobalSize("digits", "narrow-5", DIGITS),
    "reduced": GlobalSize("cifar10", "plain-5-long", Plan()),
}
"""small: the embedded digits, minutes; reduced: CIFAR-10, half an hour of a core for each row."""


def world_of(arm: str) -> World:
    match arm:
        case "non_iid":
            return World(alpha=0.3)
        case "slow_lost":
            return World(circumstances=Circumstances(link="lte-m", slow_share=0.3, lost=0.3))
        case _ if arm in GARBAGE:
            around = Circumstances(link="lte-m", lie=GARBAGE[arm], liar_share=0.1)
            return World(circumstances=around)
    return World(circumstances=Circumstances(link="lte-m"))


def measured(arm: str, seed: int, size: GlobalSize, data: DataSet) -> dict[str, Any]:
    """What that arm reaches: figures, and a curve where it has one."""
    torch.set_num_threads(1)
    plan = replace(size.plan, seed=seed)
    run = Run(data, recipe(size.preset), plan, world_of(arm))
    n_rounds, dense = run.settings.n_rounds, 4 * run.flat.layout.size
    if arm in RIVALS:
        outcome = rival_run.learn(arm, run, data)
        ratio = dense * outcome.n_steps / outcome.up_bytes
        return {"accuracy": outcome.accuracy, "up_ratio": ratio, "up_bytes": outcome.up_bytes}
    if arm == CENTRAL:
        n_shards = plan.n_devices // plan.n_groups
        parts = deal(data.train.labels, n_shards, None, seed)
        shards = [data.train.subset(part) for part in parts]
        for weights in Central(run.flat, shards, plan.central(run.settings)).train(
            run.flat.weights
        ):
            end = weights
        return {"accuracy": accuracy(run, end, data)}
    run.train(max(1, n_rounds // N_JUDGED))
    last = run.lines[-1]
    judged = [line for line in run.lines if "accuracy" in line]
    found: dict[str, Any] = {
        "accuracy": accuracy(run, run.server.weights, data),
        "up_bytes": last["up_bytes"],
        "down_bytes": last["down_bytes"],
        "up_ratio": dense * n_rounds / last["up_bytes"],
        "down_ratio": dense * n_rounds / last["down_bytes"],
        "both_ratio": 2 * dense * n_rounds / (last["up_bytes"] + last["down_bytes"]),
        "modelled_s": last["now_s"],
        "left_out": sum(len(line["left_out"]) for line in run.lines),
        "curve": [
            [line["up_bytes"], line["down_bytes"], line["now_s"], line["accuracy"]]
            for line in judged
        ],
    }
    reached = next((line for line in judged if line["accuracy"] >= TO_REACH), None)
    if reached is not None:
        found |= {f"{way}_bytes_to_80": reached[f"{way}_bytes"] for way in ("up", "down")}
    return found


def accuracy(run: Run, weights: Any, data: DataSet) -> float:
    """On the test split, statistics estimated on validation images."""
    run.flat.set_weights(weights)
    run.estimate_statistics()
    return evaluate(run.flat.model, data.test, run.flat.device).accuracy


def plan_sha256(arm: str, size: GlobalSize) -> str:
    text = json.dumps([size.data_set, size.preset, asdict(size.plan), asdict(world_of(arm))])
    return hashlib.sha256(text.encode()).hexdigest()


def rows_of(size: str) -> Rows:
    """What is measured of a size, also by earlier runs of this study."""
    return Rows(FOLDER / f"study-global-{size}.json", ALL, "plan")


def mean(rows: Rows, arm: str, name: str) -> float | None:
    """Over the seeds that have it."""
    values = [figures[name] for figures in rows.of(arm) if name in figures]
    return statistics.mean(values) if values else None


def drop_points(rows: Rows, arm: str, against: str) -> float | None:
    """By how many points it is below, mean over the seeds that both have."""
    found = {each: _accuracies(rows, each) for each in (arm, against)}
    seeds = found[arm].keys() & found[against].keys()
    drops = [100 * (found[against][seed] - found[arm][seed]) for seed in seeds]
    return statistics.mean(drops) if drops else None


def _accuracies(rows: Rows, arm: str) -> dict[int, float]:
    return {row.seed: row.figures["accuracy"] for row in rows.known if row.arm == arm}


def figures_of(rows: Rows) -> dict[str, float]:
    """Means and drops by name; what is not measured yet is missing."""
    garbage = [drop_points(rows, arm, OURS) for arm in GARBAGE]
    known = [each for each in garbage if each is not None]
    found: dict[str, float | None] = {
        "central_accuracy": mean(rows, CENTRAL, "accuracy"),
        "drop_points": drop_points(rows, OURS, CENTRAL),
        "non_iid_drop_points": drop_points(rows, NON_IID, OURS),
        "slow_lost_drop_points": drop_points(rows, SLOW_LOST, OURS),
        "garbage_drop_points": max(known) if known else None,
    }
    for name in (
        "accuracy", "up_ratio", "down_ratio", "both_ratio", "up_bytes", "down_bytes",
        "up_bytes_to_80", "down_bytes_to_80", "modelled_s",
    ):  # fmt: skip
        found[name] = mean(rows, OURS, name)
    for arm in GARBAGE:
        found[f"{arm}_drop_points"] = drop_points(rows, arm, OURS)
    for arm in RIVALS:
        found |= {f"{arm}_{name}": mean(rows, arm, name) for name in ("accuracy", "up_ratio")}
        found[f"{arm}_drop_points"] = drop_points(rows, arm, CENTRAL)
    return {name: value for name, value in found.items() if value is not None}


def parser() -> argparse.ArgumentParser:
    top = training_parser(SIZES)
    top.add_argument("--arms", nargs="+", choices=ALL, default=ALL)
    return top


def main(options: argparse.Namespace) -> None:
    size = SIZES[options.size]
    data = load(size.data_set, options.data_dir)
    for seed in options.seeds or size.seeds:
        for arm in options.arms:
            plan = plan_sha256(arm, size)
            if rows_of(options.size).has(arm, seed, plan):
                continue
            found = measured(arm, seed, size, data)
            print(arm, seed, {n: value for n, value in found.items() if n != "curve"}, flush=True)
            rows = rows_of(options.size)  # others may have measured other arms meanwhile
            rows.add(Row(arm, seed, plan, commit(), found))
            write(rows, options.size)


def write(rows: Rows, size: str) -> None:
    """The results as far as they are there."""
    extra = {
        "size": size,
        "data_set": SIZES[size].data_set,
        "preset": SIZES[size].preset,
        "plan": asdict(SIZES[size].plan),
        "rows": rows.stored(),
    }
    finish("global", figures_of(rows), rows.seeds, extra, plot, n_axes=2)


def tables(result: dict[str, Any]) -> list[Table]:
    body = []
    for arm in ALL:
        rows = [row["figures"] for row in result["rows"] if row["arm"] == arm]
        if rows:
            cells = [cell(rows, name, form) for name, form in COLUMNS.values()]
            body.append([arm, ABOUT[arm], str(len(rows)), *cells])
    return [Table(["arm", "what", "seeds", *COLUMNS], body)]


COLUMNS = {
    "accuracy, %": ("accuracy", "{:.2%}"),
    "up ratio": ("up_ratio", "{:.0f}"),
    "down ratio": ("down_ratio", "{:.0f}"),
    "kB up a device": ("up_bytes", "{:,.0f}"),
}


def cell(rows: list[Mapping[str, Any]], name: str, form: str) -> str:
    values = [row[name] / (1000 if name == "up_bytes" else 1) for row in rows if name in row]
    return form.format(statistics.mean(values)) if values else ""


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    for arm in (OURS, NON_IID, SLOW_LOST):
        curves = [row["figures"]["curve"] for row in result["rows"] if row["arm"] == arm]
        if not curves:
            continue
        for ax, column, unit in ((axes[0], 0, 1e6), (axes[1], 2, 3600)):
            ax.plot(
                [point[column] / unit for point in curves[0]],
                [100 * point[3] for point in curves[0]],
                label=arm,
            )
    figures = result["figures"]
    for arm in RIVALS:
        if f"{arm}_accuracy" in figures:
            megabytes = statistics.mean(
                row["figures"]["up_bytes"] for row in result["rows"] if row["arm"] == arm
            )
            axes[0].plot(megabytes / 1e6, 100 * figures[f"{arm}_accuracy"], "o", label=arm)
    for ax in axes:
        if "central_accuracy" in figures:
            ax.axhline(100 * figures["central_accuracy"], linestyle=":", color="grey")
        ax.set(ylabel="accuracy, %")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize="x-small")
    axes[0].set(xscale="log", xlabel="MB a device sends")
    axes[1].set(xlabel="modelled hours (LTE-M, Raspberry Pi 4)")
