"""`python -m export rotate`: a finished bundle's latents rotated by importance; its encoder is not
trained again.

No checkpoint is needed. The importance rotation is put into the int8 encoder's last convolution;
everything before it stays bit by bit. The host's side is made anew for the new symbols: a dense
decoder, tables, calibration. What the label does not need is not sent any more, so further decoders
for other tasks have less to learn from.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export import ExportError
from export.decoders.calibration import check_data
from export.decoders.lessons import AtHost, Lessons
from export.decoders.networks import CE, Learning, SoftenedScores, learn_classes
from export.deployment import (
    DECODER,
    Deployed,
    Say,
    fit_tables,
    mirrored_symbols,
    symbols_of,
)
from export.encoder import onnx_model, tflite
from export.encoder.importance import Rotation, rotation, sensitivity
from export.encoder.symbols import Int8Encoder, received
from export.measure import accuracy
from export.report import anomaly_section, markdown_table
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.data.photo_choices import PhotoChoices
from link.bundle import Bundle
from link.bundle.manifest import ENCODER, Output, Rotated
from link.output import results

N_IMAGES = 10_000
"Training images that the rotation follows from."


@dataclass(frozen=True)
class Rotating:
    """One rotation of a bundle's latents."""

    bundle: Path
    out: Path
    coarseness: float = 1.0
    components: tuple[int, ...] = (16, 64, 256)
    dataset: str | None = None
    data_dir: Path = Path("data")
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if not self.coarseness > 0:
            raise ExportError(f"coarseness is {self.coarseness:g}; it must be above 0")
        if self.out.exists():
            raise ExportError(
                f"{self.out} is there already; give --out another name, or move it away"
            )

    @property
    def command(self) -> str:
        """Without what is this machine's own."""
        bundle = self.bundle.name if self.bundle.is_absolute() else self.bundle
        return f"python -m export rotate --bundle {bundle} --coarseness {self.coarseness:g}"


def rotate(settings: Rotating, say: Say = print) -> tuple[Bundle, dict[str, float]]:
    """Write the rotated bundle to `settings.out`, whole or not at all; it and its figures."""
    Bundle.load(settings.bundle, "node")
    old = Bundle.load(settings.bundle, "host")
    if old.team is not None:
        raise ExportError(
            f"bundle {old.path} is for a team, whose latents cannot be rotated: each node has only "
            "its own; its tables are what makes its bitstreams short"
        )
    data = load(
        settings.dataset or old.data_set,
        settings.data_dir,
        old.image.height,
        PhotoChoices.of_bundle(old),
    )
    check_data(old, data)
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{settings.out.name}-", dir=settings.out.parent
    ) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        written, figures = build(settings, old, data, new, say)
        new.rename(settings.out)
    say(f"bundle    {written.id.hex()} in {settings.out}")
    return replace(written, path=settings.out), figures


def build(
    settings: Rotating, old: Bundle, data: DataSet, folder: Path, say: Say
) -> tuple[Bundle, dict[str, float]]:
    """Make everything in `folder` and measure it on the test split."""
    accuracy_before, bytes_before = old.measured.accuracy, old.measured.bytes_per_image
    if accuracy_before is None or bytes_before is None:
        raise ExportError(f"bundle {old.path} does not say what it measured; export it again")
    axes = importance_of(old, data, settings)
    say(
        f"rotate    {old.n_latents} latents into {len(axes.importance)}, coarseness "
        f"{settings.coarseness:g}"
    )
    tflite.rotate_latents(old.encoder_path, axes, folder / ENCODER)
    encode = Int8Encoder(folder / ENCODER, old.image, settings.threads)
    tables = fit_tables(
        data,
        symbols_of(data, encode),
        mirrored_symbols(data, encode),
        settings.components,
        folder,
        say,
    )
    heard = AtHost.of(data, received(encode, tables.chosen.tables))
    decoder = classes_decoder(Lessons.of_classes(heard), len(data.classes), settings.seed)
    onnx_model.write_task(decoder, len(axes.importance), Output.PROBABILITIES, folder / DECODER)
    deployed = Deployed(data, folder, encode, heard.symbols, tables)
    rates = deployed.rates
    say(f"decoder   {deployed.accuracy:.2%} on the test split, {accuracy_before:.2%} before")
    say(f"coder     {rates.coded_bytes:.2f} bytes per test image, {bytes_before:.2f} before")
    rotated = Rotated(from_bundle=old.id.hex(), command=settings.command, commit=results.commit())
    written = deployed.write(
        old.manifest.node,
        replace(old.provenance, rotated=rotated),
        deployed.measured(old.measured),
    )
    figures = {
        "accuracy": deployed.accuracy,
        "accuracy_before": accuracy_before,
        "bytes_per_image": rates.coded_bytes,
        "bytes_per_image_before": bytes_before,
        "largest_bytes": float(deployed.coded.n_bytes.max()),
        "static_bits_per_image": rates.static_bits,
        "mixture_bits_per_image": rates.mixture_bits,
        "latents": len(axes.importance),
        "latents_before": old.n_latents,
        "validation_accuracy": accuracy(
            deployed.classify(heard.validation), data.validation.labels
        ),
    }
    paragraphs = [
        f"Confidence, by the known symbols: {deployed.confidence}.",
        anomaly_section(deployed.anomaly),
    ]
    write_report(folder, old, rotated, figures, paragraphs)
    return written, figures


def importance_of(old: Bundle, data: DataSet, settings: Rotating) -> Rotation:
    """From a decoder that learns the old symbols first: the bundle's own has no gradients."""
    encode = Int8Encoder(old.encoder_path, old.image, settings.threads)
    train, validation = encode(data.train.images), encode(data.validation.images)
    lessons = Lessons(train[None], data.train.labels, validation, data.validation.labels)
    decoder = classes_decoder(lessons, len(data.classes), settings.seed)
    latents = torch.from_numpy(train[:N_IMAGES].astype(np.float32))
    axes = rotation(latents, sensitivity(decoder.scores, latents), settings.coarseness)
    return axes.leading(axes.n_useful)


def classes_decoder(lessons: Lessons, n_classes: int, seed: int) -> SoftenedScores:
    """A dense decoder of classes."""
    return learn_classes(lessons, lessons.validation_wanted, n_classes, CE, Learning(seed=seed))


def write_report(
    folder: Path,
    old: Bundle,
    rotated: Rotated,
    figures: dict[str, float],
    paragraphs: Sequence[str],
) -> None:
    """report.json and report.md; the encoder's own report is that of the bundle it comes from."""
    sizes = {
        path.name: path.stat().st_size
        for path in sorted(folder.iterdir())
        if not path.name.startswith("report")
    }
    provenance = dict(sorted(old.provenance.to_json().items()))
    content = {
        "figures": figures,
        "file_bytes": sizes,
        "turned": rotated.to_json(),
        "provenance": provenance,
    }
    (folder / "report.json").write_text(
        json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    sections = [
        f"# {old.data_set}, rotated by importance",
        f"Test split: {figures['accuracy']:.2%} from {figures['bytes_per_image']:.2f} bytes an "
        f"image, at most {figures['largest_bytes']:.0f}; before rotating "
        f"{figures['accuracy_before']:.2%} from {figures['bytes_per_image_before']:.2f}. Made from "
        f"bundle {rotated.from_bundle} by `{rotated.command}`",
        markdown_table(
            ("figure", "value"), [(name, f"{value:.4g}") for name, value in figures.items()]
        ),
        *paragraphs,
        markdown_table(("file", "bytes"), [(name, f"{size:,}") for name, size in sizes.items()]),
        "The encoder before its last layer comes from",
        markdown_table(
            ("what", "value"), [(key, f"`{value}`") for key, value in provenance.items()]
        ),
    ]
    (folder / "report.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")
