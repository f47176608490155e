"""Sorting: pictures that were fetched go into folders, a cluster each, and whoever renames a folder
has labelled it.

    to-label/cluster-01/  maybe-open-2/ …   one folder per cluster, with the label that it may have
    to-label/open/                          what a person made of one: a class
    to-label/contact-sheet.html             all of them on one page
    to-label/.collected/                    as they were fetched; training looks at nothing hidden

A picture is sorted once: those that a person has moved or deleted stay so. Where it is broken off,
what lies in a folder already counts as sorted.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host_decoder.collect.clusters import cluster, usual_number
from host_decoder.collect.gathered import Gathered, own_name
from host_decoder.collect.guesses import majority
from link.album import cluster_name, from_bytes, is_unlabelled
from link.base import durable
from link.picture import files_below, folders

COLLECTED = ".collected"
STATE, STATE_FORMAT = "sorted.json", 1


@dataclass(frozen=True)
class Folder:
    """A folder of pictures, and how many."""

    path: Path
    n_pictures: int

    @property
    def is_labelled(self) -> bool:
        return not is_unlabelled(self.path.name)

    def __str__(self) -> str:
        return f"{self.path.name} ({self.n_pictures})"


def sort(
    out: Path,
    pictures: Sequence[Gathered],
    guess: Callable[[Sequence[Gathered]], Sequence[str]],
    n_clusters: int | None = None,
) -> list[Folder]:
    """Put those that are new into folders of `out`; the folders that are made. `guess`: what each
    of some pictures may show.
    """
    before = _sorted_before(out)
    new = [one for one in pictures if one.path.stem not in before]
    if not new:
        return []
    made: list[Folder] = []
    for alike in _comparable(new):
        made += _sort_alike(out, alike, list(guess(alike)), n_clusters)
    state = {"format": STATE_FORMAT, "names": sorted(before | {one.path.stem for one in new})}
    durable.write_state(out / COLLECTED / STATE, state)
    return made


def folders_of(out: Path) -> list[Folder]:
    """Every folder that holds pictures, by name."""
    inner = sorted(path for path in out.iterdir() if path.is_dir()) if out.is_dir() else []
    found = [
        Folder(path, len(files_below(path))) for path in inner if not folders.is_private(path.name)
    ]
    return [one for one in found if one.n_pictures]


def _sort_alike(
    out: Path, pictures: Sequence[Gathered], labels: Sequence[str], n_clusters: int | None
) -> Iterator[Folder]:
    clusters = cluster(
        np.array([one.symbols for one in pictures]), n_clusters or usual_number(len(pictures))
    )
    first = _next_number(out)
    for number in range(clusters.n):
        places = clusters.of(number)
        label = majority([labels[place] for place in places])
        folder = out / cluster_name(first + number, label)
        folder.mkdir(parents=True, exist_ok=True)
        for one in (pictures[place] for place in places):
            kept = from_bytes(one.path.read_bytes())
            with durable.whole(folder / (one.stem + kept.ending)) as unfinished:
                unfinished.write_bytes(kept.picture)
            if one.unix_s is not None:
                os.utime(folder / (one.stem + kept.ending), (one.unix_s, one.unix_s))
        yield Folder(folder, len(places))


def _comparable(pictures: Sequence[Gathered]) -> Iterator[list[Gathered]]:
    """Latents of two bundles have nothing to do with each other."""
    kinds = dict.fromkeys((one.bundle, len(one.symbols)) for one in pictures)
    for kind in kinds:
        yield [one for one in pictures if (one.bundle, len(one.symbols)) == kind]


def _sorted_before(out: Path) -> set[str]:
    """Names of what was sorted, by the state, and by what lies in folders."""
    found = {own_name(path.stem) for path in files_below(out)}
    with suppress(OSError, ValueError, KeyError, TypeError):
        found |= set(durable.read_state(out / COLLECTED / STATE, STATE_FORMAT)["names"])
    return found


def _next_number(out: Path) -> int:
    """Above all that a folder is called by."""
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    numbers = [int(re.findall(r"\d+$", name)[0]) for name in names if is_unlabelled(name)]
    return max(numbers, default=0) + 1
