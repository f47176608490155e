"""CIFAR's official files are read, and what is no such file is named."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from host_training.data.catalogue import load
from host_training.data.dataset import (
    DataSetError,
)
from tests.worlds.small_data import CIFAR100_NAMES, write_cifar_100, write_official_cifar10


def test_a_copy_of_cifar_100_without_the_superclasses_names_is_read_without_them(tmp_path):
    write_cifar_100(tmp_path, {b"fine_label_names": 100})
    data = load("cifar100", tmp_path)
    assert (len(data.classes), data.coarse_classes) == (100, ())


def test_cifar_100_comes_with_fine_and_coarse_labels(tmp_path):
    write_cifar_100(tmp_path, CIFAR100_NAMES)
    data = load("cifar100", tmp_path)
    assert (len(data.classes), data.classes[42]) == (100, "fine_l 42")
    assert (len(data.coarse_classes), data.coarse_classes[7]) == (20, "coarse 7")
    for split in (data.train, data.validation, data.test):
        assert split.coarse_labels is not None
        np.testing.assert_array_equal(split.coarse_labels, split.labels // 5)
    superclasses = load("cifar100-coarse", tmp_path)
    assert superclasses.classes == data.coarse_classes
    np.testing.assert_array_equal(superclasses.test.images, data.test.images)
    np.testing.assert_array_equal(superclasses.train.labels, data.train.labels // 5)


def test_the_official_cifar_layout_is_read_channel_by_channel(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    write_official_cifar10(folder)
    data = load("cifar10", tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (180, 20, 40)
    assert data.classes[3] == "class 3"
    first_row = pickle.loads((folder / "test_batch").read_bytes(), encoding="bytes")[b"data"][0]
    np.testing.assert_array_equal(
        data.test.images[0, 0, :2], first_row.reshape(3, 32, 32)[:, 0, :2].T
    )


def test_a_damaged_batch_is_named(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    write_official_cifar10(folder)
    (folder / "data_batch_3").write_bytes((folder / "data_batch_3").read_bytes()[:1000])
    with pytest.raises(DataSetError, match=r"data_batch_3 is damaged.*delete"):
        load("cifar10", tmp_path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    write_official_cifar10(folder)

    class Attack:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    (folder / "test_batch").write_bytes(pickle.dumps({b"data": Attack()}, protocol=2))
    with pytest.raises(DataSetError, match="which the official files do not"):
        load("cifar10", tmp_path)
    assert not (tmp_path / "owned").exists()
