"""Shard: the labelled images of one device, read from its disk batch by batch.

A folder of two files, `images.npy` uint8 (N, H, W, C) and `labels.npy` uint16 (N,). Which images
make a batch, and how they are cropped and mirrored, follows from (seed, device, step) alone. Never
more than a batch is in memory, whatever N: the order of an epoch is computed and not kept, and what
is read is not mapped, because mapped pages would count as the process's memory, and a bad card
would end it with a signal instead of a sentence.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from link.base import durable

IMAGES, LABELS = "images.npy", "labels.npy"
N_FEISTEL_ROUNDS = 4
MAX_LABEL = 65535
LABELS_AT_ONCE = 1 << 16
LABEL = np.dtype("<u2")


class ShardError(ValueError):
    """A shard that cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class Batch:
    """Some images for one step."""

    images: np.ndarray
    "uint8 (N, H, W, C)"
    labels: np.ndarray
    "int64 (N,)"
    rng: np.random.Generator
    "For what else is random in the step."


class Shard:
    """One device's images, and what becomes of them in a step."""

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, int, int],
        n_classes: int,
        batch_images: int,
        seed: tuple[int, int] = (0, 0),
        crop_pixels: int = 0,
        has_flips: bool = False,
    ) -> None:
        """`shape`: (H, W, C) that the network takes; `seed`: of the run, and the device's number.
        Raises ShardError.
        """
        self._images, self._labels = Rows(folder / IMAGES, 4), Rows(folder / LABELS, 1)
        if self._images.shape[1:] != shape or self._images.dtype != np.uint8:
            raise ShardError(
                f"{folder / IMAGES} holds images {self._images.shape[1:]} of "
                f"{self._images.dtype}, the network takes {shape} of uint8; write the shard anew"
            )
        if len(self._images) != len(self._labels) or self._labels.dtype != LABEL:
            raise ShardError(
                f"{folder} holds {len(self._images)} images and {len(self._labels)} labels of "
                f"{self._labels.dtype}; write the shard anew"
            )
        if not len(self._images):
            raise ShardError(f"{folder} holds no image; there is nothing to learn from")
        self._folder, self._n_classes, self._seed = folder, n_classes, seed
        self._crop_pixels, self._has_flips = crop_pixels, has_flips
        self.batch_images = min(batch_images, len(self))

    def __len__(self) -> int:
        return len(self._images)

    @property
    def n_each(self) -> np.ndarray:
        """Images of each class, int64 (K,)."""
        counted = np.zeros(self._n_classes, np.int64)
        for first in range(0, len(self), LABELS_AT_ONCE):
            labels = self._labels.span(first, min(first + LABELS_AT_ONCE, len(self)))
            self._check(labels)
            counted += np.bincount(labels, minlength=self._n_classes)
        return counted

    def batch(self, step: int) -> Batch:
        """An epoch's last images, fewer than a batch, have their turn in another epoch."""
        epoch, place = divmod(step, len(self) // self.batch_images)
        places = np.arange(place * self.batch_images, (place + 1) * self.batch_images)
        indices = shuffled(places, len(self), (*self._seed, epoch))
        images = self._images.read(indices)
        labels = self._labels.read(indices).astype(np.int64)
        self._check(labels)
        rng = np.random.default_rng((*self._seed, step))
        return Batch(self._augmented(images, rng), labels, rng)

    def _check(self, labels: np.ndarray) -> None:
        if labels.max() >= self._n_classes:
            raise ShardError(
                f"{self._folder} has a label {labels.max()}, the network {self._n_classes} "
                "classes, counted from 0; write the shard anew"
            )

    def _augmented(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Random crops padded with zeros, and mirroring."""
        pad, (n, height, width, _) = self._crop_pixels, images.shape
        moves = rng.integers(0, 2 * pad + 1, (n, 2))
        is_mirrored = rng.integers(0, 2, n) * self._has_flips
        if pad:
            padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
            for image, whole, (top, left) in zip(images, padded, moves, strict=True):
                image[...] = whole[top : top + height, left : left + width]
        images[is_mirrored == 1] = images[is_mirrored == 1, :, ::-1]
        return images


class Rows:
    """A .npy file of rows, of which some are read at a time."""

    def __init__(self, path: Path, n_axes: int) -> None:
        try:
            with path.open("rb") as file:
                np.lib.format.read_magic(file)
                self.shape, is_turned, self.dtype = np.lib.format.read_array_header_1_0(file)
                self._begin = file.tell()
        except FileNotFoundError:
            raise ShardError(
                f"there is no {path}; write it with `latentlink learn shard`"
            ) from None
        except (OSError, ValueError) as error:
            raise ShardError(f"{path} cannot be read ({error}); write the shard anew") from None
        self._row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        wanted = self._begin + self._row_bytes * (self.shape[0] if self.shape else 0)
        if len(self.shape) != n_axes or is_turned or path.stat().st_size < wanted:
            raise ShardError(f"{path} is no whole shard of {self.shape}; write it anew")
        self._path = path
        self._file = path.open("rb", buffering=0)
        os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Those rows, (n, …)."""
        found = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for row, index in zip(found.reshape(len(indices), -1), indices.tolist(), strict=True):
            row[...] = self._rows(index, 1)
        return found

    def span(self, first: int, end: int) -> np.ndarray:
        """Those from `first` to before `end`."""
        return self._rows(first, end - first).reshape(-1, *self.shape[1:])

    def _rows(self, first: int, n: int) -> np.ndarray:
        """One behind the other, flat."""
        n_bytes = n * self._row_bytes
        try:
            content = os.pread(self._file.fileno(), n_bytes, self._begin + first * self._row_bytes)
        except OSError as error:
            raise ShardError(f"{self._path} cannot be read ({error.strerror})") from None
        if len(content) < n_bytes:
            raise ShardError(f"{self._path} has become shorter; write the shard anew")
        return np.frombuffer(content, self.dtype)


class Writer:
    """A shard that is written image by image, in a context; with a fault the old one stays."""

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._shape = folder, shape
        self._labels: list[int] = []
        self._images = (folder / (IMAGES + ".part")).open("wb")
        self._images.write(_header(0, shape, np.dtype(np.uint8)))

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, image: np.ndarray, label: int) -> None:
        """One uint8 (H, W, C) with its label, from 0 to 65535."""
        assert image.shape == self._shape
        assert image.dtype == np.uint8
        assert 0 <= label <= MAX_LABEL
        self._images.write(np.ascontiguousarray(image).tobytes())
        self._labels.append(label)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        unfinished = Path(self._images.name)
        with self._images as file:
            if kind is None:
                file.seek(0)
                file.write(_header(len(self), self._shape, np.dtype(np.uint8)))
                file.flush()
                os.fsync(file.fileno())
        if kind is not None:
            unfinished.unlink()
            return
        (self._folder / LABELS).unlink(missing_ok=True)  # images and labels never of two shards
        unfinished.replace(self._folder / IMAGES)
        with durable.whole(self._folder / LABELS) as path, path.open("wb") as file:
            file.write(_header(len(self), (), LABEL) + np.array(self._labels, LABEL).tobytes())
            file.flush()
            os.fsync(file.fileno())


def write(
    folder: Path, shape: tuple[int, int, int], labelled: Iterable[tuple[np.ndarray, int]]
) -> int:
    """A shard of images uint8 (H, W, C) of that shape with their labels; how many there are."""
    with Writer(folder, shape) as writer:
        for image, label in labelled:
            writer.add(image, label)
        if not len(writer):
            raise ShardError(f"no image for {folder}; what was there is as it was")
        return len(writer)


def shuffled(places: np.ndarray, n: int, seed: tuple[int, ...]) -> np.ndarray:
    """Which of n is at each place of a random order, without the order: a Feistel network on the
    next power of four, walked on until it is within n (Black and Rogaway, 2002).
    """
    half_bits = max(1, (int(n - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half_bits) - 1)
    keys = np.random.SeedSequence(seed).generate_state(N_FEISTEL_ROUNDS, np.uint64)
    found = places.astype(np.uint64)
    outside = np.ones(len(found), bool)
    while outside.any():
        found[outside] = _enciphered(found[outside], keys, np.uint64(half_bits), mask)
        outside = found >= n
    return found.astype(np.int64)


def _enciphered(
    numbers: np.ndarray, keys: np.ndarray, half_bits: np.uint64, mask: np.uint64
) -> np.ndarray:
    left, right = numbers >> half_bits, numbers & mask
    for key in keys:
        mixed = (right ^ key) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
    return left << half_bits | right


def _header(n: int, shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """That of a .npy file, always of 128 bytes, so that the number of rows can be mended."""
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {(n, *shape)}, }}"
    return b"\x93NUMPY\x01\x00\x76\x00" + text.ljust(117).encode() + b"\n"
