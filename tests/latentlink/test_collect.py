"""What a node kept is fetched, sorted, labelled by renaming, and trained on: the command itself, on
real latents of a bundle.
"""

import re
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from device.capture.source import Image
from device.collect.collect_config import CollectConfig
from device.collect.collector import Collector
from device.encoder.loading import load
from host_training.data import image_folder
from latentlink.collect import main
from link.album.kept import from_bytes
from link.picture.replay import Replay

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "models/digits"
N_IMAGES = 150


class Done(NamedTuple):
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def collect(capsys, monkeypatch, tmp_path):
    """Types `latentlink collect`, at a host that knows no node."""

    def typed(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["latentlink collect", *map(str, words)])
        monkeypatch.setenv("HOME", str(tmp_path))
        try:
            code = main()
        except SystemExit as end:
            code = int(str(end.code))
        return Done(code, *capsys.readouterr())

    return typed


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory):
    """The state folder of a node that saw digits and kept them; their labels by image."""
    folder = tmp_path_factory.mktemp("state")
    loaded, replay = load(DIGITS, None), Replay.read(DIGITS / "replay.npz")
    said: list[str] = []
    config = CollectConfig(interval_s=0.0)
    collector = Collector(config, folder, 5, loaded.bundle.id, None, said.append, 0)
    for number in range(N_IMAGES):
        pixels = replay.images[number]
        symbols = loaded.encode(pixels).symbols
        while not collector._waiting.empty():
            time.sleep(0.001)
        collector.offer(Image(pixels, 0.0), symbols, number, float(number), 1.8e9 + number)
    collector.close()
    assert said == []
    return folder, {number: str(replay.label(number)) for number in range(N_IMAGES)}


def image_of(path: Path, fetched: Path) -> int:
    [own] = fetched.glob(f"*{'-'.join(path.stem.split('-')[-2:])}.*")
    return from_bytes(own.read_bytes()).image


def test_from_a_node_s_folder_to_a_data_set(collect, state_dir, tmp_path):
    folder, labels = state_dir
    out = tmp_path / "to-label"
    done = collect(folder, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{folder}: {N_IMAGES} pictures fetched, 0 were here\n")
    clusters = sorted(out.glob("cluster-*"))
    assert len(clusters) == 12
    n_right = 0
    for cluster in clusters:  # as a person does, who looks at one
        seen = Counter(labels[image_of(path, out / ".collected")] for path in cluster.iterdir())
        [(label, n)] = seen.most_common(1)
        n_right += n
        (out / label).mkdir(exist_ok=True)
        shutil.move(cluster, out / label / cluster.name)
    assert n_right > 0.9 * N_IMAGES  # of ten digits, by chance 0.2

    again = collect(folder, "--out", out)
    assert again.stdout.startswith(f"{folder}: 0 pictures fetched, {N_IMAGES} were here\n")
    assert f"then: make train DATASET={out}" in again.stdout
    data = image_folder.load(out, 8, lambda sentence: None)
    assert set(data.classes) <= set(labels.values())
    assert len(data.train) + len(data.validation) + len(data.test) == N_IMAGES


def test_a_bundle_that_is_known_names_the_clusters(collect, state_dir, tmp_path):
    folder, labels = state_dir
    out = tmp_path / "to-label"
    done = collect(folder, "--out", out, "--bundle", DIGITS)
    assert done.returncode == 0, done.stderr
    n_right = n_named = 0
    for cluster in out.glob("maybe-*-*"):
        [guess] = re.findall("maybe-(.+)-[0-9]+", cluster.name)
        for path in cluster.iterdir():
            n_named += 1
            n_right += labels[image_of(path, out / ".collected")] == guess
    assert n_named > 0.7 * N_IMAGES
    assert n_right > 0.8 * n_named
    said = collect("--done", "--out", out)
    assert said.returncode == 0
    assert "without a label, and left out of training: " in said.stdout
    assert "make train" not in said.stdout


def test_what_was_fetched_goes_from_the_node_only_when_that_is_said(collect, state_dir, tmp_path):
    folder = shutil.copytree(state_dir[0], tmp_path / "state")
    where = ("--out", tmp_path / "a")
    collect(folder, *where)
    assert len(list((folder / "collected").iterdir())) == N_IMAGES
    done = collect(folder, *where, "--remove")
    assert f"{folder}: {N_IMAGES} pictures that are here are deleted there" in done.stdout
    assert list((folder / "collected").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "name a node's address or a folder of its pictures, or say --done"),
        (("./nowhere",), 1, "collect: there is no folder './nowhere'"),
        (("x", "--clusters", "0"), 2, "'0' is no number from 1 to 200"),
        ((ROOT / "docs",), 1, "no node kept pictures in"),
    ],
)
def test_what_cannot_be_is_a_sentence(collect, words, code, sentence):
    done = collect(*words)
    assert done.returncode == code
    assert sentence in " ".join(done.stderr.split())
