"""Field: a bundle whose node is out of reach; its symbols as the host has them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from export.decoders import anomaly
from export.decoders.add import Decoder
from export.decoders.lessons import AtHost
from export.encoder.onnx_model import write_task
from export.encoder.symbols import Int8Encoder, received
from host_decoder.decode.classifier import Classifier
from host_decoder.decode.onnx_decoder import OnnxDecoder
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from link.base import durable
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.coder.bulk import decode_bulk
from tests.studies.common import RUNS

OTHER = {"cifar10": "cifar100", "cifar100": "cifar10", "cifar100-coarse": "cifar10"}
"The data set that new classes and anomalies come from."


@dataclass(frozen=True, eq=False)
class Received:
    """Images at the host, after the wire."""

    symbols: np.ndarray
    "float32 (N, D)"
    n_bytes: np.ndarray
    "int64 (N,)"
    label_scores: np.ndarray
    "float32 (N, K): what the bundle's own decoder says of them."

    @property
    def labels(self) -> np.ndarray:
        """All that a label-only node would have sent."""
        return self.label_scores.argmax(1)


@dataclass(frozen=True, eq=False)
class Field:
    """A bundle whose node is in the field; what went through its encoder once is kept in
    `folder`.
    """

    bundle: Bundle
    data_dir: Path

    @cached_property
    def folder(self) -> Path:
        folder = RUNS / f"tasks-{self.bundle.id.hex()}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def data(self) -> DataSet:
        return load(self.bundle.data_set, self.data_dir)

    @cached_property
    def other(self) -> DataSet:
        return load(OTHER[self.bundle.data_set], self.data_dir)

    @cached_property
    def own_decoder(self) -> Classifier:
        return Classifier.of(self.bundle)

    @cached_property
    def anomaly_score(self) -> nn.Module:
        encode = received(self.encode, self.bundle.tables)
        validation, test = (
            encode(split.images) for split in (self.data.validation, self.data.test)
        )
        return anomaly.fit(self.data, encode, validation, test).score

    def heard(self, data: DataSet) -> AtHost:
        return AtHost.of(data, received(self.encode, self.bundle.tables))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Symbols int8 (N, D), the encoder run once for the same images."""
        kept = (
            self.folder
            / f"{hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()[:16]}.npy"
        )
        if not kept.exists():
            encoder = Int8Encoder(self.bundle.encoder_path, self.bundle.image)
            write_array(kept, encoder(images))
        return np.load(kept)

    def receive(self, images: np.ndarray) -> Received:
        """The same through the wire coder too, each image its own bitstream."""
        symbols, kept = (
            self.encode(images),
            self.folder / f"wire-{hashlib.sha256(images.data).hexdigest()[:16]}",
        )
        paths = [kept.with_suffix(f".{name}.npy") for name in ("symbols", "bytes", "scores")]
        if not paths[-1].exists():
            bitstreams = [latent_coder.encode(image, self.bundle.tables) for image in symbols]
            latents = decode_bulk(bitstreams, self.bundle.tables)
            assert latents.is_valid.all()
            classify = Classifier.of(self.bundle)
            scores = np.concatenate(
                [classify(part) for part in np.array_split(latents.symbols, 50)]
            )
            lengths = np.array([len(bitstream) for bitstream in bitstreams])
            for path, array in zip(paths, (latents.symbols, lengths, scores), strict=True):
                write_array(path, array)
        return Received(*map(np.load, paths))

    def on_host(self, decoder: Decoder) -> Callable[[np.ndarray], np.ndarray]:
        """The decoder as the host runs it."""
        path = self.folder / "decoder.onnx"
        write_task(decoder.module, self.bundle.n_latents, decoder.output, path)
        if decoder.classes is not None:
            return Classifier(path, self.bundle.n_latents, len(decoder.classes))
        return OnnxDecoder(path, self.bundle.n_latents, decoder.output)


def write_array(path: Path, array: np.ndarray) -> None:
    with durable.whole(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, array)
