"""Labels: how images on a node become its shard. A person puts them into folders named as their
classes, or a list says which image is what: a person wrote it, or a host whose model decoded the
latents that the node sent.

    photos/cat/1.jpg, photos/dog/2.jpg …                 a folder for each class
    photos/1.jpg … and a CSV file "image,label"          a line for each image that is to be learned

Labels are the names of the run's classes.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from link.base import durable
from link.picture import UnreadableImageError, files_below, fit, is_private, read_picture

HEADING = ["image", "label"]


class LabelError(ValueError):
    """Images cannot be labelled; the message says why and what to do."""


Labelled = Iterator[tuple[Path, int]]


def of_folders(folder: Path, classes: Sequence[str]) -> Labelled:
    """Every file in the folders that are named as classes; LabelError for another folder."""
    if not folder.is_dir():
        raise LabelError(f"there is no folder {folder}; give one with a folder for each class")
    names = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not is_private(path.name)
    )
    if not names:
        raise LabelError(f"{folder} has no folder in it; make one for each class, or give --labels")
    for name in names:
        label = _label(name, classes, f"the folder {folder / name}")
        for path in files_below(folder / name):
            yield path, label


def of_list(folder: Path, path: Path, classes: Sequence[str]) -> Labelled:
    """Every image that the list names, relative to the folder; LabelError where a line says
    something else.
    """
    try:
        text = durable.read_small(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path} cannot be read ({error}); give a CSV file in UTF-8") from None
    seen: set[str] = set()
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        if not row or (number == 1 and row == HEADING):
            continue
        if len(row) != len(HEADING):
            raise LabelError(f'{path}, line {number}: write "image,label", one image a line')
        name, label = row
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise LabelError(f"{path}, line {number}: {name} lies outside of {folder}")
        if name in seen:
            raise LabelError(f"{path}, line {number}: {name} had a label before; leave one of them")
        seen.add(name)
        yield folder / name, _label(label, classes, f"{path}, line {number}")


def images(
    labelled: Labelled, shape: tuple[int, int, int], say: Callable[[str], None]
) -> Iterator[tuple[np.ndarray, int]]:
    """uint8 (H, W, C) of that shape, cut around the centre, with their labels; what cannot be read
    is said and left out.
    """
    for path, label in labelled:
        try:
            pixels = fit(read_picture(path, at_least=min(shape[:2])), shape)
        except UnreadableImageError as error:
            say(str(error))
            continue
        yield pixels, label


def _label(name: str, classes: Sequence[str], where: str) -> int:
    if name not in classes:
        raise LabelError(f"{where}: the run has no class {name}; it has {', '.join(classes)}")
    return classes.index(name)
