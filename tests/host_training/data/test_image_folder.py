"""Folders of photos as people have them: splits, hidden copies, uneven classes, the same photo
twice.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from host_training.__main__ import main
from host_training.data.dataset import DataSetError
from host_training.data.image_folder import load
from tests.worlds.photos import write_odd_photos


def write_photos(folder: Path, n_images: int, first: int = 0) -> Path:
    """Photos that are all unlike, numbered from `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + n_images):
        pixels = np.random.default_rng([number, *folder.name.encode()]).integers(
            0, 255, (20, 24, 3), np.uint8
        )
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def said():
    return []


def read(folder: Path, said: list[str]):
    return load(folder, 16, said.append)


def counts(data) -> list[list[int]]:
    """Images of each class in train, validation and test."""
    splits = (data.train, data.validation, data.test)
    return [np.bincount(split.labels, minlength=len(data.classes)).tolist() for split in splits]


# --- layouts
# ------------------------------------------------------------------------------------------


def test_splits_that_are_there_are_taken(tmp_path, said):
    for split, n_images in (("train", 6), ("val", 2), ("test", 3)):
        for label in ("cat", "dog"):
            write_photos(tmp_path / split / label, n_images, 10 * n_images)
    data = read(tmp_path, said)
    assert data.classes == ("cat", "dog")
    assert counts(data) == [[6, 6], [2, 2], [3, 3]]
    assert "6 test" in said[0]
    assert "drawn" not in said[0]


@pytest.mark.parametrize(
    ("train", "validation"), [("Training", "valid"), ("TRAIN", "Validation"), ("train", "dev")]
)
def test_splits_have_many_names_and_what_is_missing_is_drawn(tmp_path, said, train, validation):
    for label in ("cat", "dog"):
        write_photos(tmp_path / train / label, 10)
        write_photos(tmp_path / validation / label, 3, 50)
    assert counts(read(tmp_path, said)) == [[8, 8], [3, 3], [2, 2]]
    assert "(test drawn)" in said[0]


def test_a_class_may_be_called_train(tmp_path, said):
    for label in ("train", "plane"):
        write_photos(tmp_path / "two" / label, 10)
        for split in ("train", "test"):
            write_photos(tmp_path / "in splits" / split / label, 10, 20 if split == "test" else 0)
    assert read(tmp_path / "two", said).classes == ("plane", "train")
    data = read(tmp_path / "in splits", said)
    assert data.classes == ("plane", "train")
    assert counts(data) == [[9, 9], [1, 1], [10, 10]]


def test_names_of_splits_without_classes_are_no_classes(tmp_path, said):
    for split in ("train", "test"):
        write_photos(tmp_path / split, 10)
    with pytest.raises(
        DataSetError, match="test and train, which are names of splits, but no class folders"
    ):
        read(tmp_path, said)


def test_a_test_split_without_labels_is_left_out_and_said(tmp_path, said):
    for label in ("cat", "dog"):
        write_photos(tmp_path / "train" / label, 10)
    write_photos(tmp_path / "test", 10)
    assert counts(read(tmp_path, said))[2] == [2, 2]
    assert (
        "test holds no class folders, so that its images have no labels: it is left out" in said[0]
    )


def test_a_class_of_the_test_split_that_nobody_trains_on_is_named(tmp_path, said):
    for split, labels in (("train", ("cat", "dog")), ("test", ("cat", "dogs"))):
        for label in labels:
            write_photos(tmp_path / split / label, 5)
    with pytest.raises(
        DataSetError,
        match=r"the test split of .* has the class 'dogs', which the one to train on has not",
    ):
        read(tmp_path, said)


@pytest.mark.parametrize("name", [b"a\nb", b"\x1b[2J", b"caf\xe9", b" "])
def test_a_class_whose_name_nobody_can_read_is_refused(tmp_path, said, name):
    write_photos(tmp_path / "dog", 4)
    write_photos(tmp_path / "cat", 4).rename(tmp_path / os.fsdecode(name))
    with pytest.raises(
        DataSetError, match=r"a class folder in .* is called '[ -~]+', which"
    ) as refused:
        read(tmp_path, said)
    assert str(refused.value).isprintable()


def test_a_folder_around_the_data_set_is_named(tmp_path, said):
    for label in ("cat", "dog"):
        write_photos(tmp_path / "pets" / label, 5)
    with pytest.raises(DataSetError, match=r"holds 1 class folders; .*pets holds 2: give that one"):
        read(tmp_path, said)


def test_nested_folders_links_and_any_alphabet_are_read(tmp_path, said):
    write_photos(tmp_path / "кошка" / "2024" / "май", 5)
    write_photos(tmp_path / "elsewhere", 5)
    (tmp_path / "pets").mkdir()
    shutil.move(tmp_path / "кошка", tmp_path / "pets")
    (tmp_path / "pets" / "кошка" / "back").symlink_to(tmp_path / "pets" / "кошка")
    (tmp_path / "pets" / "犬").symlink_to(tmp_path / "elsewhere")
    assert [sum(column) for column in zip(*counts(read(tmp_path / "pets", said)), strict=True)] == [
        5,
        5,
    ]


def test_what_systems_keep_in_a_class_is_not_trained_on(tmp_path, said):
    for label in ("cat", "dog"):
        folder = write_photos(tmp_path / label, 20)
        for private in (".ipynb_checkpoints", "@eaDir", "__MACOSX"):
            shutil.copytree(folder, tmp_path / "copy")
            shutil.move(tmp_path / "copy", folder / private)
    shutil.copytree(tmp_path / "cat", tmp_path / "__MACOSX")
    data = read(tmp_path, said)
    assert data.classes == ("cat", "dog")
    assert len(data.train) + len(data.validation) + len(data.test) == 40


# --- what is said
# ------------------------------------------------------------------------------------------


def test_every_class_is_counted_and_uneven_ones_are_named(tmp_path, said):
    for label, n_images in (("fox", 3), ("empty", 60), ("deer", 25)):
        write_photos(tmp_path / label, n_images)
    read(tmp_path, said)
    assert f"{tmp_path.name}: 88 images of 3 classes (deer 25, empty 60, fox 3); " in said[0]
    assert said[1:] == [
        "68% of the images are 'empty': whoever only ever says that is right as often",
        "fewer than 20 images teach little: fox 3",
    ]


def test_even_classes_give_no_cause_for_remarks(tmp_path, said):
    for label in ("cat", "dog"):
        write_photos(tmp_path / label, 25)
    read(tmp_path, said)
    assert len(said) == 1


def test_the_same_photo_in_two_splits_or_two_classes_is_said(tmp_path, said):
    for split, first in (("train", 0), ("test", 40)):
        for label in ("cat", "dog"):
            write_photos(tmp_path / split / label, 25, first)
    shutil.copy(tmp_path / "train" / "cat" / "3.png", tmp_path / "test" / "cat" / "again.png")
    Image.open(tmp_path / "train" / "dog" / "4.png").save(tmp_path / "test" / "dog" / "as a.bmp")
    shutil.copy(tmp_path / "test" / "cat" / "41.png", tmp_path / "test" / "dog" / "no dog.png")
    read(tmp_path, said)
    assert said[1:] == [
        "2 images are in two splits, so that the accuracy is flattered: train/cat/3.png and "
        "test/cat/again.png, "
        "for example; remove one of each",
        "1 image is in two classes, so that one of the labels is wrong: test/cat/41.png and "
        "test/dog/no dog.png, "
        "for example; remove one of each",
    ]


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
    *said, counted, uneven, few = capfd.readouterr().err.splitlines()
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
