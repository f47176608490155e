"""A folder of one's own images: one folder per class, any size and format that Pillow reads.

Where it holds train, val and test, these are the splits; what is missing of them is drawn from
train.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host_training.data.dataset import (
    Augmentation,
    DataSet,
    DataSetError,
    Split,
    stratified_holdout,
)
from host_training.data.photo_layout import TEST, TRAIN, VALIDATION, check_classes, split_folders
from host_training.data.photo_remarks import describe
from link.base import free_bytes
from link.picture import UnreadableImageError, files_below, fit, read_picture

FRACTIONS = {TEST: 0.2, VALIDATION: 0.1}
"Shares of what is left, in this order, where a split is drawn."
N_SAID = 5
"Unreadable files that are named; of more only the number is said."


@dataclass(frozen=True, eq=False)
class Photos:
    """images uint8 (N, S, S, 3), labels int64 (N,), the files' names below the folder (N,)."""

    images: np.ndarray
    labels: np.ndarray
    names: np.ndarray

    def hold_out(self, fraction: float) -> tuple["Photos", "Photos"]:
        return tuple(  # type: ignore[return-value]
            Photos(self.images[part], self.labels[part], self.names[part])
            for part in stratified_holdout(self.labels, fraction)
        )

    def split(self) -> Split:
        return Split(self.images, self.labels)


def read_image(path: Path, size: int) -> np.ndarray:
    """uint8 (size, size, 3): as a person sees it, cut to its central square, resized."""
    return fit(read_picture(path, at_least=size), (size, size, 3))


def to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def load(folder: Path, image_size: int, say: Callable[[str], None] = to_stderr) -> DataSet:
    """Classes are the folders in alphabetical order; splits that are drawn depend on the file names
    alone.
    """
    places = split_folders(folder, say)
    classes = check_classes(folder, places)
    check_memory(folder, image_size)
    photos = {
        split: read_classes(folder, where, classes, image_size, say)
        for split, where in places.items()
    }
    require_enough(folder, photos, classes)
    for split in FRACTIONS:
        if split not in photos:
            photos[TRAIN], photos[split] = photos[TRAIN].hold_out(FRACTIONS[split])
    photos = {split: photos[split] for split in (TRAIN, VALIDATION, TEST)}
    for sentence in describe(
        folder.resolve().name, photos, classes, [split for split in photos if split not in places]
    ):
        say(sentence)
    return DataSet(
        name=folder.resolve().name,
        classes=classes,
        train=photos[TRAIN].split(),
        validation=photos[VALIDATION].split(),
        test=photos[TEST].split(),
        augmentation=Augmentation(crop_pad=max(1, image_size // 8), flip=True),
    )


def check_memory(folder: Path, image_size: int) -> None:
    """All images are held in memory, and twice while they are put together."""
    n_files = len(files_below(folder))
    needed, there = 2 * n_files * image_size * image_size * 3, free_bytes()
    if needed > there:
        raise DataSetError(
            f"{n_files} images of {image_size} x {image_size} in {folder} take {needed / 1e9:.1f} "
            f"GB of memory, {there / 1e9:.1f} are free; make them smaller (IMAGE_SIZE=…) or fewer"
        )


def read_classes(
    folder: Path,
    places: Sequence[Path],
    classes: Sequence[str],
    image_size: int,
    say: Callable[[str], None],
) -> Photos:
    """Every image of these classes in these places; what cannot be read is said and left out."""
    images, labels, names = [], [], []
    n_unread = 0
    for label, name in enumerate(classes):
        for path in (path for place in places for path in files_below(place / name)):
            try:
                images.append(read_image(path, image_size))
            except UnreadableImageError as error:
                n_unread += 1
                if n_unread <= N_SAID:
                    say(str(error))
                continue
            labels.append(label)
            names.append(path.relative_to(folder).as_posix())
    if n_unread > N_SAID:
        say(f"{n_unread - N_SAID} more files in {folder} cannot be read and are skipped")
    shape = (len(images), image_size, image_size, 3)
    return Photos(
        np.reshape(images, shape).astype(np.uint8),
        np.array(labels, np.int64),
        np.array(names, object),
    )


def require_enough(folder: Path, photos: dict[str, Photos], classes: Sequence[str]) -> None:
    """One image of each class for training and for each split that is drawn from there; one at all
    in the others.
    """
    needed = 1 + sum(split not in photos for split in FRACTIONS)
    counts = np.bincount(photos[TRAIN].labels, minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if count < needed:
            raise DataSetError(
                f"class folder {folder / name} holds {count} readable images; it needs at least "
                f"{needed} (one each to train, to validate and to test), or must be removed"
            )
    for split, those in photos.items():
        if not len(those.labels):
            raise DataSetError(f"the {split} split of {folder} holds no image that can be read")
