"""Folders of photos as people lay them out: splits, classes, hidden copies."""

import os
import shutil

import pytest

from host_training.data.dataset import DataSetError
from tests.worlds.photo_folders import counts, read, write_photos


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
    assert "(test drawn photo by photo: no class is known to have several series)" in said[0]


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


def test_what_nobody_has_labelled_is_left_out_and_said(tmp_path, said):
    for name in ("open", "shut", "cluster-03", "maybe-open-12"):
        write_photos(tmp_path / name, 10)
    write_photos(tmp_path / "open" / "cluster-01", 4, 100)  # put into a class, it is of that
    write_photos(tmp_path / ".collected", 9)
    (tmp_path / "contact-sheet.html").write_text("a page")
    data = read(tmp_path, said)
    assert data.classes == ("open", "shut")
    assert sum(map(sum, counts(data))) == 24
    assert said[0] == (
        "left out, since nobody has labelled them: cluster-03, maybe-open-12; a folder becomes a "
        "class when it is renamed"
    )


def test_where_nothing_has_a_label_training_says_so(tmp_path, said):
    for number in range(9):
        write_photos(tmp_path / f"cluster-{number:02d}", 1)
    with pytest.raises(DataSetError, match="holds 0 class folders"):
        read(tmp_path, said)
    assert said[0].startswith("left out, since nobody has labelled them: cluster-00, ")
    assert "cluster-05 and 3 more; a folder" in said[0]
