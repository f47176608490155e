"""Gathered: what was fetched from nodes, each picture with what its node knew of it, and dated.

A node may not know the time when it captures. It says how long after its start that was, and which
start: one moment of a start whose time is known dates all others of it, also those before. Where
the host told it a wrong time first, and the right one later, the later one counts.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from link.album import Kept, TornError, from_bytes, is_file_name, sequence_of
from link.base import boot_id, boot_s


@dataclass(frozen=True, eq=False)
class Gathered:
    """A picture that was fetched; the picture itself stays in its file."""

    path: Path
    node: int
    image: int
    bundle: str
    symbols: np.ndarray
    "int8 (D,)"
    boot: str
    captured_s: float
    unix_s: float | None

    @classmethod
    def of(cls, path: Path, kept: Kept) -> "Gathered":
        return cls(
            path,
            kept.node,
            kept.image,
            kept.bundle,
            kept.symbols,
            kept.boot,
            kept.captured_s,
            kept.unix_s,
        )

    @property
    def stem(self) -> str:
        """Its name wherever it goes: when it was captured, by which node, and its own. Those of one
        start that nobody dated have its name in the place of the day.
        """
        when = (
            f"undated-{self.boot[:4]}-{self.captured_s:08.0f}"
            if self.unix_s is None
            else time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.unix_s))
        )
        return f"{when}-node{self.node}-{self.path.stem}"


def own_name(stem: str) -> str:
    """What `stem` ends with: the name of the file that was fetched, which no two share."""
    return "-".join(stem.split("-")[-2:])


def gather(folder: Path) -> tuple[list[Gathered], list[str]]:
    """All pictures in a folder of fetched ones, in the order in which each node took them, and the
    names of those that are torn.
    """
    found, torn = [], []
    names = [name for name in _names(folder) if is_file_name(name)]
    for name in sorted(names, key=sequence_of):
        try:
            found.append(Gathered.of(folder / name, from_bytes((folder / name).read_bytes())))
        except TornError:
            torn.append(name)
    return list(dated(found)), torn


def dated(pictures: Sequence[Gathered]) -> Iterator[Gathered]:
    """With the time, where a picture of the same start has it, or that start goes on here."""
    offsets: dict[str, float] = {boot_id(): time.time() - boot_s()}
    latest: dict[str, float] = {boot_id(): float("inf")}
    for one in pictures:
        if one.unix_s is not None and one.captured_s >= latest.get(one.boot, 0.0):
            latest[one.boot] = one.captured_s
            offsets[one.boot] = one.unix_s - one.captured_s
    for one in pictures:
        offset_s = offsets.get(one.boot)
        yield one if offset_s is None else replace(one, unix_s=one.captured_s + offset_s)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
