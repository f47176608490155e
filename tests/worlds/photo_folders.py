"""Photo folders: small photos that are all unlike, written and read."""

from pathlib import Path

import numpy as np
from PIL import Image

from host_training.data.image_folder import load


def write_photos(folder: Path, n_images: int, first: int = 0) -> Path:
    """Photos that are all unlike, numbered from `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + n_images):
        pixels = np.random.default_rng([number, *folder.name.encode()]).integers(
            0, 255, (20, 24, 3), np.uint8
        )
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def read(folder: Path, said: list[str]):
    return load(folder, 16, said.append)


def counts(data) -> list[list[int]]:
    """Images of each class in train, validation and test."""
    splits = (data.train, data.validation, data.test)
    return [np.bincount(split.labels, minlength=len(data.classes)).tolist() for split in splits]
