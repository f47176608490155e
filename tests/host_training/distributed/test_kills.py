"""Kills: a run whose process is killed at random moments, devices and server in it, ends with the
same hash as one that nobody touched, and counts nothing twice.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.scale import size

WORDS = [
    "-m",
    "host_training",
    "global",
    "--dataset",
    "digits",
    "--n-devices",
    "8",
    "--n-groups",
    "2",
    "--batch-images",
    "16",
    "--epochs",
    "1.5",
    "--up-bytes",
    "1500",
    "--down-bytes",
    "2000",
    "--slow-share",
    "0.2",
    "--run",
]
START_S = 300.0
"A busy machine may take so long to load everything."


def begun(folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *WORDS, str(folder)], stderr=subprocess.DEVNULL)


def lines_of(folder: Path) -> list[dict]:
    path = folder / "rounds.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]


def killed_after(folder: Path, n_rounds: int, more_s: float) -> None:
    with begun(folder) as process:
        waited_until = time.monotonic() + START_S
        while len(lines_of(folder)) < n_rounds and process.poll() is None:
            assert time.monotonic() < waited_until
            time.sleep(0.02)
        time.sleep(more_s)
        process.kill()


def test_a_run_that_is_killed_again_and_again_ends_with_the_undisturbed_hash(tmp_path):
    draw = random.Random(0)
    with begun(tmp_path / "undisturbed") as process:
        assert process.wait(timeout=2 * START_S) == 0
    wanted = lines_of(tmp_path / "undisturbed")
    folder = tmp_path / "killed"
    n_kills = size(2, 50)
    for _ in range(n_kills):
        left = len(wanted) - len(lines_of(folder)) - 2
        if left < 2:
            break
        step = max(1, round(left / 3 * draw.random()))
        killed_after(folder, len(lines_of(folder)) + step, 0.2 * draw.random())
    with begun(folder) as process:
        assert process.wait(timeout=2 * START_S) == 0
    found = lines_of(folder)
    assert [line["hash"] for line in found] == [line["hash"] for line in wanted]
    counted = [tuple(which) for line in found for which in line["accepted"]]
    assert len(counted) == len(set(counted))
