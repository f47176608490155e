"""What the studies share: how large they are, trained checkpoints, and what a checkpoint is worth
when deployed.

A study trains what it needs into runs/study, skips what is finished there, and goes on with what
was interrupted.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor

from export import entropy_model, measure
from export.decoders import networks
from export.decoders.finetune import run
from export.decoders.lessons import Lessons
from export.deployment import DECODER, Symbols, first, symbols_of, write_encoder
from export.encoder import onnx_model
from export.encoder.fold import FoldedDecoder, FoldedEncoder, dense, fold
from export.encoder.symbols import Int8Encoder
from export.pipeline import N_IMAGES_FOR_MEANS
from host_decoder.decode.classifier import Classifier
from host_training.data.dataset import DataSet, with_corrupted_labels
from host_training.presets import recipe
from host_training.training.checkpoint import Checkpoint
from host_training.training.trainer import Trainer
from link.base import durable
from link.bundle.manifest import ENCODER
from link.coder.tables import Tables
from link.output.results import commit, write_result
from tests.studies.command import MistakeError, add_data_dir, command

mpl.use("svg")
# the same figures, the same file
mpl.rcParams |= {"svg.hashsalt": "latentlink", "axes.grid": True, "grid.alpha": 0.3}
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

RUNS, DOCS = Path("runs/study"), Path("docs")
COMPONENTS = 64
"Latent classes of the mixture in studies; a released bundle tries several numbers."


@dataclass(frozen=True)
class Size:
    """How large a study is: the preset of each data set, and the seeds."""

    presets: Mapping[str, str]
    seeds: tuple[int, ...] = (0, 1, 2)


SIZES = {
    "small": Size({"digits": "digits"}, (0, 1, 2, 3, 4)),
    "reduced": Size({"cifar10": "cifar-16-short", "cifar100": "cifar-16-short"}),
    "medium": Size({"cifar10": "cifar-32-quick", "cifar100": "cifar-32-quick"}),
    "full": Size({"cifar10": "cifar-64", "cifar100": "cifar100-64"}),
}
"""small: the embedded digits, minutes; reduced: hours on one core; medium: trained to the end,
minutes of a GPU; full: the paper's models and schedules, a GPU.
"""


def training_parser(sizes: Iterable[str] = SIZES) -> argparse.ArgumentParser:
    """What every study's command takes that trains something."""
    top = argparse.ArgumentParser()
    top.add_argument("--size", choices=sizes, default="reduced")
    top.add_argument("--seeds", type=int, nargs="+", help="default: the size's")
    add_data_dir(top)
    top.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return top


def sized_parser() -> argparse.ArgumentParser:
    """The same of a study that has a size, of which it may take a part."""
    top = training_parser()
    top.add_argument("--datasets", nargs="+", help="default: the size's")
    return top


def presets_of(options: argparse.Namespace) -> dict[str, str]:
    """The presets by data set, of those that were asked for."""
    size = SIZES[options.size]
    if missing := set(options.datasets or ()) - set(size.presets):
        sizes = "; ".join(f"{name}: {', '.join(each.presets)}" for name, each in SIZES.items())
        raise MistakeError(
            f"size {options.size} has no {', '.join(sorted(missing))} (data sets by size: {sizes})"
        )
    return {name: size.presets[name] for name in options.datasets or size.presets}


def seeds_of(options: argparse.Namespace) -> list[int]:
    """Those that were asked for, else the size's."""
    return options.seeds or list(SIZES[options.size].seeds)


def size_of(options: argparse.Namespace) -> str:
    """The size, as results name it: a study of chosen data sets does not take the place of the
    whole one's results.
    """
    return "-".join([options.size, *(options.datasets or ())])


def trained(
    data: DataSet,
    preset: str,
    seed: int,
    device: str = "cpu",
    variant: str = "",
    start_from: Path | None = None,
    teacher: Path | None = None,
    **changes: Any,
) -> Path:
    """The folder of a finished run; trains it, or goes on with it, where it is not finished.

    `changes` are fields of the recipe, and `variant` is what they are called in the folder's name.
    `data` has clean labels: a recipe that corrupts them gets them corrupted.
    """
    chosen = replace(recipe(preset, seed=seed), **changes)
    run = RUNS / "-".join([data.name, preset, *([variant] if variant else []), "seed", f"{seed}"])
    last = run / ("duphil.pt" if chosen.duphil_epochs else "ce.pt")
    if last.exists() and Checkpoint.read(last).latent_order is not None:
        return run
    if chosen.cpu_threads:
        torch.set_num_threads(chosen.cpu_threads)
    if chosen.label_corruption:
        data = with_corrupted_labels(data, chosen.label_corruption, chosen.corruption_seed)
    torch.backends.cudnn.benchmark = True
    Trainer(data, chosen, run, torch.device(device), start_from, teacher).train()
    return run


@dataclass
class Progress:
    """What a study has measured so far: begun again at the same revision, it does not measure that
    again.
    """

    revision: str = field(default_factory=commit)
    started: float = field(default_factory=time.monotonic)
    skipped_s: float = 0.0

    def measured(self, path: Path, measure: Callable[[], Any]) -> Any:
        """What `measure` gives, of JSON's types; `path`, beside the checkpoint it is of, keeps
        it.
        """
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["commit"] == self.revision:
                self.skipped_s += kept["wall_s"]
                return kept["measured"]
        started = time.monotonic()
        kept = {
            "commit": self.revision,
            "measured": measure(),
            "wall_s": time.monotonic() - started,
        }
        if not self.revision.endswith(("-dirty", "unknown")):
            with durable.whole(path) as unfinished:
                unfinished.write_text(json.dumps(kept, allow_nan=False), encoding="utf-8")
        return kept["measured"]

    @property
    def wall_s(self) -> float:
        """Seconds, those of what was measured before included."""
        return time.monotonic() - self.started + self.skipped_s


Halves = tuple[FoldedEncoder, FoldedDecoder]
Change = Callable[[FoldedEncoder, FoldedDecoder, Tensor], Halves]
"Encoder and decoder with all latents, and float latents (n, D) of training images → other halves."


@dataclass(frozen=True, eq=False)
class Deployed:
    """A checkpoint as node and host run it: the int8 encoder's symbols of all images, and the
    decoder for them.
    """

    data: DataSet
    symbols: Symbols
    "In the order in which they are sent."
    decoder: FoldedDecoder
    folder: Path
    cost: measure.Cost

    @cached_property
    def tables(self) -> Tables:
        """The mixture, fitted to the training split."""
        path = self.folder / f"tables-{COMPONENTS}.npz"
        if not path.exists():
            fitted = entropy_model.fit_mixture(
                self.symbols["train"], self.data.train.labels, COMPONENTS
            )
            fitted.quantised().to_npz(path)
        return Tables.from_npz(path)

    @cached_property
    def static_tables(self) -> Tables:
        """The paper's: each latent's histogram."""
        return entropy_model.static_histogram(self.symbols["train"]).quantised()

    @cached_property
    def means(self) -> np.ndarray:
        """float32 (D,): what stands for a latent that is not sent."""
        return self.symbols["train"].mean(0, dtype=np.float64).astype(np.float32)

    def in_order(self, order: Iterable[int], name: str) -> "Deployed":
        """The same encoder with its latents sent in another order, maybe not all of them."""
        order, first_layer = list(order), self.decoder.first
        layer = dense(
            first_layer.weight.detach().T,
            first_layer.bias.detach(),
            order,
            torch.from_numpy(self.means),
        )
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        symbols = {split: values[:, order] for split, values in self.symbols.items()}
        return replace(
            self, symbols=symbols, decoder=FoldedDecoder(layer, self.decoder.rest), folder=folder
        )

    def receive(self, tables: Tables | None = None) -> measure.Coded:
        """All test images through the wire coder with these tables, else the mixture; what the host
        has then.
        """
        return measure.through_coder(self.symbols["test"], tables or self.tables)

    @cached_property
    def classifier(self) -> Classifier:
        """The decoder, run as the host runs it."""
        path = self.folder / DECODER
        onnx_model.write_decoder(self.decoder, self.decoder.first.in_features, path)
        return Classifier(path, self.decoder.first.in_features, len(self.data.classes))

    def accuracy(self, received: measure.Coded) -> float:
        """Share 0…1 of the test images that the decoder, run as the host runs it, gets right."""
        return measure.accuracy(self.classifier(received.symbols), self.data.test.labels)

    def new_decoder_accuracy(self, received: measure.Coded, loss: str, seed: int) -> float:
        """The same of a decoder that learns from scratch on clean labels, with one of
        networks.LOSSES.
        """
        train, validation = self.symbols["train"], self.symbols["validation"]
        labels = self.data.train.labels, self.data.validation.labels
        wanted = labels
        if loss == networks.KL:
            wanted = self._probabilities(train), self._probabilities(validation)
        learnt = networks.learn_classes(
            Lessons(train[None], wanted[0], validation, wanted[1]),
            labels[1],
            len(self.data.classes),
            loss,
            networks.Learning(seed=seed),
        )
        scores = run(learnt, received.symbols).numpy()
        return measure.accuracy(scores, self.data.test.labels)

    def _probabilities(self, symbols: np.ndarray) -> np.ndarray:
        return run(self.decoder, symbols).softmax(1).numpy()


def leading(tables: Tables, n_latents: int) -> Tables:
    """Tables of the first latents: a mixture of products needs no new fit when the last ones go."""
    return Tables.from_cumulative(
        tables.symbol_min[:n_latents], tables.cumulative[:n_latents], tables.prior
    )


def deploy(
    checkpoint: Path, data: DataSet, name: str = "raw", change: Change | None = None
) -> Deployed:
    """Convert a checkpoint's encoder to int8 and let all images through it, once: the result is
    kept beside it.

    All latents are sent as they are and in raw order, unless `change` makes other halves of the
    two; `name` says what.
    """
    model = Checkpoint.read(checkpoint).model
    n_latents = model.config.latents
    encoder, decoder = fold(model, range(n_latents), torch.zeros(n_latents))
    if change is not None:
        latents = measure.float_latents(encoder, first(data.train, N_IMAGES_FOR_MEANS))
        encoder, decoder = change(encoder, decoder, latents)
    folder = checkpoint.parent / f"{checkpoint.stem}-{name}"
    folder.mkdir(exist_ok=True)
    kept = folder / "symbols.npz"
    if not kept.exists():
        write_encoder(encoder, data, folder)
        symbols = symbols_of(data, Int8Encoder(folder / ENCODER, encoder.image))
        with durable.whole(kept) as unfinished, unfinished.open("wb") as file:
            np.savez(file, **symbols)  # type: ignore[arg-type]
    with np.load(kept) as stored:
        return Deployed(data, dict(stored), decoder, folder, measure.encoder_cost(encoder))


def spread(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Mean and, of several seeds, standard deviation of each figure."""
    rows = list(rows)
    figures: dict[str, float] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        figures[f"{name}_mean"] = statistics.mean(values)
        if len(values) > 1:
            figures[f"{name}_stdev"] = statistics.stdev(values)
    return figures


@dataclass(frozen=True)
class Table:
    """A header row and rows of cells, for the report."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def number(figures: Mapping[str, float], name: str, form: str, scale: float = 1.0) -> str:
    """A figure's mean, and its deviation where it has one."""
    parts = [
        f"{scale * figures[key]:{form}}"
        for key in (f"{name}_mean", f"{name}_stdev")
        if key in figures
    ]
    return " ± ".join(parts)


def percent(figures: Mapping[str, float], name: str) -> str:
    """The same of a share, as a percentage."""
    return number(figures, name, ".2f", 100)


Plot = Callable[[dict[str, Any], list[Axes]], None]
"Draws a results file's content onto that many axes, side by side."


def draw(result: dict[str, Any], plot: Plot, n_axes: int) -> Path:
    """docs/STUDY.svg of a results file's content."""
    figure, axes = plt.subplots(
        1, n_axes, figsize=(4.8 * n_axes, 3.6), layout="constrained", squeeze=False
    )
    plot(result, list(axes[0]))
    path = DOCS / f"{result['study']}.svg"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def finish(
    name: str,
    figures: Mapping[str, float],
    seeds: Iterable[int],
    extra: Mapping[str, Any],
    plot: Plot,
    n_axes: int,
) -> None:
    """Write results/study-NAME.json and docs/study-NAME.svg, or -NAME-SIZE where `extra` says the
    size.
    """
    study = "-".join(["study", name, *([extra["size"]] if "size" in extra else [])])
    path = write_result(study, figures, command=command(), seeds=list(seeds), extra=extra)
    print(path, draw(json.loads(path.read_text()), plot, n_axes))
