"""What is asked of a further decoder: other names for the same images, and a few examples of
something new.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from export import ExportError
from export.decoders.questions import NewClass, classes_of
from host_training.data.catalogue import load
from host_training.data.dataset import Augmentation, DataSet, Split
from link.bundle.image_spec import ImageSpec

NAMES = ("bird", "cat", "ship", "truck")


def small(classes: tuple[str, ...] = NAMES, coarse: tuple[str, ...] = ()) -> DataSet:
    """Twelve images; a class's superclass is half its number."""
    labels = np.arange(12) % 4
    split = Split(np.zeros((12, 8, 8, 3), np.uint8), labels, labels // 2 if coarse else None)
    return DataSet("small", classes, split, split, split, Augmentation(), coarse)


def test_living_follows_from_the_class(tmp_path):
    data = classes_of("living", small(), tmp_path)
    assert data.classes == ("not living", "living")
    for split in (data.train, data.validation, data.test):
        assert split.labels.tolist() == [1, 1, 0, 0] * 3


def test_living_follows_from_the_superclass_where_there_is_one(tmp_path):
    data = classes_of("living", small(("a", "b", "c", "d"), ("vehicles_1", "insects")), tmp_path)
    assert data.test.labels.tolist() == [0, 0, 1, 1] * 3


def test_coarse_is_the_superclass(tmp_path):
    data = classes_of("coarse", small(coarse=("animals", "machines")), tmp_path)
    assert data.classes == ("animals", "machines")
    assert data.test.labels.tolist() == [0, 0, 1, 1] * 3


@pytest.mark.parametrize(
    ("task", "data", "sentence"),
    [
        ("coarse", small(), "data set small has no superclasses; coarse is for cifar100"),
        (
            "living",
            small(("bird", "cat", "ship", "robot")),
            "has the class 'robot', and nobody said whether that lives",
        ),
        (
            "fine",
            small(),
            "data set small has no finer classes than its own; fine is for cifar100-coarse",
        ),
    ],
)
def test_a_task_that_a_data_set_cannot_teach_is_a_sentence(task, data, sentence, tmp_path):
    with pytest.raises(ExportError, match=sentence):
        classes_of(task, data, tmp_path)


def write_images(folder, n: int):
    folder.mkdir()
    for i in range(n):
        Image.new("RGB", (20, 10), (10 * i, 0, 0)).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_new_class_comes_from_a_folder_as_the_node_would_take_it(tmp_path, capsys):
    folder = write_images(tmp_path / "cup", 6)
    new = NewClass.find(str(folder), 4, 0, ImageSpec(8, 8, 1), tmp_path)
    assert re.search(r"notes\.txt cannot be read and is skipped", capsys.readouterr().err)
    assert new.name == "cup"
    assert (new.few.shape, new.test.shape) == ((4, 8, 8, 1), (2, 8, 8, 1))
    assert len(np.unique([*new.few[:, 0, 0, 0], *new.test[:, 0, 0, 0]])) == 6, (
        "each image is in one of the two"
    )


def test_a_new_class_of_a_data_set_learns_from_its_training_split_and_is_measured_on_its_test_split(
    tmp_path,
):
    data = load("digits")
    new = NewClass.find("digits:3", 5, 1, ImageSpec(8, 8, 1), tmp_path)
    assert np.array_equal(new.test, data.test.images[data.test.labels == 3])
    threes = data.train.images[data.train.labels == 3].tolist()
    assert all(image in threes for image in new.few.tolist())
    assert not np.array_equal(
        new.few, NewClass.find("digits:3", 5, 2, ImageSpec(8, 8, 1), tmp_path).few
    )


@pytest.mark.parametrize(
    ("where", "shots", "sentence"),
    [
        ("nothing", 5, "'nothing' is neither a folder here nor DATASET:CLASS"),
        ("digits:x", 5, "data set digits has no class 'x'; it has 0, 1"),
        ("digits:3", 0, "0 examples asked for; a new class needs at least one"),
        (
            "digits:3",
            10_000,
            r"digits:3 has \d+ images to learn from, 10000 are asked for; lower --shots",
        ),
    ],
)
def test_a_new_class_that_cannot_be_found_is_a_sentence(where, shots, sentence, tmp_path):
    with pytest.raises(ExportError, match=sentence):
        NewClass.find(where, shots, 0, ImageSpec(8, 8, 1), tmp_path)


def test_images_of_another_shape_are_refused(tmp_path):
    with pytest.raises(
        ExportError, match=r"digits has images \(8, 8, 1\), the bundle takes \(8, 8, 3\)"
    ):
        NewClass.find("digits:3", 5, 0, ImageSpec(8, 8, 3), tmp_path)
    with pytest.raises(ExportError, match=r"a folder gives square ones"):
        NewClass.find(str(write_images(tmp_path / "cup", 1)), 1, 0, ImageSpec(8, 10, 1), tmp_path)


def test_the_other_splits_stay_what_they_are(tmp_path):
    data = replace(small(), name="cifar10")
    assert classes_of("label", data, tmp_path) is data
