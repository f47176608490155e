"""Robustness: discriminative power per layer, corrupted labels (Figs. 3 and 4).

Training and validation labels are corrupted, test labels are clean. Each figure is of the int8
encoder, through the wire coder, with the decoder that was trained with it, and with one that
learned from scratch on clean labels: a host that gets better labels later does not touch the node.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import nn

from export.decoders.networks import CE
from host_training.data.batches import evaluation_batches
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.training.checkpoint import Checkpoint
from host_training.training.evaluation import BATCH_SIZE, discriminative_power
from tests.studies.common import (
    Progress,
    Table,
    deploy,
    finish,
    percent,
    presets_of,
    seeds_of,
    size_of,
    sized_parser,
    spread,
    trained,
)

STAGES = ("ce", "duphil")
RATIOS = {
    "digits": (0.0, 0.1, 0.2, 0.3),
    "cifar10": (0.0, 0.1, 0.2, 0.3),
    "cifar100": (0.0, 0.05, 0.1),
}
LAYERS = ("stem", "module1", "module2", "module3", "dense")


@torch.no_grad()
def power_per_layer(checkpoint: Path, data: DataSet) -> dict[str, float]:
    """Mean discriminative power of each encoder layer's channels, averaged over positions, on the
    training split.
    """
    model = Checkpoint.read(checkpoint).model
    seen: dict[str, list[np.ndarray]] = {}

    def keep(name: str):
        return lambda layer, inputs, output: seen.setdefault(name, []).append(
            output.flatten(2).mean(2).numpy()
        )

    layers = {
        name: layer for name in LAYERS if not _is_empty(layer := getattr(model.encoder, name))
    }
    hooks = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    for images, _ in evaluation_batches(
        data.train, BATCH_SIZE, torch.device("cpu"), model.config.pixel_pad
    ):
        model.encoder(images)
    for hook in hooks:
        hook.remove()
    return {
        name: float(discriminative_power(np.concatenate(outputs), data.train.labels).mean())
        for name, outputs in seen.items()
    }


def _is_empty(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Sequential) and len(layer) == 0


def accuracies(checkpoint: Path, data: DataSet, seed: int) -> dict[str, float]:
    """With the decoder as it was trained, and with one that learned from scratch on the data set's
    clean labels.
    """
    deployed = deploy(checkpoint, data)
    received = deployed.receive()
    return {
        "accuracy": deployed.accuracy(received),
        "clean_decoder_accuracy": deployed.new_decoder_accuracy(received, CE, seed),
        "bytes": received.mean_bytes,
    }


def parser() -> argparse.ArgumentParser:
    return sized_parser()


def main(options: argparse.Namespace) -> None:
    presets, seeds, progress = presets_of(options), seeds_of(options), Progress()
    figures: dict[str, float] = {}
    rows, layers = [], []
    for name, preset in presets.items():
        data = load(name, options.data_dir)
        for ratio in RATIOS[name]:
            variant = f"corruption-{ratio:g}" if ratio else ""
            runs = {
                seed: trained(data, preset, seed, options.device, variant, label_corruption=ratio)
                for seed in seeds
            }
            for stage in STAGES:
                measured = []
                for seed, run in runs.items():
                    checkpoint, kept = run / f"{stage}.pt", run / f"{stage}-in-robustness.json"
                    measured.append(
                        progress.measured(kept, partial(accuracies, checkpoint, data, seed))
                    )
                    rows.append(
                        {
                            "data_set": name,
                            "ratio": ratio,
                            "stage": stage,
                            "seed": seed,
                            **measured[-1],
                        }
                    )
                    print(rows[-1], flush=True)
                    if not ratio:
                        power = power_per_layer(checkpoint, data)
                        layers.append(
                            {"data_set": name, "stage": stage, "seed": seed, "power": power}
                        )
                figures |= {
                    f"{name}_{ratio:g}_{stage}_{key}": value
                    for key, value in spread(measured).items()
                }
    extra = {"size": size_of(options), "wall_s": progress.wall_s, "rows": rows, "layers": layers}
    finish("robustness", figures, seeds, extra, plot, n_axes=2)


def tables(result: dict[str, Any]) -> list[Table]:
    cells = dict.fromkeys((row["data_set"], row["ratio"], row["stage"]) for row in result["rows"])
    kinds = ("accuracy", "clean_decoder_accuracy")
    rows = [
        [
            name,
            f"{ratio:.0%}",
            stage,
            *(percent(result["figures"], f"{name}_{ratio:g}_{stage}_{kind}") for kind in kinds),
        ]
        for name, ratio, stage in cells
    ]
    header = [
        "data set",
        "labels drawn anew",
        "encoder",
        "its decoder, %",
        "new decoder on clean labels, %",
    ]
    layers = [
        [
            row["data_set"],
            row["stage"],
            str(row["seed"]),
            *(f"{power:.3f}" for power in row["power"].values()),
        ]
        for row in result["layers"]
    ]
    names = list(result["layers"][0]["power"])
    return [
        Table(header, rows),
        Table(["data set", "encoder", "seed", *(f"power, {name}" for name in names)], layers),
    ]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    name = result["rows"][0]["data_set"]
    rows = [row for row in result["rows"] if row["data_set"] == name]
    layers = [row for row in result["layers"] if row["data_set"] == name]
    for stage in STAGES:
        power = [row["power"] for row in layers if row["stage"] == stage]
        axes[0].plot(
            list(power[0]),
            [np.mean([each[layer] for each in power]) for layer in power[0]],
            "o-",
            label=stage,
        )
        for key, style in (("accuracy", "o-"), ("clean_decoder_accuracy", "s--")):
            mine = [row for row in rows if row["stage"] == stage]
            ratios = sorted({row["ratio"] for row in mine})
            means = [
                100 * np.mean([row[key] for row in mine if row["ratio"] == ratio])
                for ratio in ratios
            ]
            axes[1].plot(
                ratios,
                means,
                style,
                label=f"{stage}{', new decoder on clean labels' * (key != 'accuracy')}",
            )
    axes[0].set(title=name, ylabel="mean discriminative power", yscale="log")
    axes[1].set(
        xlabel="share of the training labels drawn anew", ylabel="accuracy on clean test labels, %"
    )
    axes[0].legend()
    axes[1].legend(fontsize="small")
