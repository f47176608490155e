"""A person's folders, or a list of labels, become the shard that a node learns from."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device.training.labels import (
    LabelError,
    images,
    of_console,
    of_folders,
    of_list,
    read_list,
)
from host_decoder.view.csv_lines import csv_lines
from link.output import Captured
from tests.worlds.learning_device import LearningDevice

ROOT = Path(__file__).parents[3]
CLASSES = ("digit 0", "digit 1", "digit 2")


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    for label, name in enumerate(CLASSES[:2]):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            pixels = np.full((20, 16, 3), 100 * label + number, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    (folder / ".thumbnails").mkdir()
    return folder


def learn_shard(run: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "latentlink", "learn", "shard", "--run", str(run)]
    return subprocess.run(
        [*command, "--out", str(out), *words], cwd=ROOT, capture_output=True, text=True
    )


def test_folders_become_a_shard(photos, tmp_path):
    device = LearningDevice(tmp_path)
    (photos / "digit 0" / "torn.png").write_bytes(b"\x89PNG no more")
    done = learn_shard(device.run.path, tmp_path / "new", str(photos))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/new: 6 images of 8 × 8\n"
    assert "torn.png cannot be read and is skipped" in done.stderr
    labels = np.load(tmp_path / "new" / "labels.npy")
    found = np.load(tmp_path / "new" / "images.npy")
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 102]


def test_a_list_says_which_image_is_what(photos, tmp_path):
    device = LearningDevice(tmp_path)
    listed = tmp_path / "labels.csv"
    listed.write_text("image,label\ndigit 0/1.png,digit 1\ndigit 1/2.png,digit 2\n")
    done = learn_shard(device.run.path, tmp_path / "new", "--labels", str(listed), str(photos))
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "new" / "labels.npy").tolist() == [1, 2]
    assert np.load(tmp_path / "new" / "images.npy")[:, 0, 0, 0].tolist() == [1, 102]


def test_without_an_image_the_shard_that_was_there_stays(photos, tmp_path):
    device = LearningDevice(tmp_path)
    before = (device.folder / "shard" / "labels.npy").read_bytes()
    for path in photos.rglob("*.png"):
        path.unlink()
    done = learn_shard(device.run.path, device.folder / "shard", str(photos))
    assert done.returncode == 1
    assert "no image for" in done.stderr
    assert (device.folder / "shard" / "labels.npy").read_bytes() == before


def test_a_folder_of_no_class_of_the_run_is_named(photos):
    (photos / "zebra").mkdir()
    with pytest.raises(LabelError, match=r"the run has no class zebra; it has digit 0, digit 1"):
        list(of_folders(photos, CLASSES))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a.png,digit 0", "must be a heading with image and label"),
        ("image,label\na.png,cat", "line 2: the run has no class cat"),
        ("node,image,label\n1,5,digit 0\n2,5,digit 1", "is of nodes 1, 2; say which: --node"),
    ],
)
def test_a_list_that_cannot_be_is_refused(tmp_path, text, sentence):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(LabelError, match=sentence):
        read_list(tmp_path / "labels.csv", CLASSES)


def test_an_image_outside_of_the_folder_is_none_of_its_own(photos):
    with pytest.raises(LabelError, match=r"\.\./a.png of the list lies outside of"):
        list(of_list(photos, {"../a.png": 0}))


def test_a_hosts_answers_label_what_the_node_printed(tmp_path):
    device = LearningDevice(tmp_path)
    printed = [
        Captured(n, None, bytes([n]) * 64, (8, 8, 1), 5, 1, {}).to_json() for n in range(40, 44)
    ]
    lines = [*printed, {"event": "done", "images": 4}]
    (tmp_path / "images.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = [(7, 40, "digit 3"), (7, 40, "digit 5"), (8, 41, "digit 1"), (7, 43, "digit 0")]
    answers = [
        {"received_s": 1e9, "node": node, "image": image, "label": label, "alive": ()}
        for node, image, label in told
    ]
    (tmp_path / "answers.csv").write_text("\n".join(csv_lines(answers)) + "\n")
    words = ("--labels", str(tmp_path / "answers.csv"), "--node", "7")
    done = learn_shard(device.run.path, tmp_path / "new", *words, str(tmp_path / "images.jsonl"))
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "new" / "labels.npy").tolist() == [5, 0]
    assert np.load(tmp_path / "new" / "images.npy")[:, 0, 0, 0].tolist() == [40, 43]


def test_images_of_another_size_and_other_lines_are_refused(tmp_path):
    path = tmp_path / "images.jsonl"
    path.write_text(json.dumps(Captured(1, None, bytes(12), (2, 2, 3), 5, 1, {}).to_json()))
    with pytest.raises(LabelError, match="the network takes"):
        list(of_console(path, {"1": 0}, (8, 8, 1)))
    path.write_text("nonsense")
    with pytest.raises(LabelError, match="line 1 is none that a node printed"):
        list(of_console(path, {"1": 0}, (8, 8, 1)))


def test_grey_networks_are_given_grey_images(photos):
    labelled = iter([(photos / "digit 1" / "0.png", 1)])
    [(pixels, label)] = images(labelled, (8, 8, 1), print)
    assert (pixels.shape, pixels.dtype, label) == ((8, 8, 1), np.uint8, 1)
