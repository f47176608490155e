"""Catalogue: the studies there are, and the files that each writes."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent
STUDIES = {
    "fog": "results/study-fog-*.json",
    "fog_live": "results/fog-live.json",
    "global_real": "results/global-real.json",
    "duphil": "results/study-duphil-*.json",
    "global_training": "results/study-global-*.json",
    "global_scale": "results/global-scale.json",
    "robustness": "results/study-robustness-*.json",
    "nair": "results/study-nair-*.json",
    "recipe": "results/study-recipe-*.json",
    "rivals": "results/study-rivals.json",
    "tasks": "results/study-tasks-*.json",
    "universal": "results/study-universal.json",
    "rate": "results/study-rate.json",
    "bench": "results/bench*.json",
    "seeds": "results/seeds-*.json",
    "verdicts": "results/verdicts-*.json",
    "photos": "results/photos-*.json",
    "gate": "results/gate.json",
    "learn": "results/learn.json",
    "simulation": "results/link-simulation.json",
    "many_nodes": "results/link-many-nodes.json",
    "erasure": "results/link-erasure.json",
    "kills": "results/link-kills.json",
    "fuzz": "results/link-fuzz.json",
    "fleet": "results/fleet.json",
    "faults": "results/faults.json",
    "aarch64": "results/aarch64-*.json",
    "install": "results/install.json",
    "boot_image": "results/boot-*.json",
    "power_cuts": "results/power-cuts.json",
    "scenarios": "results/scenarios.json",
    "report": "docs/results.md",
    "plot": "docs/accuracy-over-bytes.svg",
}
"What each study writes, seen from the project's folder; the last two draw from what others wrote."


def source(study: str) -> Path:
    """A study is a file of its name, or study.py in a folder of its name."""
    file = FOLDER / f"{study}.py"
    return file if file.is_file() else FOLDER / study / "study.py"


def module(study: str) -> ModuleType:
    """It has `main(options)`, which may give an exit code, and `parser()` where it takes any."""
    path = source(study).relative_to(FOLDER.parent.parent).with_suffix("")
    return importlib.import_module(".".join(path.parts))


def about(study: str) -> tuple[str, str]:
    """The idea, in a line, and what else there is to say, both from the head of its file."""
    text = ast.get_docstring(ast.parse(source(study).read_text(encoding="utf-8"))) or ""
    first, _, rest = text.partition("\n\n")
    return " ".join(first.partition(": ")[2].split()).rstrip("."), rest


def written(study: str) -> list[Path]:
    """What is here of it."""
    return sorted(Path().glob(STUDIES[study]))
