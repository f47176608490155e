"""What is said of photos: few, uneven and repeated ones."""

import shutil

from PIL import Image

from host_training.data.photo_remarks import mirroring
from tests.worlds.photo_folders import read, write_photos


def test_every_class_is_counted_and_uneven_ones_are_named(tmp_path, said):
    for label, n_images in (("fox", 3), ("empty", 60), ("deer", 25)):
        write_photos(tmp_path / label, n_images)
    read(tmp_path, said)
    assert f"{tmp_path.name}: 88 images of 3 classes (deer 25, empty 60, fox 3); " in said[0]
    assert said[1:-1] == [
        "68% of the images are 'empty': whoever only ever says that is right as often",
        "fewer than 20 images teach little: fox 3",
    ]


def test_even_classes_give_no_cause_for_remarks(tmp_path, said):
    for label in ("cat", "dog"):
        write_photos(tmp_path / label, 25)
    read(tmp_path, said)
    assert said[1:] == [
        "photos are mirrored left to right in training (FLIP=no turns it off: for text, signs, "
        "arrows, meters)"
    ]


def test_the_same_photo_in_two_splits_or_two_classes_is_said(tmp_path, said):
    for split, first in (("train", 0), ("test", 40)):
        for label in ("cat", "dog"):
            write_photos(tmp_path / split / label, 25, first)
    shutil.copy(tmp_path / "train" / "cat" / "3.png", tmp_path / "test" / "cat" / "again.png")
    Image.open(tmp_path / "train" / "dog" / "4.png").save(tmp_path / "test" / "dog" / "as a.bmp")
    shutil.copy(tmp_path / "test" / "cat" / "41.png", tmp_path / "test" / "dog" / "no dog.png")
    read(tmp_path, said)
    assert said[1:-1] == [
        "2 images are in two splits, so that the accuracy is flattered: train/cat/3.png and "
        "test/cat/again.png, for example; remove one of each",
        "1 image is in two classes, so that one of the labels is wrong: test/cat/41.png and "
        "test/dog/no dog.png, for example; remove one of each",
    ]


def test_whether_photos_are_mirrored_is_said_with_the_reason_and_the_remedy():
    assert mirroring(("left", "right"), False, None) == (
        "photos are not mirrored in training, as what is called left, right may not be the same in "
        "a mirror (FLIP=yes mirrors them)"
    )
    assert mirroring(("cat", "dog"), False, False) == (
        "photos are not mirrored in training (FLIP=yes mirrors them)"
    )
    assert "; left may not be the same in a mirror (FLIP=no" in mirroring(
        ("left", "up"), True, True
    )
