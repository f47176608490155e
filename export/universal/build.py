"""Build: a universal bundle of an int8 backbone and a pool of images: transform, tables, and a
first question, because a bundle answers something before it is taught.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export import ExportError
from export.encoder import tflite
from export.encoder.importance import Rotation
from export.encoder.operators import list_operators, require_integer
from export.entropy_model import fit_mixture
from export.measure import through_coder
from export.universal.features import IMAGE, imagenet_head, reader, vouched, write_backbone
from export.universal.pool import Known, Pool
from export.universal.transform import Fit, rounded, transform
from host_decoder.teach.head import Taught, teach
from host_training.models.backbone import weights
from link.bundle import Bundle
from link.bundle.manifest import (
    ENCODER,
    LABEL_TASK,
    TABLES,
    HostHalf,
    Learned,
    Manifest,
    Measured,
    NodeHalf,
    Output,
    Provenance,
    TaskEntry,
)
from link.coder import Tables
from link.output import results

DECODER = "decoder.onnx"
N_LATENTS, BITS, COMPONENTS = 256, 350.0, 64
"Chosen with a set of images left out in turn."
MAX_BYTES = 40
"Longer bitstreams are cut: what the last latents say is left out."
SET_WEIGHTS = {"digits": 0.1}
"Sets that count less than 1: eight pixels a side are no photos."
N_ROUNDED_BY = 700
"Images of each set that the backbone's int8 follows from."
N_EXAMPLES = 12
"What each class of the first question is learned from, in images."
MAX_CODED = 500
Say = Callable[[str], None]


@dataclass(frozen=True)
class Building:
    """What a universal bundle is told."""

    sets: tuple[str, ...]
    "Names or folders."
    out: Path
    asked: tuple[str, ...]
    "Sets whose classes are the first question."
    backbone: Path | None = None
    "A folder with an int8 backbone that was written before; None: it is written now."
    data_dir: Path = Path("data")
    n_images: int = 4000
    "From each set, at most."
    n_varied: int = 2000
    "Variations of each set's images, and as many that are drawn."
    seed: int = 0
    threads: int = 1

    @property
    def command(self) -> str:
        """Without where this machine keeps its images."""
        names = " ".join(Path(name).name for name in self.sets)
        asked = " ".join(Path(name).name for name in self.asked)
        return (
            f"python -m export universal --sets {names} --asked {asked} --images {self.n_images} "
            f"--varied {self.n_varied} --seed {self.seed}"
        )


@dataclass(frozen=True, eq=False)
class Fitted:
    """A transform and what coding its symbols takes."""

    rotation: Rotation
    symbols: np.ndarray
    "int8 (N, D), of what it was fitted to."
    tables: Tables


def fitted(features: np.ndarray, known: Known, sets: Sequence[str], seed: int) -> Fitted:
    """To features as symbols int8 (N, F) of images of these sets."""
    groups = known.groups
    counts = np.bincount(groups)
    weigh = np.array([SET_WEIGHTS.get(name, 1.0) for name in (*sets, "drawn")])[known.set_of]
    weights = np.where(known.is_varied, 1.0, weigh) / counts[groups]
    fit = Fit(features.astype(np.float32), weights, groups)
    rotation = transform(fit, imagenet_head(), N_LATENTS, BITS)
    symbols = rounded(features, rotation)
    tables = fit_mixture(symbols, known.labels, COMPONENTS, seed).quantised()
    return Fitted(rotation, symbols, replace(tables, max_bytes=MAX_BYTES))


def build(settings: Building, say: Say) -> Bundle:
    """Write the bundle to `settings.out`, whole or not at all."""
    out = settings.out
    if out.exists():
        raise ExportError(f"{out} is there already; give --out another name, or move it away")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        backbone = settings.backbone
        if backbone is None:
            backbone = Path(scratch) / "backbone"
            backbone.mkdir()
            some = Pool.of(settings.sets, settings.data_dir, settings.seed, N_ROUNDED_BY)
            say(f"backbone  {write_backbone(some.data_set(), backbone)}")
        else:
            say(f"backbone  {vouched(backbone)}")
        pool = Pool.of(
            settings.sets, settings.data_dir, settings.seed, settings.n_images, settings.n_varied
        )
        features = reader(backbone, settings.threads)(pool.images)
        say(f"features  {len(pool)} images of {', '.join(pool.sets)}, varied and drawn")
        written = write(settings, backbone, pool, features, new, say)
        new.rename(out)
    say(f"bundle    {written.id.hex()} in {out}")
    return Bundle.load(out, "host")


def write(
    settings: Building, backbone: Path, pool: Pool, features: np.ndarray, folder: Path, say: Say
) -> Bundle:
    """Everything in `folder`, of the pool's features as symbols int8 (N, F)."""
    made = fitted(features, pool.known, pool.sets, settings.seed)
    made.tables.to_npz(folder / TABLES)
    tflite.rotate_latents(backbone / ENCODER, made.rotation, folder / ENCODER)
    require_integer(list_operators(folder / ENCODER))
    drawn = np.random.default_rng(settings.seed).permutation(len(pool))
    some = drawn[:MAX_CODED]
    symbols = reader(folder, settings.threads)(pool.images[some])
    say(f"int8      {(symbols == made.symbols[some]).mean():.2%} of the symbols as fitted")
    coded = through_coder(symbols, made.tables)
    say(f"coder     {coded.n_bytes.mean():.1f} bytes, at most {coded.n_bytes.max()}")
    classes, taught = first_question(settings, pool, made.symbols, drawn)
    say(f"label     {taught.accuracy:.1%} of {len(classes)} classes, cross-validated")
    (folder / DECODER).write_bytes(taught.head.to_onnx())
    label = TaskEntry(
        file=DECODER,
        classes=classes,
        output=Output.PROBABILITIES,
        threshold=taught.threshold,
        learned=Learned(task="taught", data_set="+".join(pool.sets), seed=settings.seed),
    )
    return Bundle.write(
        folder,
        Manifest(
            node=NodeHalf(
                image=IMAGE, latents=N_LATENTS, input_zero_point=tflite.SIGNED.zero_point
            ),
            host=HostHalf(tasks={LABEL_TASK: label}),
            provenance=Provenance(
                commit=results.commit(),
                command=settings.command,
                data_set="+".join(pool.sets),
                preset="universal",
                seed=settings.seed,
                started_from_sha256=weights.SHA256,
                checkpoint_sha256=hashlib.sha256((backbone / ENCODER).read_bytes()).hexdigest(),
            ),
            measured=Measured(
                split="cross-validation",
                images=len(taught.tried),
                accuracy=taught.accuracy,
                bytes_per_image=float(coded.n_bytes.mean()),
                components=made.tables.n_components,
            ),
        ),
    )


def first_question(
    settings: Building, pool: Pool, symbols: np.ndarray, drawn: np.ndarray
) -> tuple[tuple[str, ...], Taught]:
    """The classes of the sets that are asked, from a few examples of each."""
    asked = {Path(name).name for name in settings.asked}
    places = [place for place, name in enumerate(pool.sets) if name in asked]
    known = pool.known
    labels = np.unique(known.labels[np.isin(known.set_of, places) & ~known.is_varied])
    if len(labels) < 2:
        raise ExportError(f"--asked names none of the sets {', '.join(pool.sets)}")
    rows = np.concatenate([drawn[known.labels[drawn] == label][:N_EXAMPLES] for label in labels])
    taught = teach(
        symbols[rows], np.searchsorted(labels, known.labels[rows]), len(labels), settings.seed
    )
    return tuple(pool.classes[label] for label in labels), taught
