"""Rows: arms that a study holds against each other, measured seed by seed, and kept in its results
as they grow: what is there of the same settings is not measured again, whoever measured it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One arm with one seed, measured."""

    arm: str
    seed: int
    sha256: str
    "What it was made by, settings and all."
    commit: str
    figures: dict[str, Any]


class Rows:
    """All that is measured, in the order of the arms."""

    def __init__(self, path: Path, arms: Sequence[str], made_by: str) -> None:
        """From a results file, where there is one; `made_by`: what it calls `sha256`."""
        self.path, self._arms, self._made_by = path, arms, made_by
        self.known: list[Row] = []
        if path.exists():
            for stored in json.loads(path.read_text(encoding="utf-8"))["rows"]:
                sha256 = stored.pop(made_by)
                self.known.append(Row(sha256=sha256, **stored))

    def has(self, arm: str, seed: int, sha256: str) -> bool:
        return any((row.arm, row.seed, row.sha256) == (arm, seed, sha256) for row in self.known)

    def add(self, row: Row) -> None:
        others = [each for each in self.known if (each.arm, each.seed) != (row.arm, row.seed)]
        self.known = sorted(
            [*others, row], key=lambda each: (self._arms.index(each.arm), each.seed)
        )

    def of(self, arm: str) -> Iterator[dict[str, Any]]:
        """The figures of each seed."""
        return (row.figures for row in self.known if row.arm == arm)

    @property
    def seeds(self) -> list[int]:
        return sorted({row.seed for row in self.known})

    def stored(self) -> list[dict[str, Any]]:
        """As they stand in the file."""
        return [
            {
                "arm": row.arm,
                "seed": row.seed,
                self._made_by: row.sha256,
                "commit": row.commit,
                "figures": row.figures,
            }
            for row in self.known
        ]
