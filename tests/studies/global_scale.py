"""Global scale: ten thousand simulated devices of five images each, a hundred behind each gateway,
which keeps one memory for them on the disk; a hundred train in a round.

Time and memory are those of this process on this machine. The accuracy is on CIFAR-10's test split,
by which nothing is chosen; all training images are dealt out.
"""

import argparse
import resource
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from host_training.data.catalogue import load
from host_training.data.dataset import DataSet, Split
from host_training.distributed.server.rules import Rules
from host_training.distributed.simulation.circumstances import Circumstances
from host_training.distributed.simulation.plan import Plan
from host_training.distributed.simulation.run import Run, World
from host_training.presets import recipe
from link.output.results import write_result
from tests.studies.command import add_data_dir, command

PRESET, ROUNDS, IMAGES_PER_DEVICE, JUDGED_EVERY = "plain-5-long", 200, 5, 20
PLAN = Plan(
    n_devices=100,
    n_groups=10,
    batch_images=IMAGES_PER_DEVICE,
    epochs=2,
    rate=0.1,
    up_bytes=4000,
    down_bytes=4000,
    memory="int8",
)
WORLD = World(
    circumstances=Circumstances(link="lte-m", slow_share=0.1, lost=0.05, away=0.05),
    rules=Rules(longest_s=600.0),
    n_per_gateway=100,
    n_each=10,
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    add_data_dir(top)
    return top


def all_dealt_out(data: DataSet) -> DataSet:
    """Training on all but the test split, which is also what is judged by."""
    images = np.concatenate([data.train.images, data.validation.images])
    labels = np.concatenate([data.train.labels, data.validation.labels])
    return replace(data, train=Split(images, labels), validation=data.test)


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    began = time.monotonic()
    data = all_dealt_out(load("cifar10", options.data_dir))
    folder = Path(tempfile.mkdtemp(prefix="global-scale-"))
    try:
        run = Run(data, recipe(PRESET), PLAN, WORLD, folder)
        first = run.judge().accuracy
        run.train(JUDGED_EVERY, on_round=said)
    finally:
        shutil.rmtree(folder)
    curve = [(0, first)] + [
        (line["round"] + 1, line["accuracy"]) for line in run.lines if "accuracy" in line
    ]
    figures = {
        "devices": PLAN.n_devices * WORLD.n_per_gateway,
        "gateways": PLAN.n_devices,
        "devices_per_round": PLAN.n_devices // PLAN.n_groups * WORLD.n_each,
        "images_per_device": IMAGES_PER_DEVICE,
        "rounds": len(run.lines),
        "first_accuracy": first,
        "accuracy": curve[-1][1],
        "wall_s": time.monotonic() - began,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "up_bytes": run.lines[-1]["up_bytes"],
        "down_bytes": run.lines[-1]["down_bytes"],
    }
    write_result(
        "global-scale", figures, command=command(), seeds=[PLAN.seed], extra={"curve": curve}
    )
    print(figures)


def said(line: dict) -> None:
    if "accuracy" in line:
        print(f"round {line['round'] + 1}: {line['accuracy']:.4f}", flush=True)
