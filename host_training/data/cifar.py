"""CIFAR-10 and CIFAR-100 in the official python layout: found in the data folder, else downloaded
and checked.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The sets carry no
formal licence: cite it. The official files are pickles; they are read with an unpickler that builds
nothing but lists, strings and arrays.
"""

import io
import os
import pickle
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from host_training.data.dataset import (
    Augmentation,
    DataSet,
    DataSetError,
    Split,
    stratified_holdout,
)
from host_training.data.download import download

VALIDATION_FRACTION = 0.1
COARSE_NAMES_KEY = b"coarse_label_names"
HOME = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Source:
    """Where one of the two sets lies and what its files are called."""

    archive: str
    sha256: str
    folder: str
    train_files: tuple[str, ...]
    test_file: str
    meta_file: str
    label_key: bytes
    names_key: bytes


SOURCES = {
    "cifar10": Source(
        archive="cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        folder="cifar-10-batches-py",
        train_files=tuple(f"data_batch_{i}" for i in range(1, 6)),
        test_file="test_batch",
        meta_file="batches.meta",
        label_key=b"labels",
        names_key=b"label_names",
    ),
    "cifar100": Source(
        archive="cifar-100-python.tar.gz",
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        folder="cifar-100-python",
        train_files=("train",),
        test_file="test",
        meta_file="meta",
        label_key=b"fine_labels",
        names_key=b"fine_label_names",
    ),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain containers, nothing else."""

    ALLOWED = frozenset({("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")})

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.ALLOWED or (
            module.startswith("numpy") and name == "_reconstruct"
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"holds {module}.{name}, which the official files do not")


def _read(path: Path) -> dict[bytes, Any]:
    try:
        return _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except FileNotFoundError:
        raise DataSetError(
            f"{path} is missing: delete {path.parent} to have it downloaded anew"
        ) from None
    except Exception as error:  # a damaged pickle raises anything
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataSetError:
    return DataSetError(
        f"{path} is damaged ({error}): delete {path.parent} to have it downloaded anew"
    )


def _split(folder: Path, files: tuple[str, ...], source: Source) -> Split:
    splits = [_batch(folder / name, source) for name in files]
    images, labels = (
        np.concatenate([getattr(split, part) for split in splits]) for part in ("images", "labels")
    )
    coarse = [split.coarse_labels for split in splits if split.coarse_labels is not None]
    return Split(images, labels, np.concatenate(coarse) if coarse else None)


def _batch(path: Path, source: Source) -> Split:
    """The images and labels of one file."""
    batch = _read(path)
    try:
        rows = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(batch[source.label_key], np.int64).reshape(len(rows))
        coarse = (
            np.asarray(batch[b"coarse_labels"], np.int64).reshape(len(rows))
            if b"coarse_labels" in batch
            else None
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise _damaged(path, error) from None
    return Split(np.ascontiguousarray(rows.transpose(0, 2, 3, 1)), labels, coarse)


def fetch(name: str, data_dir: Path, home: str | None = None) -> Path:
    """The folder with the official files, downloaded and unpacked first if it is not there."""
    source = SOURCES[name]
    folder = data_dir / source.folder
    if not (folder / source.meta_file).exists():
        home = home or os.environ.get("LATENTLINK_CIFAR_HOME", HOME)
        archive = data_dir / source.archive
        is_own = archive.exists()
        download(f"{home}/{source.archive}", archive, source.sha256)
        with tempfile.TemporaryDirectory(dir=data_dir) as unpacked:
            with tarfile.open(archive) as tar:
                tar.extractall(unpacked, filter="data")
            shutil.rmtree(folder, ignore_errors=True)
            (Path(unpacked) / source.folder).rename(folder)
        if not is_own:  # what somebody put there stays there
            archive.unlink()
    return folder


def load(name: str, data_dir: Path) -> DataSet:
    """50,000 images, of which 5,000 for validation, and the official 10,000 for the test."""
    source = SOURCES[name]
    folder = fetch(name, data_dir)
    train = _split(folder, source.train_files, source)
    kept, held_out = stratified_holdout(train.labels, VALIDATION_FRACTION)
    meta = folder / source.meta_file
    return DataSet(
        name=name,
        classes=_names(meta, source.names_key),
        train=train.subset(kept),
        validation=train.subset(held_out),
        test=_split(folder, (source.test_file,), source),
        augmentation=Augmentation(crop_pad=4, flip=True),
        coarse_classes=_names(meta, COARSE_NAMES_KEY) if COARSE_NAMES_KEY in _read(meta) else (),
    )


def load_coarse(data_dir: Path) -> DataSet:
    """CIFAR-100, the same images in the same splits, with its 20 superclasses as its classes."""
    data = load("cifar100", data_dir)

    def coarse(split: Split) -> Split:
        assert split.coarse_labels is not None
        return Split(split.images, split.coarse_labels)

    return replace(
        data,
        name="cifar100-coarse",
        classes=data.coarse_classes,
        train=coarse(data.train),
        validation=coarse(data.validation),
        test=coarse(data.test),
        coarse_classes=(),
    )


def _names(path: Path, key: bytes) -> tuple[str, ...]:
    try:
        return tuple(name.decode() for name in _read(path)[key])
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from None
