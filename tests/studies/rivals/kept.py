"""Kept: what each part measured, so that parts may be run one by one."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from link.base import durable
from tests.studies.rivals.codecs import codecs
from tests.studies.rivals.coders import coders
from tests.studies.rivals.factorised_prior import (
    MissingError,
)
from tests.studies.rivals.inputs import FOLDER, Point, Study
from tests.studies.rivals.label import classifier, label
from tests.studies.rivals.prior import learned, prior

PARTS: dict[str, tuple[Callable[[Study], Iterator[Point]], tuple[str, ...]]] = {
    "coders": (coders, ("bundle",)),
    "prior": (prior, ("bundle", "seed")),
    "label": (label, ("bundle",)),
    "codecs": (codecs, ("checkpoint_sha256", "epochs", "images", "seed")),
    "learned": (learned, ("checkpoint_sha256", "seed")),
    "classifier": (classifier, ("checkpoint_sha256", "seed")),
}
"How each part is measured, and the inputs that its figures depend on."


def measure(study: Study, part: str) -> None:
    """Keep the part's points as they come, unless they are there already."""
    make, names = PARTS[part]
    kept: dict[str, Any] = {
        "inputs": {name: study.inputs[name] for name in names},
        "points": [],
        "missing": "unfinished",
    }
    before = kept_part(study, part)
    if before and not before["missing"]:
        return
    started = time.process_time()
    try:
        for point in make(study):
            print(f"{point.bytes_per_image:8.2f} B {point.accuracy:7.2%}  {point.name}", flush=True)
            kept["points"].append(asdict(point))
            keep(part_path(study, part), kept, started)
        kept["missing"] = ""
    except MissingError as error:
        print(error)
        kept["missing"] = str(error)
    keep(part_path(study, part), kept, started)


def part_path(study: Study, part: str) -> Path:
    """What depends on a bundle is kept for each."""
    return (
        FOLDER
        / f"part-{part}{f'-{study.bundle.id.hex()}' if 'bundle' in PARTS[part][1] else ''}.json"
    )


def keep(path: Path, kept: dict[str, Any], started: float) -> None:
    kept["processor_s"] = time.process_time() - started
    with durable.whole(path) as unfinished:
        unfinished.write_text(json.dumps(kept, indent=1))


def kept_part(study: Study, part: str) -> dict[str, Any] | None:
    """What was kept of a part, if it was measured with these inputs."""
    path = part_path(study, part)
    kept = json.loads(path.read_text()) if path.exists() else {"inputs": None}
    return kept if kept["inputs"] == {name: study.inputs[name] for name in PARTS[part][1]} else None
