"""Rivals: honest rivals on CIFAR-10's test images, per image and through real bytes.

Parts: `coders`, the bundle's symbols by other coders, Huffman codes as in PNC among them; `prior`,
those symbols by CompressAI's factorised prior; `label`, the bundle's encoder and decoder both on
the node, which sends the label; `codecs`, JPEG, WebP, JPEG 2000 and AVIF without their headers,
classified by a network trained on such images; `learned`, a bottleneck trained with the factorised
prior's rate on a frozen backbone; `classifier`, a network of the node's size trained for the label
alone. Networks start from the checkpoint of PRESET, which `make train DATASET=cifar10 PRESET=…`
trains. What a part measured is kept in runs/study/rivals, so parts may be run one by one; the
results say which are missing.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from export import entropy_model
from export.encoder.fold import fold
from export.encoder.symbols import Int8Encoder
from export.measure import encoder_cost
from host_decoder.decode.classifier import Classifier
from host_training.data.batches import evaluation_batches
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet, Split
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import recipe
from host_training.training.trainer import load_model
from link.base import durable
from link.bundle.bundle import Bundle
from link.coder.tables import Tables
from tests.studies import coded_images, factorised_prior, goals
from tests.studies.common import RUNS, Table, finish, trained, training_parser
from tests.studies.factorised_prior import (
    LearnedBottleneck,
    MissingError,
    backbone_features,
    outside,
)
from tests.studies.image_codecs import SETTINGS
from tests.studies.symbol_codecs import (
    Deflate,
    PrefixCoder,
    RangeCoder,
    Raw,
    SymbolCoder,
    Zstandard,
)

FOLDER = RUNS / "rivals"
JPEG_COPIES = (
    "170 of the 60,000 CIFAR-10 images measured here, 32 of them in the test split, are JPEG "
    "copies of the originals"
)
LABEL_WINS = (
    "A label takes at most a byte and is as accurate as the bundle: on a node that can "
    "afford the decoder, and for a "
    "task that never changes, it wins this picture. Latents are for what the host wants to "
    "learn later."
)
OURS, OUR_CODER = "mixture tables, range coder (ours)", ", our coder"
BUNDLES = [Path("models/cifar10"), Path("models/cifar10-wide")]
PRICES = (3e-4, 1e-3, 3e-3, 1e-2)
"Of a bit, in nats of cross-entropy."
BRIEF = dict(duphil_epochs=0, optimiser="sgd", learning_rate=0.02)
"Training that goes on with a trained network."


@dataclass(frozen=True)
class Point:
    """One rival in the picture of accuracy against bytes."""

    name: str
    group: str
    bytes_per_image: float
    accuracy: float
    node_macs: int
    note: str = ""
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Study:
    """What all parts look at."""

    bundle: Bundle
    data: DataSet
    preset: str
    checkpoint: Path
    epochs: int
    n_images: int
    seed: int

    @cached_property
    def symbols(self) -> dict[str, np.ndarray]:
        """int8 (N, D) of the training and the test split, by the bundle's encoder."""
        path = FOLDER / f"symbols-{self.bundle.id.hex()}.npz"
        if not path.exists():
            encode = Int8Encoder(self.bundle.encoder_path, self.bundle.image)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, train=encode(self.data.train.images), test=encode(self.data.test.images))
        with np.load(path) as file:
            return dict(file)

    @property
    def codec_images(self) -> Split:
        return self.data.test.subset(np.arange(self.n_images))

    @cached_property
    def classify(self) -> Callable[[np.ndarray], np.ndarray]:
        """Symbols (N, D) to the class of each, by the bundle's decoder."""
        classifier = Classifier.of(self.bundle)
        return lambda symbols: classifier(symbols.astype(np.float32)).argmax(1)

    @cached_property
    def encoder_macs(self) -> int:
        views = int(self.bundle.provenance.get("views", 1))
        return views * encoder_macs(network(self.bundle_preset, self.data, self.bundle.n_latents))

    @property
    def bundle_preset(self) -> str:
        return str(self.bundle.provenance["preset"])

    @cached_property
    def model(self) -> AutoEncoder:
        """The float network whose weights the rivals begin with."""
        if not self.checkpoint.exists():
            raise MissingError(
                f"there is no checkpoint {self.checkpoint}: make train DATASET=cifar10 "
                f"PRESET={self.preset}"
            )
        return load_model(self.checkpoint)[0]

    @cached_property
    def features(self) -> dict[str, np.ndarray]:
        """float32 (N, hidden) of the training and the test split: what its last dense layer is
        given.
        """
        path = FOLDER / f"features-{self.inputs['checkpoint_sha256']}.npz"
        if not path.exists():
            splits = {"train": self.data.train, "test": self.data.test}
            features = {
                name: backbone_features(self.model, split).numpy() for name, split in splits.items()
            }
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **features)  # type: ignore[arg-type]
        with np.load(path) as file:
            return dict(file)

    def train_on(self, data: DataSet, variant: str, epochs: int) -> AutoEncoder:
        """That network, trained further without a bottleneck."""
        _ = self.model
        changes: dict[str, Any] = BRIEF | dict(
            model=replace(recipe(self.preset).model, noise_half_width=0.0), ce_epochs=epochs
        )
        run = trained(
            data, self.preset, self.seed, variant=variant, start_from=self.checkpoint, **changes
        )
        return load_model(run / "ce.pt")[0]

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What a part's figures depend on."""
        checkpoint = (
            hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()
            if self.checkpoint.exists()
            else None
        )
        return {
            "bundle": self.bundle.id.hex(),
            "checkpoint_sha256": checkpoint,
            "epochs": self.epochs,
            "images": self.n_images,
            "seed": self.seed,
        }


def accuracy(classes: np.ndarray, split: Split) -> float:
    return float((classes == split.labels).mean())


@torch.no_grad()
def classes_of(model: AutoEncoder, split: Split) -> np.ndarray:
    """int64 (N,): the whole float network, nothing rounded in the middle."""
    batches = evaluation_batches(split, 500, torch.device("cpu"), model.config.pixel_pad)
    return torch.cat(
        [model.decoder(model.encoder(images)).argmax(1) for images, _ in batches]
    ).numpy()


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


# coders


def coders(study: Study) -> Iterator[Point]:
    """The same int8 symbols, so the same accuracy, in as many bytes as each coder makes of them."""
    train, test = study.symbols["train"], study.symbols["test"]
    static = entropy_model.static_histogram(train).quantised()
    huffman = PrefixCoder.huffman(train)
    rivals: dict[str, tuple[SymbolCoder, str]] = {
        OURS: (RangeCoder(study.bundle.tables), "the bundle as it is"),
        "static histograms, range coder": (RangeCoder(static), "the paper's tables, our coder"),
        "Huffman, a code per latent": (huffman, "as in PNC; the last byte filled"),
        "fixed length, bits per latent": (
            PrefixCoder.fixed(train),
            "as many bits as the latent's alphabet needs",
        ),
        "Deflate with a dictionary": (
            Deflate.of(train),
            "zlib level 9, raw, window of training symbols",
        ),
        "raw int8": (Raw(), "a byte per symbol"),
    }
    try:
        rivals["Zstandard with a dictionary"] = (
            Zstandard(outside("zstandard"), train),
            "trained dictionary, no header",
        )
    except MissingError as error:
        print(error)
    for name, (coder, note) in rivals.items():
        coded = [coder.encode(symbols) for symbols in test]
        decoded = coder.decode(coded)
        more = {"images_with_a_clamped_symbol": float((decoded != test).any(1).mean())}
        if coder is huffman:
            more["bits_before_filling"] = float(
                np.mean([huffman.bits(symbols) for symbols in test])
            )
        hits = accuracy(study.classify(decoded), study.data.test)
        yield Point(
            name,
            "coders",
            float(np.mean([len(each) for each in coded])),
            hits,
            study.encoder_macs,
            note,
            more,
        )


# prior


def prior(study: Study) -> Iterator[Point]:
    """CompressAI's EntropyBottleneck, fitted to the bundle's symbols."""
    coded = factorised_prior.same_symbols(
        study.symbols["train"], study.symbols["test"], seed=study.seed
    )
    hits = accuracy(study.classify(coded.latents), study.data.test)
    yield from two_ways(
        "factorised prior, the bundle's symbols", coded.figures(), hits, study.encoder_macs
    )


def learned(study: Study) -> Iterator[Point]:
    """The same, trained with the last dense layer and the decoder at several prices of a bit; in
    floats.
    """
    train, test = study.data.train, study.data.test
    features = {split: torch.from_numpy(study.features[split]) for split in ("train", "test")}
    for price in PRICES:
        bottleneck = LearnedBottleneck(study.model)
        bottleneck.fit(features["train"], torch.from_numpy(train.labels), price, seed=study.seed)
        figures = bottleneck.measure(features["test"], test.labels)
        name = f"factorised prior, learned at {price:g} a bit"
        yield from two_ways(name, figures, figures["accuracy"], encoder_macs(study.model))


def two_ways(name: str, figures: dict[str, float], hits: float, macs: int) -> Iterator[Point]:
    """The same probabilities through two coders."""
    yield Point(
        name, "prior", figures["bytes"], hits, macs, "CompressAI's own coder, in 32-bit words"
    )
    yield Point(
        f"{name}{OUR_CODER}",
        "prior",
        figures["shortest_bytes"],
        hits,
        macs,
        "ended at the shortest string",
    )


# label


def label(study: Study) -> Iterator[Point]:
    """The bundle's two halves on the node."""
    macs = study.encoder_macs + decoder_macs(
        network(study.bundle_preset, study.data, study.bundle.n_latents)
    )
    classes = study.classify(study.symbols["test"])
    yield sent_label(
        "label only, the bundle's two halves", study, classes, macs, "int8 encoder, float decoder"
    )


def classifier(study: Study) -> Iterator[Point]:
    """The same encoder and a decoder of two dense layers, trained on without a bottleneck."""
    model = study.train_on(study.data, "no-bottleneck", 1)
    macs = encoder_macs(model) + decoder_macs(model)
    note = (
        f"{study.preset}, trained on for an epoch without noise; in floats, int8 may lose a little"
    )
    yield sent_label(
        "label only, trained for it", study, classes_of(model, study.data.test), macs, note
    )


def sent_label(name: str, study: Study, classes: np.ndarray, macs: int, note: str) -> Point:
    """Classes (N,) through the wire coder, each by itself: a byte, or none where the coder's
    shortest end has none.
    """
    coder = RangeCoder(Tables.from_counts([0], [np.bincount(study.data.train.labels)]))
    coded = [coder.encode(np.array([each])) for each in classes]
    decoded = coder.decode(coded)[:, 0]
    n_bytes = np.array([len(each) for each in coded])
    more = {"most_bytes": float(n_bytes.max())}
    return Point(
        name, "label", float(n_bytes.mean()), accuracy(decoded, study.data.test), macs, note, more
    )


def multiply_accumulates(module: nn.Module, example: Tensor) -> int:
    """Of one example (1, …) through all convolutions and dense layers."""
    macs = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        each = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs += each.numel() * layer.weight[0].numel()

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [
        layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, kinds)
    ]
    with torch.no_grad():
        module.eval()(example)
    for hook in hooks:
        hook.remove()
    return macs


def network(preset: str, data: DataSet, n_latents: int) -> AutoEncoder:
    """A preset's network with random weights, to count in; a bundle may send fewer latents than
    it.
    """
    architecture = replace(recipe(preset).model, latents=n_latents)
    return AutoEncoder(ModelConfig.of(architecture, data.image_shape, len(data.classes)))


def decoder_macs(model: AutoEncoder) -> int:
    return multiply_accumulates(model.decoder, torch.zeros(1, model.config.latents))


def encoder_macs(model: AutoEncoder) -> int:
    """As deployed: the wavelet transform is folded into the first convolution."""
    deployed, _ = fold(model.eval(), range(model.config.latents), torch.zeros(model.config.latents))
    return encoder_cost(deployed).macs


# codecs


def codecs(study: Study) -> Iterator[Point]:
    """Image codecs at few bytes; the whole network is on the host."""
    mixed = coded_images.mixed(study.data, SETTINGS, study.epochs, FOLDER, study.seed)
    model = study.train_on(mixed, f"codecs-{study.epochs}", 1)
    test = study.codec_images
    for setting in SETTINGS:
        coded = coded_images.coded(test.images, setting, FOLDER)
        split = Split(coded_images.enlarge(coded.images), test.labels)
        hits = accuracy(classes_of(model, split), split)
        note = (
            f"one network for all codecs, {study.epochs} epochs on such images; more would give "
            "it more"
        )
        n_bytes = float(coded.n_bytes.mean())
        yield Point(
            setting.name,
            setting.codec,
            n_bytes,
            hits,
            0,
            note,
            {"most_bytes": float(coded.n_bytes.max())},
        )


def codec_bytes(n_images: int) -> dict[str, float]:
    """Mean bytes of the settings that have been coded so far, classified or not."""
    sizes = {}
    for setting in SETTINGS:
        if (path := FOLDER / f"{setting.name}-{n_images}.npz").exists():
            with np.load(path) as file:
                sizes[setting.name] = float(file["n_bytes"].mean())
    return sizes


PARTS: dict[str, tuple[Callable[[Study], Iterator[Point]], tuple[str, ...]]] = {
    "coders": (coders, ("bundle",)),
    "prior": (prior, ("bundle", "seed")),
    "label": (label, ("bundle",)),
    "codecs": (codecs, ("checkpoint_sha256", "epochs", "images", "seed")),
    "learned": (learned, ("checkpoint_sha256", "seed")),
    "classifier": (classifier, ("checkpoint_sha256", "seed")),
}
"How each part is measured, and the inputs that its figures depend on."


def measure(study: Study, part: str) -> None:
    """Keep the part's points as they come, unless they are there already."""
    make, names = PARTS[part]
    kept: dict[str, Any] = {
        "inputs": {name: study.inputs[name] for name in names},
        "points": [],
        "missing": "unfinished",
    }
    before = kept_part(study, part)
    if before and not before["missing"]:
        return
    started = time.process_time()
    try:
        for point in make(study):
            print(f"{point.bytes_per_image:8.2f} B {point.accuracy:7.2%}  {point.name}", flush=True)
            kept["points"].append(asdict(point))
            keep(part_path(study, part), kept, started)
        kept["missing"] = ""
    except MissingError as error:
        print(error)
        kept["missing"] = str(error)
    keep(part_path(study, part), kept, started)


def part_path(study: Study, part: str) -> Path:
    """What depends on a bundle is kept for each."""
    return (
        FOLDER
        / f"part-{part}{f'-{study.bundle.id.hex()}' if 'bundle' in PARTS[part][1] else ''}.json"
    )


def keep(path: Path, kept: dict[str, Any], started: float) -> None:
    kept["processor_s"] = time.process_time() - started
    with durable.whole(path) as unfinished:
        unfinished.write_text(json.dumps(kept, indent=1))


def kept_part(study: Study, part: str) -> dict[str, Any] | None:
    """What was kept of a part, if it was measured with these inputs."""
    path = part_path(study, part)
    kept = json.loads(path.read_text()) if path.exists() else {"inputs": None}
    return kept if kept["inputs"] == {name: study.inputs[name] for name in PARTS[part][1]} else None


def parser() -> argparse.ArgumentParser:
    top = training_parser()
    top.add_argument("--bundles", type=Path, nargs="+", default=BUNDLES)
    top.add_argument(
        "--preset", default="plain-20-long", help="the rivals' networks begin with its weights"
    )
    top.add_argument(
        "--checkpoint", type=Path, help="default: the cross-entropy stage of runs/cifar10-PRESET"
    )
    top.add_argument(
        "--epochs", type=int, default=2, help="of the codecs' network, each on other settings"
    )
    top.add_argument(
        "--images", type=int, default=10_000, help="how many of the test split the codecs code"
    )
    top.add_argument(
        "--parts",
        nargs="*",
        choices=PARTS,
        default=list(PARTS),
        help="none: only put together what is kept",
    )
    return top


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    started = time.monotonic()
    seed = (options.seeds or [0])[0]
    checkpoint = options.checkpoint or Path(f"runs/cifar10-{options.preset}/ce.pt")
    data = load("cifar10", options.data_dir)
    studies = [
        Study(
            Bundle.load(path, "host"),
            data,
            options.preset,
            checkpoint,
            options.epochs,
            options.images,
            seed,
        )
        for path in options.bundles
    ]
    for part in options.parts:
        for study in studies:
            measure(study, part)
        write(studies, time.monotonic() - started)
    if not options.parts:
        write(studies, time.monotonic() - started)


def write(studies: list[Study], wall_s: float) -> None:
    """Results and plot of all that is kept."""
    points: list[dict[str, Any]] = []
    notes = [JPEG_COPIES, LABEL_WINS]
    figures: dict[str, float] = {}
    processor_s: dict[str, float] = {}
    for part, (_, names) in PARTS.items():
        for study in studies if "bundle" in names else studies[:1]:
            bundle = study.bundle.path.name if "bundle" in names else ""
            kept = kept_part(study, part) or {
                "points": [],
                "missing": "not measured",
                "processor_s": 0.0,
            }
            points += [{"bundle": bundle} | point for point in kept["points"]]
            title = f"{part} {bundle}".strip()
            notes += [f"{title}: {kept['missing']}"] if kept["missing"] else []
            processor_s[title] = kept["processor_s"]
    for point in points:
        name = slug(f"{point['bundle']} {point['name']}".strip())
        figures |= {
            f"{name}_bytes": point["bytes_per_image"],
            f"{name}_accuracy": point["accuracy"],
        }
    first = studies[0]
    extra = {
        "inputs": first.inputs | {"preset": first.preset},
        "bundles": {study.bundle.path.name: study.bundle.id.hex() for study in studies},
        "notes": notes,
        "points": points,
        "codec_bytes": codec_bytes(first.n_images),
        "codec_images": first.n_images,
        "wall_s": wall_s,
        "processor_s": processor_s,
    }
    finish("rivals", figures, [first.seed], extra, plot, n_axes=2)


def tables(result: dict[str, Any]) -> list[Table]:
    """Every rival, what the codecs' bodies take, and what there is to say about them."""
    points = [
        [
            f"{point['name']}{', ' * bool(point['bundle'])}{point['bundle']}",
            f"{point['bytes_per_image']:.2f}",
            f"{100 * point['accuracy']:.2f}",
            f"{point['node_macs'] / 1e6:.1f}",
            point["note"],
        ]
        for point in result["points"]
    ]
    sizes = [[name, f"{n_bytes:.1f}"] for name, n_bytes in result["codec_bytes"].items()]
    return [
        Table(["rival", "bytes", "accuracy, %", "node, million MACs", "how"], points),
        Table(
            ["image codec without headers", f"bytes, first {result['codec_images']:,} test images"],
            sizes,
        ),
        Table(["note"], [[note] for note in result["notes"]]),
    ]


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    """Left: this, one model at several coarsenesses too, and its rivals; right: one bundle, many
    coders.
    """
    everything, coders_only = axes
    points = result["points"]

    def add(label: str, chosen: list[dict[str, Any]], style: str = "o-", **look: Any) -> None:
        rows = sorted((point["bytes_per_image"], 100 * point["accuracy"]) for point in chosen)
        if rows:
            everything.plot(
                *zip(*rows, strict=True),
                style,
                markersize=look.pop("size", 3),
                linewidth=look.pop("width", 0.8),
                label=label,
            )

    curve = [
        {"bytes_per_image": each.bytes_per_image, "accuracy": each.accuracy}
        for each in goals.measured()
        if each.study.startswith(f"export-cifar10-{result['inputs']['preset']}-")
    ]
    add("latentlink, coarser and coarser", curve, width=2)
    add("latentlink's bundles", [point for point in points if point["name"] == OURS], "k*", size=8)
    learned = [point for point in points if "learned at" in point["name"]]
    add(
        "learned prior, our coder",
        [point for point in learned if point["name"].endswith(OUR_CODER)],
    )
    add(
        "learned prior, its coder",
        [point for point in learned if not point["name"].endswith(OUR_CODER)],
    )
    add("the label alone", [point for point in points if point["group"] == "label"], "s")
    for codec in dict.fromkeys(setting.codec for setting in SETTINGS):
        add(codec, [point for point in points if point["group"] == codec])
    everything.set(xscale="log", xlabel="bytes per image", ylabel="accuracy, %")
    everything.set_xticks([1, 10, 100], ["1", "10", "100"])
    everything.legend(fontsize=7)
    for bundle in dict.fromkeys(point["bundle"] for point in points if point["group"] == "coders"):
        chosen = [
            point for point in points if (point["group"], point["bundle"]) == ("coders", bundle)
        ]
        rows = sorted((point["bytes_per_image"], point["name"]) for point in chosen)
        coders_only.plot(*zip(*rows, strict=True), marker="o", linestyle="", label=bundle)
    coders_only.tick_params(axis="y", labelsize=6)
    coders_only.set(xscale="log", xlabel="bytes per image, the same symbols")
    coders_only.set_xticks([5, 10, 20, 50], ["5", "10", "20", "50"])
    coders_only.set_xticks([], minor=True)
    coders_only.legend(fontsize=7)
