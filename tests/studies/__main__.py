"""`python -m tests.studies`: the studies there are, the command of each, and whether its result is
here.
"""

import importlib
import json
from pathlib import Path

from link.output.results import FOLDER
from tests.studies.common import SIZES
from tests.studies.recipe import EPOCHS

SIZED = f"[--size {'|'.join(SIZES)}] [--datasets NAME …]"
STUDIES = {
    "duphil": SIZED,
    "robustness": SIZED,
    "nair": SIZED,
    "recipe": f"[--size {'|'.join(EPOCHS)}]",
    "rivals": "[--bundles FOLDER …] [--parts PART …]",
    "tasks": "[--bundle FOLDER …]",
}
"""Modules of this package and what they take; each writes results/study-NAME….json and
docs/study-NAME….svg.
"""
OTHERS = {
    "verdicts-cifar10": "make verdicts DATASET=cifar10",
    "bench-cifar10": "make bench DATASET=cifar10",
    "seeds-digits": "make seeds",
    "faults": "python -m tests.studies.faults",
}
"Studies of the release and of the link that belong to the picture too."


def described(study: str) -> str:
    doc = importlib.import_module(f"tests.studies.{study}").__doc__ or ""
    return doc.partition(": ")[2].partition("\n")[0]


def results_files() -> list[tuple[str, Path]]:
    """Each study's results files, of whatever size."""
    return [
        (study, path) for study in STUDIES for path in sorted(FOLDER.glob(f"study-{study}*.json"))
    ]


def state(paths: list[Path]) -> str:
    lines = [
        f"{path}, revision {json.loads(path.read_text(encoding='utf-8'))['commit'][:12]}"
        for path in paths
    ]
    return "; ".join(lines) or "no result here yet"


def main() -> None:
    for study, options in STUDIES.items():
        print(f"{study:18} {described(study)}")
        print(f"{'':18} python -m tests.studies.{study} {options}")
        print(f"{'':18} {state([path for name, path in results_files() if name == study])}")
    for study, typed in OTHERS.items():
        print(f"{study:18} {typed}\n{'':18} {state(list(FOLDER.glob(f'{study}.json')))}")


if __name__ == "__main__":
    main()
