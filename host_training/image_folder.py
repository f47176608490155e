"""A folder of one's own images: one folder per class, any size and format that Pillow reads."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from host_training.dataset import Augmentation, DataSet, DataSetError, Split, stratified_holdout

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1
MIN_IMAGES_PER_CLASS = 3
"One for each split."


def read_image(path: Path, size: int) -> np.ndarray:
    """uint8 (size, size, 3): turned upright by its EXIF tag, cut to its central square, resized."""
    with Image.open(path) as image:
        return np.asarray(
            ImageOps.fit(ImageOps.exif_transpose(image).convert("RGB"), (size, size), Image.Resampling.LANCZOS)
        )


def load(folder: Path, image_size: int) -> DataSet:
    """Classes are the sub-folders in alphabetical order; the stratified split depends on the file names alone."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise DataSetError(
            f"{folder} holds {len(classes)} class folders; classification needs at least two, one per class"
        )
    images: list[np.ndarray] = []
    labels: list[int] = []
    for label, class_folder in enumerate(classes):
        before = len(images)
        for path in sorted(p for p in class_folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
            try:
                images.append(read_image(path, image_size))
                labels.append(label)
            except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                warnings.warn(f"skipped {path}: {error}", stacklevel=2)
        n_read = len(images) - before
        if n_read < MIN_IMAGES_PER_CLASS:
            raise DataSetError(
                f"class folder {class_folder} holds {n_read} readable images; it needs at least {MIN_IMAGES_PER_CLASS} "
                "(one each to train, to validate and to test), or must be removed"
            )
    everything = Split(np.stack(images), np.array(labels, np.int64))
    rest, test = stratified_holdout(everything.labels, TEST_FRACTION)
    train, validation = stratified_holdout(everything.labels[rest], VALIDATION_FRACTION)
    return DataSet(
        name=folder.name,
        classes=tuple(path.name for path in classes),
        train=everything.subset(rest[train]),
        validation=everything.subset(rest[validation]),
        test=everything.subset(test),
        augmentation=Augmentation(crop_pad=max(1, image_size // 8), flip=True),
    )
