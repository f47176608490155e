"""Folders of photos as people have them: splits, hidden copies, uneven classes, the same photo
twice.
"""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from host_training.__main__ import main
from host_training.data.dataset import DataSetError
from host_training.data.image_folder import load
from tests.worlds.photo_folders import read, write_photos
from tests.worlds.photos import write_odd_photos


def test_many_files_that_are_no_pictures_are_counted_and_not_listed(tmp_path, said):
    for label in ("cat", "dog"):
        write_photos(tmp_path / label, 25)
    for number in range(30):
        (tmp_path / "cat" / f"{number}.xml").write_text("<annotation/>")
    read(tmp_path, said)
    assert Counter("cannot be read and" in line for line in said)[True] == 6
    assert "25 more files in" in said[5]


def test_more_photos_than_fit_into_memory_are_refused_before_they_are_read(tmp_path, said):
    for label in ("cat", "dog"):
        write_photos(tmp_path / label, 3)
    with pytest.raises(
        DataSetError, match=r"6 images of 1000000 x 1000000 .* take 36000\.0 GB .*IMAGE_SIZE"
    ):
        load(tmp_path, 1_000_000, said.append)


def test_of_a_folder_of_odd_photos_training_takes_what_can_be_seen_and_names_the_rest(
    tmp_path, capfd
):
    n_seen, unread = write_odd_photos(tmp_path / "pets" / "cat")
    write_photos(tmp_path / "pets" / "dog", 25)
    words = ["replay", "--dataset", str(tmp_path / "pets"), "--out", str(tmp_path / "replay.npz")]
    assert main(words) == 0
    *said, counted, uneven, few, _ = capfd.readouterr().err.splitlines()
    assert [Path(line.split(" cannot be read and is skipped")[0]).name for line in said] == unread
    assert f"31 images of 2 classes (cat {n_seen}, dog 25)" in counted
    assert uneven.startswith("81% of the images are 'dog'")
    assert few.endswith("images teach little: cat 6")


def test_an_interrupt_while_photos_are_read_is_a_sentence(tmp_path):
    for label in ("cat", "dog"):
        folder = write_photos(tmp_path / "pets" / label, 1)
        for number in range(1, 4000):
            (folder / f"{number}.png").hardlink_to(folder / "0.png")
    command = [
        sys.executable,
        "-m",
        "host_training",
        "train",
        "--dataset",
        str(tmp_path / "pets"),
        "--run",
    ]
    process = subprocess.Popen([*command, str(tmp_path / "run")], stderr=subprocess.PIPE, text=True)
    while not is_reading(process, tmp_path / "pets"):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert error == "interrupted before it began; nothing is lost, the same command begins again\n"


def is_reading(process: subprocess.Popen, folder: Path) -> bool:
    """Whether the process has one of the photos open."""
    assert process.poll() is None
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            if folder in link.resolve().parents:
                return True
        except OSError:
            continue
    return False
