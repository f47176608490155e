"""All tests on a bare machine: one whose PATH leads to no outside program."""

import tempfile
from pathlib import Path

from tests.programs import link_all_but_these
from tests.studies.faults.pytest_run import run


def measure() -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        link_all_but_these(Path(folder))
        counts = run("-n", "2", "--dist", "loadfile", environment={"PATH": folder})
    return {f"bare_machine_{outcome}": n for outcome, n in counts.items()}
