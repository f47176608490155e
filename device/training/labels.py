"""Labels: how images on a node become its shard. A person puts them into folders named as their
classes, or a list says which image is what: a person wrote it, or a host whose model decoded the
latents that the node sent.

    photos/cat/1.jpg, photos/dog/2.jpg …         a folder for each class
    photos/1.jpg … and lines of image,label      a list of files below the folder
    images.jsonl and lines of image,label        what the node printed (`--console json`), and the
                                                 answers of its host by the images' numbers

Labels are the names of the run's classes. Where a list names an image twice, the last line counts:
a host's answers become better as more of an image comes.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from link.base import durable
from link.output import Captured
from link.picture import UnreadableImageError, files_below, fit, folders, read_picture


class LabelError(ValueError):
    """Images cannot be labelled; the message says why and what to do."""


Labelled = Iterator[tuple[Path, int]]


def of_folders(folder: Path, classes: Sequence[str]) -> Labelled:
    """Every file in the folders that are named as classes; LabelError for another folder."""
    if not folder.is_dir():
        raise LabelError(f"there is no folder {folder}; give one with a folder for each class")
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not folders.is_private(path.name)
    )
    if not names:
        raise LabelError(f"{folder} has no folder in it; make one for each class, or give --labels")
    for name in names:
        label = _label(name, classes, f"the folder {folder / name}")
        for path in files_below(folder / name):
            yield path, label


def read_list(path: Path, classes: Sequence[str], node: int | None = None) -> dict[str, int]:
    """Labels by images of a CSV file whose heading has `image` and `label`; LabelError where a line
    says what cannot be.

    A host's answers have further columns, which mean nothing here but `node`: of several nodes it
    must be said which one counts.
    """
    try:
        text = durable.read_small(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path} cannot be read ({error}); give a CSV file in UTF-8") from None
    rows = csv.DictReader(text.splitlines())
    if not {"image", "label"} <= {*(rows.fieldnames or ())}:
        raise LabelError(f"{path}: the first line must be a heading with image and label")
    found: dict[str, int] = {}
    nodes: set[str] = set()
    for number, row in enumerate(rows, 2):
        if (told := row.get("node")) and node is not None and told != str(node):
            continue
        nodes.add(told or "")
        if row["image"] and row["label"]:  # a line of an error has none
            found[row["image"]] = _label(row["label"], classes, f"{path}, line {number}")
    if len(nodes) > 1:
        raise LabelError(f"{path} is of nodes {', '.join(sorted(nodes))}; say which: --node NUMBER")
    return found


def of_list(folder: Path, listed: Mapping[str, int]) -> Labelled:
    """Every image that a list names, relative to the folder; LabelError for one outside of it."""
    for name, label in listed.items():
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise LabelError(f"{name} of the list lies outside of {folder}")
        yield folder / name, label


def of_console(
    path: Path, listed: Mapping[str, int], shape: tuple[int, int, int]
) -> Iterator[tuple[np.ndarray, int]]:
    """Those of a node's images, as its encoder saw them, that a list names by their numbers."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                told = json.loads(line)
                if told["event"] != "image" or str(told["image"]) not in listed:
                    continue
                captured = Captured.from_json(told)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise LabelError(
                    f"{path}, line {number} is none that a node printed; give what "
                    "`latentlink node --console json` wrote"
                ) from None
            if captured.shape != shape:
                raise LabelError(
                    f"{path}: the node's images are {captured.shape}, the network takes {shape}; "
                    "learn with a network of the node's own images"
                )
            pixels = np.frombuffer(captured.pixels, np.uint8).reshape(shape)
            yield pixels, listed[str(captured.image)]


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
