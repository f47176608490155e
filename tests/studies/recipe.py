"""Recipe: our own recipe for small nodes, and what each part of it buys.

Training: from the paper's model (width 16, Haar) to ours, one change at a time, at the same five
million multiplications on the node. Then, on the last of these models and without training anything
again: the coarseness of the quantiser in importance order, which sets the rate of a finished model,
and the number of the mixture's components.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from torch import Tensor

from export.encoder.fold import FoldedDecoder, FoldedEncoder
from export.encoder.importance import fold_rotation, rotation, sensitivity
from export.entropy_model import fit_mixture
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.presets import recipe
from link.coder.bulk import mean_bits
from tests.studies.common import (
    Deployed,
    Halves,
    Progress,
    Table,
    deploy,
    finish,
    percent,
    spread,
    trained,
    training_parser,
)

DATA_SET = "cifar10"
EPOCHS = {"reduced": 6, "full": 200}
OURS = "narrow-5"
EQUALISED = replace(recipe(OURS).model, subband_gains=recipe("plain-20").model.subband_gains)
PLAIN = replace(EQUALISED, has_residuals=False, widths=(16, 32, 72), blocks=(1, 2, 2))
UNDECIMATED = replace(PLAIN, is_decimated=False, widths=(16, 36, 80))
MUON: dict[str, Any] = {"optimiser": "muon", "batch_size": 500, "learning_rate": 0.2}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "paper's model": ("cifar-16", {"cpu_threads": 1}),
    "M3 on the node": (
        OURS,
        {"model": replace(recipe(OURS).model, noise_half_width=1.0), "label_smoothing": 0.0},
    ),
    "noise ± ½": (OURS, {"label_smoothing": 0.0}),
    "label smoothing": (OURS, {}),
    "equal subbands": (OURS, {"model": EQUALISED}),
    "Muon": (OURS, {"model": EQUALISED, **MUON}),
    "max-pooling": (OURS, {"model": PLAIN, **MUON}),
    "undecimated": (OURS, {"model": UNDECIMATED, **MUON}),
    "small crops": (OURS, {"model": UNDECIMATED, "crop_pad": 2, **MUON}),
    "a teacher": (OURS, {"model": UNDECIMATED, "crop_pad": 2, "teacher": "plain-20", **MUON}),
}
"""Preset and changes to it; each keeps the changes before. A teacher is a preset's cross-entropy
stage.
"""
COARSENESS = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
COMPONENTS = (1, 16, 64, 256, 1024)


def point(deployed: Deployed) -> dict[str, float]:
    """Accuracy, rate and the node's work of one model."""
    received = deployed.receive()
    return {
        "accuracy": deployed.accuracy(received),
        "bytes": received.mean_bytes,
        "static_bits": mean_bits(deployed.symbols["test"], deployed.static_tables),
        "mixture_bits": mean_bits(deployed.symbols["test"], deployed.tables),
        "macs": deployed.cost.macs,
    }


def as_trained(checkpoint: Path, data: DataSet) -> dict[str, float]:
    return point(deploy(checkpoint, data))


def by_importance(
    encoder: FoldedEncoder, decoder: FoldedDecoder, latents: Tensor, coarseness: float
) -> Halves:
    importance = rotation(latents, sensitivity(decoder, latents), coarseness)
    return fold_rotation(encoder, decoder, importance.leading(importance.n_useful))


def rates(checkpoint: Path, data: DataSet) -> Iterator[dict[str, float]]:
    """One model at several rates."""
    for coarseness in COARSENESS:
        name = f"importance-{coarseness:g}"
        yield {
            "coarseness": coarseness,
            **point(deploy(checkpoint, data, name, partial(by_importance, coarseness=coarseness))),
        }


def components(deployed: Deployed) -> Iterator[dict[str, float]]:
    """One model's symbols under mixtures of several sizes."""
    for n_components in COMPONENTS:
        tables = deployed.static_tables
        if n_components > 1:
            labels = deployed.data.train.labels
            tables = fit_mixture(deployed.symbols["train"], labels, n_components).quantised()
        yield {"components": n_components, "bits": mean_bits(deployed.symbols["test"], tables)}


def parser() -> argparse.ArgumentParser:
    top = training_parser(EPOCHS)
    top.set_defaults(seeds=[0, 1, 2])
    return top


def main(options: argparse.Namespace) -> None:
    progress, data = Progress(), load(DATA_SET, options.data_dir)
    epochs = EPOCHS[options.size]
    figures: dict[str, float] = {}
    for name, (preset, changes) in VARIANTS.items():
        measured = []
        more: dict[str, Any] = {"ce_epochs": epochs, "duphil_epochs": 0, **changes}
        if "teacher" in more:
            more["teacher"] = (
                trained(data, more["teacher"], seed=0, device=options.device) / "ce.pt"
            )
        for seed in options.seeds:
            variant = f"recipe-{epochs}-epochs-{name.replace(' ', '-')}"
            run = trained(data, preset, seed, options.device, variant, **more)
            measured.append(
                progress.measured(run / "point.json", partial(as_trained, run / "ce.pt", data))
            )
            print(name, seed, measured[-1], flush=True)
        figures |= {f"{name} {key}": value for key, value in spread(measured).items()}
    extra = {
        "size": options.size,
        "epochs": epochs,
        "rates": list(rates(run / "ce.pt", data)),
        "components": list(components(deploy(run / "ce.pt", data))),
        "wall_s": progress.wall_s,
    }
    finish("recipe", figures, options.seeds, extra, plot, n_axes=2)


def tables(result: dict[str, Any]) -> list[Table]:
    figures = result["figures"]
    steps = [
        [name, percent(figures, f"{name} accuracy"), f"{figures[f'{name} macs_mean'] / 1e6:.1f} M"]
        + [
            f"{figures[f'{name} {key}_mean']:.1f}"
            for key in ("bytes", "static_bits", "mixture_bits")
        ]
        for name in VARIANTS
        if f"{name} accuracy_mean" in figures
    ]
    rows = [
        [
            f"{row['coarseness']:g}",
            f"{100 * row['accuracy']:.2f}",
            f"{row['bytes']:.2f}",
            f"{row['mixture_bits']:.1f}",
        ]
        for row in result["rates"]
    ]
    sizes = [[str(row["components"]), f"{row['bits']:.1f}"] for row in result["components"]]
    return [
        Table(
            ["recipe up to", "accuracy, %", "node MACs", "bytes", "static bits", "mixture bits"],
            steps,
        ),
        Table(["coarseness", "accuracy, %", "bytes", "mixture bits"], rows),
        Table(["components of the mixture", "bits"], sizes),
    ]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    rows, sizes = result["rates"], result["components"]
    axes[0].plot([row["bytes"] for row in rows], [100 * row["accuracy"] for row in rows], "o-")
    axes[0].set(
        xlabel="bytes per image", ylabel="accuracy, %", title="one model, coarser and coarser"
    )
    axes[1].plot([row["components"] for row in sizes], [row["bits"] for row in sizes], "o-")
    axes[1].set(
        xlabel="components of the mixture", ylabel="bits per image", xscale="log", ylim=(0, None)
    )
