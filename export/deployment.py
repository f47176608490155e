"""Deployment: a model's two halves as node and host run them, made step by step in one folder:
encoder, symbols, tables, decoder; then what they are worth together, and the bundle.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import methodcaller
from pathlib import Path

import numpy as np

from export import entropy_model
from export.decoders import anomaly, calibration
from export.encoder import onnx_model, tflite
from export.encoder.fold import FoldedEncoder
from export.encoder.rounding import round_weights
from export.encoder.symbols import Encode, received
from export.entropy_model import FittedTables, Mixture
from export.measure import (
    Agreement,
    Coded,
    Rates,
    accuracy,
    float_symbols,
    onnx_symbols,
    through_coder,
)
from host_decoder.decode.classifier import Classifier
from host_training.data.batches import to_model_input, to_pixels
from host_training.data.dataset import DataSet, Split
from link.bundle import Bundle
from link.bundle.manifest import (
    ANOMALY_TASK,
    ENCODER,
    LABEL_TASK,
    TABLES,
    HostHalf,
    Manifest,
    Measured,
    NodeHalf,
    Provenance,
    TaskEntry,
)

DECODER = "decoder.onnx"

CALIBRATION_SEED = 0
N_CALIBRATION_IMAGES = 300
N_IMAGES_TO_ROUND_BY, N_PHOTOS_TO_ROUND_BY = 1000, 256
MAX_POSITIONS = 1 << 16
"Pixels of its inputs that a step of a large encoder is rounded by."
N_IMAGES_THROUGH_ONNX = 500

Say = Callable[[str], None]
Symbols = Mapping[str, np.ndarray]
"int8 (N, D) by split: train, validation, test."


def first(split: Split, n_images: int) -> Split:
    return split.subset(np.arange(min(n_images, len(split))))


def some_images(data: DataSet, n_images: int) -> np.ndarray:
    """n or all of the training images, drawn at random, always the same, uint8 (n, H, W, C)."""
    n_images = min(n_images, len(data.train))
    chosen = np.random.default_rng(CALIBRATION_SEED).choice(
        len(data.train), n_images, replace=False
    )
    return data.train.images[np.sort(chosen)]


def write_encoder(encoder: FoldedEncoder, data: DataSet, folder: Path) -> Agreement:
    """Write encoder.tflite; returns how far ONNX, which is on the way to it, agrees with the
    rounded encoder.
    """
    n_images, limit = N_IMAGES_TO_ROUND_BY, float("inf")
    if encoder.is_signed:
        n_images, limit = N_PHOTOS_TO_ROUND_BY, MAX_POSITIONS
    images = to_model_input(to_pixels(some_images(data, n_images)), encoder.image.pixel_pad)
    rounded = round_weights(encoder, images, len(encoder.views), methodcaller("steps"), limit)
    some = first(data.test, N_IMAGES_THROUGH_ONNX)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "encoder.onnx"
        onnx_model.write_encoder(rounded, path)
        calibration_images = encoder.image.with_border(some_images(data, N_CALIBRATION_IMAGES))
        reads = tflite.SIGNED if encoder.is_signed else tflite.UNIT
        tflite.convert(path, calibration_images, folder / ENCODER, rounded.views, reads)
        symbols = onnx_symbols(path, rounded, some)
    return Agreement.between(symbols, float_symbols(rounded, some))


def symbols_of(data: DataSet, encode: Encode) -> Symbols:
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: encode(split.images) for name, split in splits.items()}


def fit_tables(
    data: DataSet,
    symbols: Symbols,
    mirrored: np.ndarray | None,
    components: Sequence[int],
    folder: Path,
    say: Say,
    learned: Callable[[np.ndarray], Mixture] | None = None,
) -> FittedTables:
    """Fit the entropy models to the training split's symbols and write tables.npz, the best on the
    validation split.

    `mirrored` (N, D) are the symbols of the mirrored training images, where training mirrors them
    and the encoder does not do it itself. `learned`: the mixture that training learned, for the
    symbols that there are.
    """
    candidates = []
    for candidate in entropy_model.fit_candidates(
        symbols["train"], data.train.labels, mirrored, symbols["validation"], components, learned
    ):
        candidates.append(candidate)
        say(f"tables    {candidate.describe()}")
    tables = FittedTables(tuple(candidates))
    tables.chosen.tables.to_npz(folder / TABLES)
    return tables


def mirrored_symbols(data: DataSet, encode: Encode) -> np.ndarray | None:
    """Those of the mirrored training images; None where training does not mirror them."""
    return encode(data.train.images[:, :, ::-1]) if data.augmentation.flip else None


@dataclass(frozen=True, eq=False)
class Deployed:
    """Encoder, tables and decoder in a folder, and what they are worth on their data set."""

    data: DataSet
    folder: Path
    encode: Encode
    symbols: Symbols
    tables: FittedTables
    as_may_come: Encode | None = None
    "The encoder of a team, at some images without nodes that are dead; None: `encode`, as always."

    @cached_property
    def classify(self) -> Classifier:
        """The decoder of the folder, as the host runs it."""
        return Classifier(self.folder / DECODER, self.n_latents, len(self.data.classes))

    @property
    def n_latents(self) -> int:
        return self.symbols["test"].shape[1]

    @cached_property
    def coded(self) -> Coded:
        """The test split through the coder."""
        return through_coder(self.symbols["test"], self.tables.chosen.tables)

    @cached_property
    def rates(self) -> Rates:
        return Rates.of(self.symbols["test"], self.coded, self.tables)

    @cached_property
    def answers(self) -> np.ndarray:
        """What the host makes of the test split, float32 (N, classes)."""
        return self.classify(self.coded.symbols)

    @cached_property
    def accuracy(self) -> float:
        """Share 0…1 of the test images that host gets right."""
        return accuracy(self.answers, self.data.test.labels)

    @cached_property
    def validation(self) -> np.ndarray:
        """Symbols of the validation split as they may come: int8 (N, D)."""
        if self.as_may_come is None:
            return self.symbols["validation"]
        return self.as_may_come(self.data.validation.images)

    @cached_property
    def calibration(self) -> calibration.Fitted | None:
        """None: there are too few validation images."""
        labels = self.data.validation.labels
        tables = self.tables.chosen.tables
        return calibration.fit(self.classify, self.validation, labels, tables)

    @cached_property
    def anomaly(self) -> anomaly.Fitted:
        heard = received(self.as_may_come or self.encode, self.tables.chosen.tables)
        return anomaly.fit(self.data, heard, self.validation, self.symbols["test"])

    @property
    def confidence(self) -> str:
        """What its calibration is worth, in words."""
        return calibration.describe(self.calibration, len(self.symbols["validation"]))

    def measured(self, also: Measured) -> Measured:
        """For the manifest: what is the same each time."""
        return replace(
            also,
            accuracy=self.accuracy,
            bytes_per_image=self.rates.coded_bytes,
            bytes_per_image_percentiles=self.rates.coded_bytes_percentiles,
            static_bits_per_image=self.rates.static_bits,
            mixture_bits_per_image=self.rates.mixture_bits,
            components=self.tables.chosen.n_components,
        )

    def write(self, node: NodeHalf, provenance: Provenance, measured: Measured) -> Bundle:
        """The bundle; its host can answer which class, and whether it is any."""
        path = self.folder / anomaly.FILE
        score = anomaly.write_task(self.anomaly, self.data, self.n_latents, path)
        label = TaskEntry(file=DECODER, classes=self.data.classes)
        manifest = Manifest(
            node=replace(node, latents=self.n_latents),
            host=HostHalf(tasks={LABEL_TASK: label, ANOMALY_TASK: score}),
            provenance=provenance,
            measured=measured,
        )
        return calibration.write(Bundle.write(self.folder, manifest), self.calibration)
