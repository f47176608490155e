"""Universal: questions that nothing of a universal node was fitted to; writes study-universal.json.

Of every set in turn nothing, and nothing that was varied of it, is shown to transform and tables;
it is then the question. Its images go through the int8 backbone, the transform's rounded numbers
through the coder, and of each bitstream, which is cut at 40 bytes, the host has all or the first
20. Half of the images teach a head, as `latentlink teach` does, the other half measures it. Each
seed fits to other four fifths of the other sets' images, and draws other halves. The int8 ranges of
the backbone alone follow from images of all sets.

accuracy                of codes of 20 and 40 bytes; of the same backbone's float features, by the
                        same kind of head; and of ImageNet's label alone, by the best rule
losses                  points that are lost on the way, one step more each time: int8 features,
                        the transform's numbers, those rounded, then cut at 40 and 20 bytes
loss points             what codes are below float features, mean over the sets
10 examples             the same, where the half that teaches holds ten of every class
rivals                  features by a product quantiser of as many bytes, with the same transform;
                        small pictures of usual codecs in 40 bytes on average into the same
                        backbone; first seed
teach_*_s               20 classes of 50 photos, from a folder and from a store: processor
                        seconds of the whole command, which uses one core
ask_100000_s            the same for `latentlink decode --task` of 100,000 stored images
"""

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from export.universal.build import MAX_BYTES, Fitted, fitted
from export.universal.features import STEPS, backbone, reader
from export.universal.pool import Known, Pool
from export.universal.transform import rounded
from host_decoder.teach.head import teach
from host_training.data.batches import to_model_input, to_pixels
from host_training.models.backbone import weights
from link.coder import decode_bulk, latent_coder
from link.output.results import write_result
from tests.studies.command import add_data_dir, add_results, command
from tests.studies.common import RUNS, Progress, Table, draw
from tests.studies.universal.rivals import CODECS, product_quantised, small_pictures
from tests.studies.universal.teaching import times

BUDGETS = (20, 40)
STEPS_ON_THE_WAY = ("int8 features", "transform", "rounded")
SHOTS = 10
BATCH = 50
FITTED_SHARE = 0.8
"How much of the other sets' images each fit sees."


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--photos", type=Path, required=True, help="a folder of class folders")
    top.add_argument("--backbone", type=Path, required=True, help="folder of an int8 backbone")
    top.add_argument("--bundle", type=Path, default=Path("models/universal"), help="that is taught")
    top.add_argument("--images", type=int, default=1000, help="asked of each set (%(default)s)")
    top.add_argument("--fit", type=int, default=4000, help="of each set, to fit to (%(default)s)")
    top.add_argument("--varied", type=int, default=2000, help="of each set (%(default)s)")
    top.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_data_dir(top)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    sets = (str(options.photos), "digits", "cifar10", "cifar100")
    pool = Pool.of(sets, options.data_dir, 0, options.fit, options.varied)
    kept = RUNS / "universal"
    kept.mkdir(parents=True, exist_ok=True)
    asked = asked_of(pool.known, len(sets), options.images)
    backbone = reader(options.backbone)
    int8 = once(kept / f"int8-{len(pool)}.npy", lambda: backbone(pool.images))
    floats = once(kept / f"floats-{len(asked)}.npy", lambda: float_features(pool.images[asked]))
    study = Study(pool, int8, asked, floats)
    figures: dict[str, float] = {}
    per_seed: dict[str, list[float]] = {}
    for place, name in enumerate(pool.sets):
        found = Progress().measured(
            kept / f"{name}.json", partial(study.left_out, place, options.seeds, backbone)
        )
        per_seed |= {f"{name} {what}": values for what, values in found.items()}
        for what, values in found.items():
            figures[f"{name} {what}"] = statistics.mean(values)
            print(f"{name} {what}: {figures[f'{name} {what}']:.4g}", flush=True)
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


@dataclass(frozen=True, eq=False)
class Study:
    """Images and what a backbone makes of them."""

    pool: Pool
    int8: np.ndarray
    "int8 (N, F), of the pool."
    asked: np.ndarray
    "int64 (M,), rows of the pool that are asked about."
    floats: np.ndarray
    "float32 (M, F), of these."

    def left_out(
        self, place: int, seeds: list[int], backbone: Callable[[np.ndarray], np.ndarray]
    ) -> dict[str, Any]:
        """The set at `place` as a question: bytes and accuracies by seed."""
        known = self.pool.known
        own = known.set_of[self.asked] == place
        rows, floats = self.asked[own], self.floats[own]
        _, labels = np.unique(known.labels[rows], return_inverse=True)
        found: dict[str, Any] = defaultdict(list)
        for seed in seeds:
            made, fit = self.fit_without(place, seed)
            symbols = rounded(self.int8[rows], made.rotation)
            whole = [
                latent_coder.encode(row, replace(made.tables, max_bytes=None)) for row in symbols
            ]
            found["bytes uncut"].append(statistics.mean(map(len, whole)))
            found["bytes"].append(statistics.mean(min(len(one), MAX_BYTES) for one in whole))
            numbers = numbers_of(self.int8[rows], made)
            arms = {
                "full features": floats.astype(np.float64),
                "int8 features": self.int8[rows].astype(np.float64),
                "transform": numbers,
                "rounded": symbols.astype(np.float64),
                **{f"{n} bytes": prefix(whole, n, made) for n in BUDGETS},
            }
            for what, accuracy in accuracies(arms, labels, seed):
                found[what].append(accuracy)
            found["label alone"].append(label_alone(floats, labels, seed))
            if seed == seeds[0]:
                images = self.pool.images[rows]
                found |= self.rivals(images, numbers, numbers_of(fit, made), labels, seed, backbone)
        return dict(found)

    def fit_without(self, place: int, seed: int) -> tuple[Fitted, np.ndarray]:
        """A transform and its tables, of all sets but one, and the features that they follow
        from.
        """
        others = np.flatnonzero(self.pool.known.set_of != place)
        drawn = np.random.default_rng(seed).permutation(others)
        rows = np.sort(drawn[: round(FITTED_SHARE * len(others))])
        known = self.pool.known.take(rows)
        return fitted(self.int8[rows], known, self.pool.sets, seed), self.int8[rows]

    def rivals(
        self,
        images: np.ndarray,
        numbers: np.ndarray,
        fit: np.ndarray,
        labels: np.ndarray,
        seed: int,
        backbone: Callable[[np.ndarray], np.ndarray],
    ) -> dict[str, list[float]]:
        """Accuracies of what else the bytes could hold."""
        arms = {
            f"product quantiser {n} bytes": product_quantised(fit, numbers, n, seed)
            for n in BUDGETS
        }
        found: dict[str, list[float]] = {}
        for pictures in small_pictures(images, MAX_BYTES):
            found[f"{pictures.codec}, mean bytes"] = [pictures.mean_bytes]
            arms[pictures.codec] = backbone(pictures.images).astype(np.float64)
        return found | {what: [accuracy] for what, accuracy in accuracies(arms, labels, seed)}


def asked_of(known: Known, n_sets: int, n_images: int) -> np.ndarray:
    """The first images of each set as they are: rows of the pool (M,)."""
    own = [np.flatnonzero((known.set_of == at) & ~known.is_varied) for at in range(n_sets)]
    return np.concatenate([rows[:n_images] for rows in own])


def numbers_of(features: np.ndarray, made: Fitted) -> np.ndarray:
    """The transform's, not rounded: float64 (N, D) of symbols (N, F)."""
    by = made.rotation
    return (features - by.mean.numpy()) @ by.analysis.numpy().T


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


def prefix(bitstreams: list[bytes], n_bytes: int, made: Fitted) -> np.ndarray:
    """What the host knows of images that it has so many bytes of: float64 (N, D)."""
    cut = replace(made.tables, max_bytes=n_bytes)
    latents = decode_bulk([one[:n_bytes] for one in bitstreams], cut)
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
    on_the_way = [
        [
            name,
            *(
                f"{100 * (figures[f'{name} full features'] - figures[f'{name} {step}']):.1f}"
                for step in (*STEPS_ON_THE_WAY, "40 bytes", "20 bytes")
            ),
            f"{figures[f'{name} bytes uncut']:.1f}",
        ]
        for name in sets_of(figures)
    ]
    rivals = [
        [
            name,
            *(share(f"{name} product quantiser {n} bytes") for n in reversed(BUDGETS)),
            *(
                f"{share(f'{name} {codec}')} at {figures[f'{name} {codec}, mean bytes']:.0f} B"
                for codec in CODECS
            ),
        ]
        for name in sets_of(figures)
    ]
    quantisers = [f"product quantiser, {n} B" for n in reversed(BUDGETS)]
    return [
        Table(["question, accuracy in %", *KINDS, *few, "mean bytes"], rows),
        Table(
            ["points lost on the way", *STEPS_ON_THE_WAY, "40 bytes", "20 bytes", "bytes uncut"],
            on_the_way,
        ),
        Table(["rivals, accuracy in %", *quantisers, *CODECS], rivals),
    ]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    figures = result["figures"]
    names = sets_of(figures)
    for at, kind in enumerate(KINDS):
        places = [place + 0.2 * (at - 1.5) for place in range(len(names))]
        axes[0].bar(places, [100 * figures[f"{name} {kind}"] for name in names], 0.2, label=kind)
    axes[0].set_xticks(range(len(names)), names, fontsize="small")
    axes[0].set(ylabel="accuracy, %")
    axes[0].legend(fontsize="small")
