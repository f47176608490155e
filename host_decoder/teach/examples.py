"""Examples: what a question is learned from, whatever they came from: photos in a folder with a
folder for each class, or images that nodes sent and a person labelled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host_decoder.errors import HostError
from host_decoder.teach.encoder import encode
from link.bundle import Bundle
from link.picture import UnreadableImageError, files_below, fit, read_picture

LEAST = 2
"Examples of a class: one to learn from, one to try the others on."
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Examples:
    """Symbols with what they show."""

    classes: tuple[str, ...]
    symbols: np.ndarray
    "float32 (N, D): received symbols, expectations for those that are missing."
    labels: np.ndarray
    "int64 (N,): places in `classes`."
    source: str
    "In a word or two, for the bundle's manifest."

    @classmethod
    def of(cls, symbols: np.ndarray, names: Sequence[str], source: str) -> "Examples":
        """Symbols (N, D) and the name of what each shows; HostError where nothing can be learned
        from them.
        """
        classes, labels = np.unique(np.array(names, str), return_inverse=True)
        counts = np.bincount(labels, minlength=len(classes))
        if len(classes) < 2:
            found = f"all of one class, {classes[0]}" if len(classes) else "none"
            raise HostError(f"of {len(names)} examples are {found}; a question has two answers")
        if counts.min() < LEAST:
            few = classes[counts.argmin()]
            raise HostError(
                f"class {few} has {counts.min()} example; give at least {LEAST} of each, better ten"
            )
        names = tuple(map(str, classes))
        return cls(names, symbols.astype(np.float32), labels.astype(np.int64), source)


def of_folder(bundle: Bundle, folder: Path, say: Say) -> Examples:
    """Through the bundle's int8 encoder; what is no image is said and left out."""
    if not folder.is_dir():
        raise HostError(f"there is no folder {folder}; it holds a folder of photos for each class")
    if bundle.team is not None:
        raise HostError(
            f"bundle {bundle.path} is for a team of nodes, through which no folder goes; label "
            "images that the team sent (--store)"
        )
    images, names = [], []
    for place in sorted(one for one in folder.iterdir() if one.is_dir()):
        for path in files_below(place):
            try:
                picture = read_picture(path, at_least=max(bundle.image.shape[:2]))
            except UnreadableImageError as error:
                say(str(error))
                continue
            images.append(fit(picture, bundle.image.shape))
            names.append(place.name)
    if not images:
        raise HostError(
            f"{folder} holds no folder with photos; make one for each class, such as "
            f"{folder / 'open'} and {folder / 'closed'}"
        )
    return Examples.of(encode(bundle, np.stack(images)), names, folder.resolve().name)
