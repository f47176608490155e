"""NAIR: the order of a finished model's latents, and what a lost tail then costs (NAIR).

One model per seed, trained end to end without a thought of loss. Its latents are sent raw, in
random order, by falling variance, by falling discriminative power; or rotated, by principal
components or by importance. Against them: a model retrained with stochastic tail-drop. Channels:
bitstreams cut after a share of their bytes, coded by the mixture, which guesses what is missing
from what is there, or by static histograms, which take the mean for it; and frames, each coded on
its own, lost independently or in bursts.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from export import measure
from export.encoder.fold import FoldedDecoder, FoldedEncoder
from export.encoder.importance import fold_rotation, rotation, sensitivity
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.presets import recipe
from host_training.training.evaluation import latent_order
from link.coder import latent_coder
from link.coder.bulk import decode_bulk
from link.coder.tables import Tables
from link.emulator.channel import GilbertElliott, IidLoss, LossModel
from tests.studies.common import (
    Deployed,
    Halves,
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

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
"Shares of an image's bytes that arrive."
RAW_SHARES = (0.25, 0.5)
"Shares of the bytes that the same image has in raw order: as many for every order."
N_FRAMES = 4
LOSSES = (0.1, 0.25, 0.5)
MEAN_BURST = 4
MIN_KEPT = 0.1
"The least share of the retrained model's latents in training."


def by_importance(encoder: FoldedEncoder, decoder: FoldedDecoder, latents: Tensor) -> Halves:
    rotated = rotation(latents, sensitivity(decoder, latents))
    return fold_rotation(encoder, decoder, rotated.leading(rotated.n_useful))


def by_principal_components(
    encoder: FoldedEncoder, decoder: FoldedDecoder, latents: Tensor
) -> Halves:
    return fold_rotation(encoder, decoder, rotation(latents, torch.eye(latents.shape[1])))


ORDERS: dict[str, Callable[[Deployed], np.ndarray]] = {
    "random": lambda raw: np.random.default_rng(0).permutation(len(raw.means)),
    "variance": lambda raw: np.argsort(-raw.symbols["train"].astype(float).var(0), kind="stable"),
    "discriminative": lambda raw: latent_order(raw.symbols["train"], raw.data.train.labels),
}
ROTATIONS = {
    "principal components": ("pca", by_principal_components),
    "importance": ("importance", by_importance),
}
RETRAINED = "tail-drop, retrained"


class Host:
    """A decoder and how it completes what is missing: by the mixture's expectation, or by 0 as it
    was trained to.
    """

    def __init__(self, deployed: Deployed, fills_with_zero: bool) -> None:
        self.deployed = deployed
        self.fills_with_zero = fills_with_zero
        self.decoder = deployed.classifier

    def accuracy(self, symbols: np.ndarray, is_known: np.ndarray) -> float:
        """The accuracy on the test images; symbols float32 (N, D), completed where they are not
        known, bool (N, D).
        """
        if self.fills_with_zero:
            symbols = np.where(is_known, symbols, np.float32(0))
        return measure.accuracy(self.decoder(symbols), self.deployed.data.test.labels)


def lengths(checkpoint: Path, data: DataSet) -> dict[str, list[int]]:
    """Bytes of each test image in raw order, by the prefix of the tables' figures."""
    raw = deploy(checkpoint, data)
    return {
        prefix: [len(latent_coder.encode(image, tables)) for image in raw.symbols["test"]]
        for prefix, tables in (("", raw.tables), ("static_", raw.static_tables))
    }


def cut(host: Host, tables: Tables, raw_lengths: list[int], prefix: str = "") -> dict[str, float]:
    """Bytes per image with these tables, and accuracy after each share of an image's bytes, its own
    or the raw ones.
    """
    deployed = host.deployed
    bitstreams = [latent_coder.encode(image, tables) for image in deployed.symbols["test"]]

    def accuracy_after(n_bytes: list[int]) -> float:
        prefixes = [bitstream[:n] for bitstream, n in zip(bitstreams, n_bytes, strict=True)]
        whole = [
            len(prefix) == len(bitstream)
            for prefix, bitstream in zip(prefixes, bitstreams, strict=True)
        ]
        latents = decode_bulk(prefixes, tables, whole)
        is_known = np.arange(latents.symbols.shape[1]) < latents.n_known[:, None]
        return host.accuracy(latents.symbols, is_known)

    own_lengths = [len(bitstream) for bitstream in bitstreams]
    figures = {f"{prefix}bytes": sum(own_lengths) / len(bitstreams)}
    for share in SHARES:
        figures[f"{prefix}cut_{share:g}"] = accuracy_after([round(share * n) for n in own_lengths])
    for share in RAW_SHARES:
        figures[f"{prefix}raw_bytes_{share:g}"] = accuracy_after(
            [round(share * n) for n in raw_lengths]
        )
    return figures


def frames_lost(host: Host, seed: int) -> dict[str, float]:
    """Accuracy when an image's frames, each with a coder of its own, are lost independently or in
    bursts.
    """
    deployed = host.deployed
    test = deployed.symbols["test"]
    parts = np.array_split(np.arange(test.shape[1]), N_FRAMES)
    n_bytes = sum(
        len(latent_coder.encode(image[part], only(deployed.tables, part)))
        for part in parts
        for image in test
    )
    figures = {"frames_bytes": n_bytes / len(test)}
    for loss in LOSSES:
        models: dict[str, LossModel] = {
            "independent": IidLoss(loss),
            "bursts": GilbertElliott.with_burst(loss, MEAN_BURST),
        }
        for name, model in models.items():
            losses = model.losses(Random(seed))
            arrived = np.array([[not next(losses) for _ in parts] for _ in test])
            is_known = np.repeat(arrived, [len(part) for part in parts], axis=1)
            figures[f"{name}_{loss:g}"] = host.accuracy(
                complete(test, is_known, deployed.tables), is_known
            )
    return figures


def only(tables: Tables, latents: np.ndarray) -> Tables:
    """Tables of some of the latents, the weights at their prior: what a frame with its own coder
    needs.
    """
    return Tables.from_cumulative(
        tables.symbol_min[latents], [tables.cumulative[d] for d in latents], tables.prior
    )


def complete(symbols: np.ndarray, is_known: np.ndarray, tables: Tables) -> np.ndarray:
    """Known symbols, and expectations given them for the others: float32 (N, D) of integers (N, D),
    bool (N, D).
    """
    probabilities = [np.diff(counts, axis=0) / counts[-1] for counts in tables.cumulative]
    log_weights = np.tile(np.log(tables.prior / tables.prior.sum()), (len(symbols), 1))
    for d, table in enumerate(probabilities):
        index = np.clip(symbols[:, d].astype(int) - tables.symbol_min[d], 0, len(table) - 1)
        log_weights += is_known[:, d, None] * np.log(table[index])
    weights = np.exp(log_weights - log_weights.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    means = np.stack(
        [
            tables.symbol_min[d] + np.arange(len(table)) @ table
            for d, table in enumerate(probabilities)
        ],
        1,
    )
    return np.where(is_known, symbols, weights @ means).astype(np.float32)


def channels(
    checkpoint: Path, data: DataSet, order: str, seed: int, raw_lengths: dict[str, list[int]]
) -> dict[str, float]:
    """What a model, its latents sent in that order, is worth on every channel."""
    deployed = deploy(checkpoint, data, *ROTATIONS.get(order, ()))
    if order in ORDERS:
        deployed = deployed.in_order(ORDERS[order](deployed), order)
    host = Host(deployed, fills_with_zero=order == RETRAINED)
    return {
        **cut(host, deployed.tables, raw_lengths[""]),
        **cut(host, deployed.static_tables, raw_lengths["static_"], "static_"),
        **frames_lost(host, seed),
    }


def parser() -> argparse.ArgumentParser:
    return sized_parser()


def main(options: argparse.Namespace) -> None:
    presets, seeds, progress = presets_of(options), seeds_of(options), Progress()
    figures: dict[str, float] = {}
    rows: list[dict] = []
    for name, preset in presets.items():
        data = load(name, options.data_dir)
        dropping = replace(recipe(preset).model, min_kept=MIN_KEPT)
        by_order: dict[str, list[dict[str, float]]] = {}
        for seed in seeds:
            finished = trained(data, preset, seed, options.device)
            retrained = trained(
                data, preset, seed, options.device, "tail-drop", model=dropping, duphil_epochs=0
            )
            raw_lengths = progress.measured(
                finished / "ce-raw-lengths.json", partial(lengths, finished / "ce.pt", data)
            )
            for order in ("raw", *ORDERS, *ROTATIONS, RETRAINED):
                run = retrained if order == RETRAINED else finished
                kept = run / f"ce-{order}-in-nair.json"
                row = progress.measured(
                    kept, partial(channels, run / "ce.pt", data, order, seed, raw_lengths)
                )
                by_order.setdefault(order, []).append(row)
                rows.append({"data_set": name, "order": order, "seed": seed, **row})
                print(
                    name,
                    order,
                    seed,
                    {key: round(value, 4) for key, value in row.items()},
                    flush=True,
                )
        for order, measured in by_order.items():
            figures |= {f"{name} {order} {key}": value for key, value in spread(measured).items()}
    extra = {"size": size_of(options), "wall_s": progress.wall_s, "rows": rows}
    finish("nair", figures, seeds, extra, plot, n_axes=3)


def tables(result: dict[str, Any]) -> list[Table]:
    pairs = dict.fromkeys((row["data_set"], row["order"]) for row in result["rows"])
    figures = result["figures"]

    def table(bytes_key: str, keys: dict[str, str]) -> Table:
        rows = [
            [name, order, f"{figures[f'{name} {order} {bytes_key}_mean']:.1f}"]
            + [percent(figures, f"{name} {order} {key}") for key in keys]
            for name, order in pairs
        ]
        return Table(["data set", "order", "bytes", *keys.values()], rows)

    lost = {"independent": "lost", "bursts": "lost in bursts"}
    return [
        *(
            table(
                f"{prefix}bytes",
                {f"{prefix}cut_{x:g}": f"{coder}, {x:.0%} of its bytes" for x in SHARES}
                | {
                    f"{prefix}raw_bytes_{x:g}": f"{x:.0%} of the raw order's bytes"
                    for x in RAW_SHARES
                },
            )
            for prefix, coder in (("", "mixture"), ("static_", "static"))
        ),
        table(
            "frames_bytes",
            {f"{kind}_{x:g}": f"{x:.0%} {how}" for kind, how in lost.items() for x in LOSSES},
        ),
    ]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    rows = [row for row in result["rows"] if row["data_set"] == result["rows"][0]["data_set"]]
    kinds = (("cut", "bytes", "the mixture"), ("static_cut", "static_bytes", "static histograms"))
    for order in dict.fromkeys(row["order"] for row in rows):
        mine = [row for row in rows if row["order"] == order]
        for ax, (prefix, n_bytes, _) in zip(axes, kinds, strict=False):
            mean_bytes = np.mean([row[n_bytes] for row in mine])
            accuracy = [100 * np.mean([row[f"{prefix}_{x:g}"] for row in mine]) for x in SHARES]
            ax.plot([x * mean_bytes for x in SHARES], accuracy, "o-", label=order)
        axes[2].plot(
            LOSSES,
            [100 * np.mean([row[f"bursts_{x:g}"] for row in mine]) for x in LOSSES],
            "o-",
            label=order,
        )
    for ax, (*_, title) in zip(axes, kinds, strict=False):
        ax.set(xlabel="bytes that arrived", ylabel="accuracy, %", title=f"cut bitstreams, {title}")
    axes[2].set(xlabel="share of frames lost, in bursts", title=f"{N_FRAMES} frames an image")
    axes[0].legend(fontsize="small")
