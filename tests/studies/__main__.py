"""`python -m tests.studies`: the studies there are, the command of each, and whether its result is here."""

import importlib
import json
from pathlib import Path

from link.results import FOLDER

STUDIES = ("duphil", "robustness", "nair", "recipe", "rivals", "tasks")
"Modules of this package; each writes results/study-NAME.json and docs/study-NAME.svg."
OTHERS = {
    "verdicts-cifar10": "make verdicts DATASET=cifar10",
    "bench-cifar10": "make bench DATASET=cifar10",
    "seeds-digits": "make seeds",
}
"Studies of the release and of the link that belong to the picture too."


def described(study: str) -> str:
    doc = importlib.import_module(f"tests.studies.{study}").__doc__ or ""
    return doc.partition(": ")[2].partition("\n")[0]


def state(path: Path) -> str:
    if not path.exists():
        return "not here yet"
    result = json.loads(path.read_text(encoding="utf-8"))
    return f"{path}, revision {result['commit'][:12]}"


def main() -> None:
    for study in STUDIES:
        print(f"{study:18} {described(study)}")
        print(f"{'':18} python -m tests.studies.{study} [--size small|reduced|full]")
        print(f"{'':18} {state(FOLDER / f'study-{study}.json')}")
    for study, typed in OTHERS.items():
        print(f"{study:18} {typed}\n{'':18} {state(FOLDER / f'{study}.json')}")


if __name__ == "__main__":
    main()
