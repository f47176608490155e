"""Rows: what is measured, one per task and seed, kept as it grows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from link.base import durable
from tests.studies.common import spread

Row = dict[str, float]


@dataclass(frozen=True, eq=False)
class Rows:
    """What is measured already, one row per task and seed, kept as it grows."""

    path: Path
    rows: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path) -> "Rows":
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def missing(self, name: str, seeds: Sequence[int]) -> list[int]:
        return [seed for seed in seeds if f"{name} {seed}" not in self.rows]

    def add(self, name: str, seed: int, row: Row) -> None:
        self.rows[f"{name} {seed}"] = row
        with durable.whole(self.path) as unfinished:
            unfinished.write_text(json.dumps(self.rows, indent=1))
        print(self.path.parent.name, name, seed, row, flush=True)

    def figures(self, seeds: Sequence[int]) -> Iterator[tuple[str, float]]:
        """Mean and standard deviation over these seeds, by task."""
        for name in dict.fromkeys(key.rpartition(" ")[0] for key in self.rows):
            rows = [row for seed in seeds if (row := self.rows.get(f"{name} {seed}"))]
            for figure, value in spread(rows).items() if rows else ():
                yield f"{name} {figure}", value


def plain(row: Mapping[str, Any]) -> Row:
    return {name: float(value) for name, value in row.items()}
