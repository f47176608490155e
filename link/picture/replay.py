"""Replay files: images that a node sends again in place of a camera's, an .npz of arrays.

images   uint8 (N, H, W, C)
labels   int64 (N,), where they are known
classes  texts (K,), where the labels have names
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from link.base.durable import whole
from link.picture.arrays import read_arrays


class ReplayError(ValueError):
    """What lies there is no replay file; the message says why."""


@dataclass(frozen=True, eq=False)
class Replay:
    """Images and what is known of them."""

    images: np.ndarray
    "uint8 (N, H, W, C), at least one."
    labels: np.ndarray | None = None
    "int64 (N,)"
    classes: tuple[str, ...] = ()
    "What the labels are called; none: by their number."

    @classmethod
    def read(cls, path: Path) -> "Replay":
        """A file whose every image has the number of a class, or none has; FileNotFoundError, or
        ReplayError.
        """
        try:
            arrays = read_arrays(path, ("images", "labels", "classes"))
        except FileNotFoundError:
            raise
        except ValueError as error:
            raise ReplayError(
                f"replay file {path} is damaged ({error}) and cannot be read; write it again"
            ) from None
        images = arrays.get("images", np.empty(0))
        if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
            raise ReplayError(
                f"replay file {path} holds {images.dtype} images of shape {images.shape}; "
                "it needs at least one image, uint8 (N, H, W, C)"
            )
        if "labels" not in arrays:
            return cls(images)
        labels = arrays["labels"].reshape(-1)
        numbers = labels.tolist()
        classes = tuple(arrays.get("classes", np.empty(0, str)).reshape(-1).astype(str).tolist())
        n_classes = len(classes) if "classes" in arrays else max(numbers, default=0) + 1
        if len(labels) != len(images) or any(n not in range(n_classes) for n in numbers):
            raise ReplayError(
                f"replay file {path} holds {len(images)} images, {len(labels)} labels and "
                f"{n_classes} classes; every image needs the number of its class, from 0"
            )
        return cls(images, labels, classes)

    def __len__(self) -> int:
        return len(self.images)

    def label(self, index: int) -> str | None:
        """What an image shows; None: nobody knows."""
        if self.labels is None:
            return None
        number = int(self.labels[index])
        return self.classes[number] if self.classes else str(number)

    def drawn(self, n_images: int, seed: int) -> "Replay":
        """So many of them, the same for the same seed: a file that is sorted by class would show
        one class alone in its first images.
        """
        chosen = np.random.default_rng(seed).permutation(len(self))[:n_images]
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, images=self.images[chosen], labels=labels)

    def write(self, path: Path) -> None:
        """The whole file, or none; nothing in it is pickled."""
        arrays = {"images": self.images}
        if self.labels is not None:
            arrays["labels"] = self.labels
        if self.classes:
            arrays["classes"] = np.array(self.classes)
        with whole(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
