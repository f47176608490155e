"""A run of the project's own tests, in a process of its own, as figures."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, int]:
    """Tests passed, failed (errors too) and skipped; RuntimeError when pytest could not even
    begin.
    """
    command = [sys.executable, "-m", "pytest", "--no-header", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | (environment or {}), capture_output=True, text=True
    )
    found = {
        name.rstrip("s"): int(n)
        for n, name in COUNT.findall(done.stdout.strip().rpartition("\n")[2])
    }
    if done.returncode not in (0, 1) or not found:
        raise RuntimeError(
            f"pytest {' '.join(arguments)} ended with {done.returncode}: {done.stdout[-500:]}"
        )
    failed = found.get("failed", 0) + found.get("error", 0)
    return {"passed": found.get("passed", 0), "failed": failed, "skipped": found.get("skipped", 0)}


def failing(tests: Mapping[str, Sequence[str]]) -> list[str]:
    """Names whose tests do not all pass; a test that is skipped shows nothing and fails its
    name.
    """
    counts = {name: run(*ids) for name, ids in tests.items()}
    return [
        name
        for name, count in counts.items()
        if count["failed"] or count["skipped"] or not count["passed"]
    ]
