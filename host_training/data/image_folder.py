"""A folder of one's own images: one folder per class, any size and format that Pillow reads.

Where it holds train, val and test, these are the splits; what is missing of them is drawn from
train.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from host_training.data.dataset import Augmentation, DataSet, DataSetError
from host_training.data.drawing import FRACTIONS, draw, named_splits
from host_training.data.photo_choices import USUAL, PhotoChoices, not_to_be_mirrored
from host_training.data.photo_layout import (
    SIBLINGS,
    TEST,
    TRAIN,
    VALIDATION,
    check_classes,
    split_folders,
)
from host_training.data.photo_remarks import describe, mirroring
from host_training.data.photos import Photos
from host_training.data.series import series_of_class
from link.base import free_bytes
from link.picture import UnreadableImageError, files_below, fit, read_picture, reader

N_SAID = 5
"Unreadable files that are named; of more only the number is said."


def read_image(path: Path, size: int) -> np.ndarray:
    """uint8 (size, size, 3): as a person sees it, cut to its central square, resized."""
    return fit(read_picture(path, at_least=size), (size, size, 3))


def to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def load(
    folder: Path,
    image_size: int,
    say: Callable[[str], None] = to_stderr,
    choices: PhotoChoices = USUAL,
) -> DataSet:
    """Classes are the folders in alphabetical order; splits that are drawn depend on the photos'
    names and times alone.
    """
    places = split_folders(folder, say)
    classes = check_classes(folder, places)
    check_memory(folder, image_size)
    brought = {
        split: read_classes(folder, where, classes, image_size, say)
        for split, where in places.items()
    }
    named = None
    if choices.split_by == "series" and len(brought) == 1:
        named = named_splits(brought[TRAIN])
    require_enough(folder, named or brought, classes)
    photos, how = draw(named or brought, classes, choices.split_by)
    name = folder.resolve().name
    if named is not None:
        how = f"{', '.join(named)} as the file names begin{how and '; '}{how}"
    for sentence in describe(name, photos, classes, how):
        say(sentence)
    usual = Augmentation(crop_pad=max(1, image_size // 8), flip=not not_to_be_mirrored(classes))
    augmentation = choices.augmentation(usual)
    say(mirroring(classes, augmentation.flip, choices.flip))
    return DataSet(
        name=name,
        classes=classes,
        train=photos[TRAIN].split(),
        validation=photos[VALIDATION].split(),
        test=photos[TEST].split(),
        augmentation=augmentation,
        siblings=photos[SIBLINGS].split() if SIBLINGS in photos else None,
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
    series: list[int] = []
    n_unread = 0
    for label, name in enumerate(classes):
        inside: list[str] = []
        times: list[float | None] = []
        for place, path in ((at, path) for at in places for path in files_below(at / name)):
            try:
                images.append(read_image(path, image_size))
            except UnreadableImageError as error:
                n_unread += 1
                if n_unread <= N_SAID:
                    say(str(error))
                continue
            labels.append(label)
            names.append(path.relative_to(folder).as_posix())
            inside.append(path.relative_to(place / name).as_posix())
            times.append(reader.taken_s(path))
        own = series_of_class(inside, times)
        number = {one: len(series) + at for at, one in enumerate(dict.fromkeys(own))}
        series += [number[one] for one in own]
    if n_unread > N_SAID:
        say(f"{n_unread - N_SAID} more files in {folder} cannot be read and are skipped")
    shape = (len(images), image_size, image_size, 3)
    return Photos(
        np.reshape(images, shape).astype(np.uint8),
        np.array(labels, np.int64),
        np.array(names, object),
        np.array(series, np.int64),
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
