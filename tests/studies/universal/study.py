"""Universal: questions that nothing of a universal node was fitted to; writes study-universal.json.

Of every set in turn nothing is shown to transform and tables; it is then the question. Its images
go through the int8 backbone, the transform's rounded numbers through the coder, and of each
bitstream the host has the first 20 or 40 bytes. Half of the images teach a head, as `latentlink
teach` does, the other half measures it. A transform is fitted once for each set; seeds draw the
halves. The int8 ranges of the backbone alone follow from images of all sets.

accuracy                of codes of 20 and 40 bytes; of the same backbone's float features, by the
                        same kind of head; and of ImageNet's label alone, by the best rule
loss points             what codes are below float features, mean over the sets
10 examples             the same, where the half that teaches holds ten of every class
teach_*_s               20 classes of 50 photos, from a folder and from a store: processor
                        seconds of the whole command, which uses one core
ask_100000_s            the same for `latentlink decode --task` of 100,000 stored images
"""

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from export.universal.build import Fitted, fitted
from export.universal.features import STEPS, backbone, reader
from export.universal.pool import Pool
from export.universal.transform import rounded
from host_decoder.teach.head import teach
from host_training.data.batches import to_model_input, to_pixels
from host_training.models.backbone import weights
from link.coder import decode_bulk, latent_coder
from link.output.results import write_result
from tests.studies.command import add_data_dir, add_results, command
from tests.studies.common import RUNS, Progress, Table, draw
from tests.studies.universal.teaching import times

BUDGETS = (20, 40)
SHOTS = 10
BATCH = 50


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--photos", type=Path, required=True, help="a folder of class folders")
    top.add_argument("--backbone", type=Path, required=True, help="folder of an int8 backbone")
    top.add_argument("--bundle", type=Path, default=Path("models/universal"), help="that is taught")
    top.add_argument("--images", type=int, default=1000, help="from each set (%(default)s)")
    top.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_data_dir(top)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    sets = (str(options.photos), "digits", "cifar10", "cifar100")
    pool = Pool.of(sets, options.data_dir, 0, options.images)
    kept = RUNS / "universal"
    kept.mkdir(parents=True, exist_ok=True)
    int8 = once(kept / f"int8-{len(pool)}.npy", lambda: reader(options.backbone)(pool.images))
    floats = once(kept / f"floats-{len(pool)}.npy", lambda: float_features(pool.images))
    figures: dict[str, float] = {}
    per_seed: dict[str, list[float]] = {}
    for place, name in enumerate(pool.sets):
        found = Progress().measured(
            kept / f"{name}.json", partial(left_out, pool, int8, floats, place, options.seeds)
        )
        figures[f"{name} bytes"] = found.pop("bytes")
        per_seed |= {f"{name} {what}": values for what, values in found.items()}
        for what, values in found.items():
            figures[f"{name} {what}"] = statistics.mean(values)
            print(f"{name} {what}: {figures[f'{name} {what}']:.1%}", flush=True)
    figures |= losses(pool.sets, figures)
    for name in ("loss_points_20_bytes", "loss_points_40_bytes"):
        print(f"{name}: {figures[name]:.1f}")
    figures |= times(options.bundle, options.photos)
    path = write_result(
        "study-universal",
        figures,
        command=command(),
        seeds=options.seeds,
        extra={"per_seed": dict(per_seed)},
        folder=options.results,
    )
    print(path, draw(json.loads(path.read_text()), plot, 1))


def left_out(
    pool: Pool, int8: np.ndarray, floats: np.ndarray, place: int, seeds: list[int]
) -> dict[str, Any]:
    """The set at `place` as a question: mean bytes of whole codes, and accuracies by seed."""
    own = pool.set_of == place
    made = fit_without(pool, int8, place)
    bitstreams = [
        latent_coder.encode(row, made.tables) for row in rounded(int8[own], made.rotation)
    ]
    heard = {f"{n} bytes": prefix(bitstreams, n, made) for n in BUDGETS}
    arms = {"full features": floats[own].astype(np.float64), **heard}
    _, labels = np.unique(pool.labels[own], return_inverse=True)
    found: dict[str, Any] = defaultdict(list)
    for seed in seeds:
        for what, accuracy in accuracies(arms, labels, seed):
            found[what].append(accuracy)
        found["label alone"].append(label_alone(floats[own], labels, seed))
    return {**found, "bytes": statistics.mean(map(len, bitstreams))}


def once(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array that is kept: features take most of the time."""
    if not path.is_file():
        np.save(path, make())
    return np.load(path)


@torch.no_grad()
def float_features(images: np.ndarray) -> np.ndarray:
    """The float backbone's, in the int8 one's steps: float32 (N, F)."""
    network = backbone()
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    return np.concatenate([network(to_model_input(to_pixels(part), 0)).numpy() for part in parts])


def fit_without(pool: Pool, int8: np.ndarray, place: int) -> Fitted:
    """A transform and its tables, of all sets but one."""
    others = pool.set_of != place
    return fitted(int8[others], pool.labels[others], pool.set_of[others], pool.sets, 0)


def prefix(bitstreams: list[bytes], n_bytes: int, made: Fitted) -> np.ndarray:
    """What the host knows of images that it has so many bytes of: float64 (N, D)."""
    complete = [len(one) <= n_bytes for one in bitstreams]
    latents = decode_bulk([one[:n_bytes] for one in bitstreams], made.tables, complete)
    return latents.symbols.astype(np.float64)


def halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """To learn from and to measure on: of each class a half."""
    rng = np.random.default_rng(seed)
    parts = [
        np.array_split(rng.permutation(np.flatnonzero(labels == k)), 2) for k in np.unique(labels)
    ]
    return np.concatenate([one for one, _ in parts]), np.concatenate([two for _, two in parts])


def accuracies(
    arms: dict[str, np.ndarray], labels: np.ndarray, seed: int
) -> Iterator[tuple[str, float]]:
    """Name and accuracy of every arm, from all of the half and from a few examples of a class."""
    learn, test = halves(labels, seed)
    n_classes = int(labels.max()) + 1
    few = np.concatenate([learn[labels[learn] == k][:SHOTS] for k in range(n_classes)])
    learned = [(learn, "")]
    if len(few) == n_classes * SHOTS:
        learned.append((few, f" {SHOTS} examples"))
    for name, known in arms.items():
        for rows, words in learned:
            head = teach(known[rows], labels[rows], n_classes, seed).head
            probabilities, _ = head(known[test])
            yield f"{name}{words}", float((probabilities.argmax(1) == labels[test]).mean())


def label_alone(floats: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """A node that sends ImageNet's label, and a host that has learned what each one mostly is."""
    saved = weights.read_file()
    head = [saved[f"{weights.CLASSIFIER}.{part}"].double().numpy() for part in ("weight", "bias")]
    said = ((floats + 128.0) / STEPS @ head[0].T + head[1]).argmax(1)
    learn, test = halves(labels, seed)
    counts = np.zeros((len(head[1]), int(labels.max()) + 1))
    np.add.at(counts, (said[learn], labels[learn]), 1)
    return float((counts[said[test]].argmax(1) == labels[test]).mean())


def losses(sets: tuple[str, ...], figures: dict[str, float]) -> dict[str, float]:
    """Points below float features, mean over the sets."""
    found = {}
    for words, end in (("", ""), (f" {SHOTS} examples", f"_{SHOTS}_examples")):
        for n in BUDGETS:
            found[f"loss_points_{n}_bytes{end}"] = statistics.mean(
                100
                * (figures[f"{name} full features{words}"] - figures[f"{name} {n} bytes{words}"])
                for name in sets
                if f"{name} full features{words}" in figures
            )
    return found


def sets_of(figures: dict[str, float]) -> list[str]:
    return [name.removesuffix(" label alone") for name in figures if name.endswith(" label alone")]


KINDS = ("full features", "40 bytes", "20 bytes", "label alone")


def tables(result: dict[str, Any]) -> list[Table]:
    figures = result["figures"]

    def share(name: str) -> str:
        return f"{100 * figures[name]:.1f}" if name in figures else ""

    rows = [
        [
            name,
            *(
                share(f"{name} {kind}{words}")
                for words in ("", f" {SHOTS} examples")
                for kind in KINDS
            ),
            f"{figures[f'{name} bytes']:.1f}",
        ]
        for name in sets_of(figures)
    ]
    few = [f"{kind}, {SHOTS} of a class" for kind in KINDS]
    return [Table(["question, accuracy in %", *KINDS, *few, "bytes of the whole"], rows)]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    figures = result["figures"]
    names = sets_of(figures)
    for at, kind in enumerate(KINDS):
        places = [place + 0.2 * (at - 1.5) for place in range(len(names))]
        axes[0].bar(places, [100 * figures[f"{name} {kind}"] for name in names], 0.2, label=kind)
    axes[0].set_xticks(range(len(names)), names, fontsize="small")
    axes[0].set(ylabel="accuracy, %")
    axes[0].legend(fontsize="small")
