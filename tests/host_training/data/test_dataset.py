from dataclasses import replace

import numpy as np
import pytest

from host_training.data.catalogue import load
from host_training.data.dataset import (
    DataSetError,
    corrupt_labels,
    stratified_holdout,
    with_corrupted_labels,
)
from tests.worlds.small_data import make_image_folder


def test_a_holdout_takes_the_same_fraction_of_every_class():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    kept, held_out = stratified_holdout(labels, 0.1)
    assert np.bincount(labels[held_out]).tolist() == [10, 5, 1]
    assert sorted([*kept, *held_out]) == list(range(160))


def test_corruption_draws_a_ratio_of_labels_anew_the_true_one_among_them():
    labels = np.zeros(20_000, np.int64)
    corrupted = corrupt_labels(labels, 0.3, 10, seed=10)
    assert (corrupted != labels).mean() == pytest.approx(0.27, abs=0.01)
    np.testing.assert_array_equal(corrupted, corrupt_labels(labels, 0.3, 10, seed=10))
    with pytest.raises(ValueError, match="between 0 and 1, not 30"):
        corrupt_labels(labels, 30, 10, seed=10)


def test_corruption_leaves_the_test_labels_clean():
    data = load("digits")
    noisy = with_corrupted_labels(data, 0.5, seed=1)
    assert (noisy.train.labels != data.train.labels).any()
    np.testing.assert_array_equal(noisy.test.labels, data.test.labels)


def test_a_folder_of_any_sizes_and_formats_becomes_a_data_set(tmp_path):
    data = load(str(make_image_folder(tmp_path / "pets", {"dog": 20, "cat": 10})), image_size=24)
    assert data.classes == ("cat", "dog")
    assert data.image_shape == (24, 24, 3)
    splits = (data.train, data.validation, data.test)
    assert [np.bincount(split.labels).tolist() for split in splits] == [[7, 14], [1, 2], [2, 4]]


def test_an_unreadable_image_is_named_and_skipped(tmp_path, capsys):
    folder = make_image_folder(tmp_path / "pets", {"cat": 5, "dog": 5})
    (folder / "cat" / "torn.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    whole = (folder / "cat" / "0.png").read_bytes()
    (folder / "dog" / "flipped.png").write_bytes(whole.replace(b"IDAT", b"I\xc4AT"))
    data = load(str(folder), image_size=16)
    unread = [
        line
        for line in capsys.readouterr().err.splitlines()
        if "cannot be read and is skipped" in line
    ]
    assert [line.split(" ")[0].rsplit("/", 1)[1] for line in unread] == ["torn.jpg", "flipped.png"]
    assert len(data.train) + len(data.validation) + len(data.test) == 10


def test_an_empty_class_is_an_error(tmp_path):
    folder = make_image_folder(tmp_path / "pets", {"cat": 5, "dog": 0})
    with pytest.raises(DataSetError, match=r"pets/dog holds 0 readable images.*removed"):
        load(str(folder), image_size=16)


def test_a_changed_image_makes_another_data_set():
    data = load("digits")
    images = data.test.images.copy()
    images[0, 0, 0] ^= 1
    assert data.sha256 == load("digits").sha256
    assert replace(data, test=replace(data.test, images=images)).sha256 != data.sha256
