"""DuPHiL: DuPHiL against end-to-end cross-entropy (the paper's Table 1 and Fig. 2).

Three encoders per seed: `ce`, trained end to end; `duphil`, which goes on from it by DuPHiL's two
phases; `ce-longer`, which goes on from it by cross-entropy for as many epochs, and is what DuPHiL
must be held against. The latents of each int8 encoder are pruned by discriminative power, with and
without a short fine-tuning of the decoder's last dense layer, and new decoders learn from scratch
on the frozen encoder.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from scipy import stats
from torch import nn

from export.decoders.networks import LOSSES
from export.encoder.fold import FoldedDecoder
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.presets import recipe
from host_training.training.evaluation import latent_order
from link.coder.bulk import mean_bits
from tests.studies.common import (
    Deployed,
    Progress,
    Table,
    deploy,
    finish,
    leading,
    percent,
    presets_of,
    seeds_of,
    size_of,
    sized_parser,
    spread,
    trained,
)

ENCODERS = ("ce", "ce-longer", "duphil")
KEPT = (1.0, 0.5, 0.3, 0.2, 0.125, 0.08)
"Shares of the latents that are sent."


def checkpoints(data: DataSet, preset: str, seed: int, device: str) -> dict[str, Path]:
    run = trained(data, preset, seed, device)
    chosen = recipe(preset)
    longer = trained(
        data, preset, seed, device, "longer", run / "ce.pt",
        ce_epochs=chosen.duphil_epochs, duphil_epochs=0,
        learning_rate=chosen.duphil_decoder_learning_rate,
    )  # fmt: skip
    return {"ce": run / "ce.pt", "duphil": run / "duphil.pt", "ce-longer": longer / "ce.pt"}


def curve(deployed: Deployed) -> Iterator[dict[str, float]]:
    """Rate and accuracy of one encoder as fewer and fewer of its latents are sent, the most
    discriminative ones.
    """
    order = latent_order(deployed.symbols["train"], deployed.data.train.labels)
    ranked = deployed.in_order(order, "ranked")
    for share in KEPT:
        n_latents = max(round(share * len(order)), 1)
        part, tables = (
            ranked.in_order(range(n_latents), f"{n_latents}"),
            leading(ranked.tables, n_latents),
        )
        received = part.receive(tables)
        test = part.symbols["test"]
        yield {
            "latents": n_latents,
            "bytes": received.mean_bytes,
            "mixture_bits": mean_bits(test, tables),
            "static_bits": mean_bits(test, leading(ranked.static_tables, n_latents)),
            "accuracy": part.accuracy(received),
            "fine_tuned_accuracy": replace(part, decoder=tune_last_layer(part)).accuracy(received),
        }


def worth(checkpoint: Path, data: DataSet, seed: int) -> dict[str, Any]:
    """One encoder's curve, and new decoders' accuracies with all of its latents."""
    deployed = deploy(checkpoint, data)
    received = deployed.receive()
    anew = {
        f"new_{loss}_accuracy": deployed.new_decoder_accuracy(received, loss, seed)
        for loss in LOSSES
    }
    return {"curve": list(curve(deployed)), "anew": anew}


def tune_last_layer(
    deployed: Deployed, epochs: int = 10, learning_rate: float = 1e-3
) -> FoldedDecoder:
    """The paper's short fine-tuning: ten epochs of cross-entropy for the last dense layer alone.

    The paper's learning rate is 1e-5 after a long training; at these lengths that moves nothing.
    """
    torch.manual_seed(0)
    labels = torch.from_numpy(deployed.data.train.labels)
    *others, last = list(deployed.decoder.rest)
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        parts = torch.from_numpy(deployed.symbols["train"]).float().split(1000)
        features = torch.cat(
            [nn.Sequential(*others).eval()(deployed.decoder.first(part)) for part in parts]
        )
    layer = nn.Linear(last.in_features, last.out_features)
    layer.load_state_dict(last.state_dict())
    optimiser = torch.optim.SGD(layer.parameters(), learning_rate, momentum=0.9)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(128):
            loss = nn.functional.cross_entropy(layer(features[batch]), labels[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return FoldedDecoder(deployed.decoder.first, nn.Sequential(*others, layer)).eval()


def gain(rows: dict[str, list[dict[str, float]]], over: str, kind: str) -> dict[str, float]:
    """DuPHiL's accuracy (of that kind) over another encoder's, in points: mean and half-width of
    its 95 % interval.
    """
    pairs = zip(rows["duphil"], rows[over], strict=True)
    differences = 100 * np.array([one[kind] - other[kind] for one, other in pairs])
    half_width = 0.0
    if len(differences) > 1:
        half_width = (
            stats.t.ppf(0.975, len(differences) - 1)
            * differences.std(ddof=1)
            / np.sqrt(len(differences))
        )
    return {"mean_points": float(differences.mean()), "half_width_points": float(half_width)}


def parser() -> argparse.ArgumentParser:
    return sized_parser()


def main(options: argparse.Namespace) -> None:
    presets, seeds, progress = presets_of(options), seeds_of(options), Progress()
    figures: dict[str, float] = {}
    curves: list[dict] = []
    for name, preset in presets.items():
        data = load(name, options.data_dir)
        whole: dict[str, list[dict[str, float]]] = {encoder: [] for encoder in ENCODERS}
        for seed in seeds:
            for encoder, path in checkpoints(data, preset, seed, options.device).items():
                kept = path.with_name(f"{path.stem}-in-duphil.json")
                measured = progress.measured(kept, partial(worth, path, data, seed))
                curves += [
                    {"data_set": name, "encoder": encoder, "seed": seed, **row}
                    for row in measured["curve"]
                ]
                whole[encoder].append(measured["curve"][0] | measured["anew"])
                print(name, encoder, seed, whole[encoder][-1], flush=True)
        for encoder in ENCODERS:
            figures |= {
                f"{name}_{encoder}_{key}": value for key, value in spread(whole[encoder]).items()
            }
        for other in ("ce", "ce-longer"):
            for kind in ("accuracy", *(f"new_{loss}_accuracy" for loss in LOSSES)):
                over = gain(whole, other, kind)
                figures |= {
                    f"{name}_duphil_over_{other}_{kind}_{key}": value for key, value in over.items()
                }
    chosen = {name: recipe(preset) for name, preset in presets.items()}
    extra = {
        "size": size_of(options),
        "epochs": {name: [each.ce_epochs, each.duphil_epochs] for name, each in chosen.items()},
        "wall_s": progress.wall_s,
        "curves": curves,
    }
    finish("duphil", figures, seeds, extra, plot, n_axes=len(chosen))


def tables(result: dict[str, Any]) -> list[Table]:
    figures = result["figures"]
    names = list(dict.fromkeys(row["data_set"] for row in result["curves"]))
    kinds = ("accuracy", *(f"new_{loss}_accuracy" for loss in LOSSES))
    rows = []
    for name in names:
        for encoder in ENCODERS:
            of = f"{name}_{encoder}"
            bits = [
                f"{figures[f'{of}_{key}_mean']:.1f}"
                for key in ("bytes", "static_bits", "mixture_bits")
            ]
            rows.append(
                [name, encoder, *(percent(figures, f"{of}_{kind}") for kind in kinds), *bits]
            )
        for other in ("ce", "ce-longer"):
            of = f"{name}_duphil_over_{other}"
            gains = [
                (figures[f"{of}_{kind}_mean_points"], figures[f"{of}_{kind}_half_width_points"])
                for kind in kinds
            ]
            rows.append(
                [
                    name,
                    f"duphil − {other}, 95 %",
                    *(f"{mean:+.2f} ± {half:.2f}" for mean, half in gains),
                    *"   ",
                ]
            )
    header = [
        "data set",
        "encoder",
        "its decoder, %",
        "new: CE",
        "new: KL-D",
        "new: SVM",
        "bytes",
        "static bits",
        "bits",
    ]
    return [Table(header, rows)]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    names = list(dict.fromkeys(row["data_set"] for row in result["curves"]))
    for ax, name in zip(axes, names, strict=True):
        for encoder in ENCODERS:
            rows = [
                row
                for row in result["curves"]
                if (row["data_set"], row["encoder"]) == (name, encoder)
            ]
            by_length = [
                [row for row in rows if row["latents"] == n]
                for n in {row["latents"]: 0 for row in rows}
            ]
            accuracy = [
                [100 * row["fine_tuned_accuracy"] for row in points] for points in by_length
            ]
            ax.errorbar(
                [np.mean([row["bytes"] for row in points]) for points in by_length],
                [np.mean(values) for values in accuracy],
                [np.std(values, ddof=1) if len(values) > 1 else 0 for values in accuracy],
                marker="o", capsize=3, label=encoder,
            )  # fmt: skip
        ax.set(title=name, xlabel="bytes per image", ylabel="accuracy, %")
        ax.legend()
