"""Results: whatever measures writes <study>.json in one shape, so that any figure can be traced.

The project's own figures are kept in results/. What somebody measures goes to runs/results, which
is nobody's evidence and in no repository.
"""

import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from link.base import durable

FOLDER, OWN = Path("results"), Path("runs/results")
RESULTS = "LATENTLINK_RESULTS"
"The variable of the environment that names the folder for whoever names none; else FOLDER."
NOT_SOURCE = (f":(top,exclude){FOLDER}", ":(top,exclude)docs/*.svg")
STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def write_result(
    study: str,
    figures: Mapping[str, Any],
    *,
    command: str,
    seeds: Sequence[int] = (),
    extra: Mapping[str, Any] | None = None,
    folder: Path | str | None = None,
) -> Path:
    """Write <study>.json and return its path; `figures` are numbers by name, `extra` adds further
    keys.
    """
    result = {
        **(extra or {}),
        "study": study,
        "commit": commit(),
        "command": command,
        "machine": machine(),
        "seeds": [int(seed) for seed in seeds],
        "figures": {name: _plain_number(name, value) for name, value in figures.items()},
    }
    check_result(result)
    path = Path(folder or os.environ.get(RESULTS) or FOLDER) / f"{study}.json"
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    with durable.whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return path


def check_result(result: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the key, unless the result has the one shape."""
    kinds = {
        "study": str,
        "commit": str,
        "command": str,
        "machine": dict,
        "seeds": list,
        "figures": dict,
    }
    for key, kind in kinds.items():
        if type(result.get(key)) is not kind:
            raise ValueError(
                f"result has {key} = {result.get(key)!r}, it must be a {kind.__name__}"
            )
        if not result[key] and key != "seeds":
            raise ValueError(f"result has an empty {key}")
    if not STUDY_NAME.fullmatch(result["study"]):
        raise ValueError(
            f"study '{result['study']}' is no file name; use a-z, 0-9, '.', '_' and '-'"
        )
    for seed in result["seeds"]:
        if type(seed) is not int:
            raise ValueError(f"result has the seed {seed!r}, it must be an integer")
    for name, value in result["figures"].items():
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"figure {name} is {value!r}, it must be a finite number")
    for key in ("cpu", "cores", "os"):
        if not result["machine"].get(key):
            raise ValueError(f"result does not say the machine's {key}")


def commit() -> str:
    """The git revision of the working folder, with -dirty when tracked files differ from it, or
    "unknown".

    Result files and plots do not count: one study must not make the next one's revision doubtful.
    """
    revision = _git("rev-parse", "HEAD")
    if not revision:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", *NOT_SOURCE)
    return f"{revision}-dirty" if changed else revision


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, operating system and Python."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "os": platform.platform(),
        "python": platform.python_version(),
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [
        line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))
    ]
    return names[0] if names else platform.processor() or platform.machine()


def _plain_number(name: str, value: Any) -> float:
    """A numpy scalar becomes the Python number that JSON can hold."""
    number = value.item() if hasattr(value, "item") else value
    if type(number) not in (int, float):
        raise ValueError(f"figure {name} is {value!r}, it must be a number")
    return number
