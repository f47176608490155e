"""Data sets by name, and a split as a file that a node replays."""

import numpy as np
import pytest

from host_training.data.catalogue import load, write_replay
from host_training.data.dataset import (
    DataSetError,
)


def test_a_data_set_that_is_not_there_is_named_with_what_there_is():
    with pytest.raises(
        DataSetError,
        match=r"'imagenet' is neither digits, cifar10, cifar100, cifar100-coarse nor a folder",
    ):
        load("imagenet")


def test_a_replay_holds_images_and_true_labels_and_no_pickle(tmp_path):
    data = load("digits")
    write_replay(data.test, data.classes, tmp_path / "replay.npz")
    with np.load(tmp_path / "replay.npz", allow_pickle=False) as replay:
        np.testing.assert_array_equal(replay["images"], data.test.images)
        np.testing.assert_array_equal(replay["labels"], data.test.labels)
        assert replay["classes"].tolist() == list(data.classes)


def test_of_a_split_that_is_sorted_by_class_a_limited_replay_shows_every_class(tmp_path):
    data = load("digits")
    by_class = data.test.subset(np.argsort(data.test.labels, kind="stable"))
    for name in ("a.npz", "b.npz"):
        write_replay(by_class, data.classes, tmp_path / name, limit=60)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as replay:
        assert len(replay["images"]) == len(replay["labels"]) == 60
        assert set(replay["labels"]) == set(range(10))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
