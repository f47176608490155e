"""Kills: a run whose process is killed at random moments, devices and server in it, ends with the
hash of one that nobody touched and that counted the same updates, and counts nothing twice.
"""

import json
import random
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import torch

from host_training.data.catalogue import load
from host_training.distributed.simulation.plan import Plan
from host_training.distributed.simulation.run import Run
from host_training.distributed.simulation.simulator import replay
from host_training.presets import recipe
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
    "0.8",
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


def again(folder: Path) -> bytes:
    """The hash of an undisturbed run that counts what that one did, in one process."""
    said = json.loads((folder / "global.json").read_text())
    plan = Plan(**{each.name: said[each.name] for each in fields(Plan)})
    torch.set_num_threads(1)
    run = Run(load("digits"), recipe(said["preset"]), plan)
    accepted = [
        [(device, made_in) for device, made_in in line["accepted"]] for line in lines_of(folder)
    ]
    trained = json.loads((folder / "server/trained.json").read_text())
    return replay(
        run.server, run.simulator.device, accepted, {(one, made) for one, made in trained}
    )


def test_a_run_that_is_killed_again_and_again_is_one_that_was_not_and_counted_the_same(tmp_path):
    """Which updates come too late is another matter: a server that was killed knows no times."""
    draw = random.Random(0)
    n_kills, n_rounds = size(2, 50), 16
    for kill in range(n_kills):
        n_done = len(lines_of(tmp_path))
        step = max(1, round((n_rounds - 2 - n_done) / (n_kills - kill + 1) * 2 * draw.random()))
        killed_after(tmp_path, min(n_done + step, n_rounds - 2), 0.2 * draw.random())
    with begun(tmp_path) as process:
        assert process.wait(timeout=2 * START_S) == 0
    lines = lines_of(tmp_path)
    assert [line["round"] for line in lines] == [*range(n_rounds)]
    assert lines[-1]["hash"] == again(tmp_path).hex()
    counted = [tuple(which) for line in lines for which in line["accepted"]]
    assert len(counted) == len(set(counted))
