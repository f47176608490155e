import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from host_training.data import cifar
from host_training.data.batches import augment, to_pixels
from host_training.data.catalogue import load, write_replay
from host_training.data.dataset import (
    Augmentation,
    DataSetError,
    corrupt_labels,
    stratified_holdout,
    with_corrupted_labels,
)


def test_digits_are_all_there_once_in_a_stratified_split():
    data = load("digits")
    splits = (data.train, data.validation, data.test)
    assert sum(map(len, splits)) == 1797
    assert data.image_shape == (8, 8, 1)
    assert all(set(split.labels) == set(range(10)) for split in splits)
    assert data.train.images.max() == 255
    np.testing.assert_array_equal(load("digits").test.labels, data.test.labels)


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


def test_augmentation_shifts_and_mirrors_whole_images():
    images = np.arange(2 * 6 * 6, dtype=np.uint8).reshape(2, 6, 6, 1)
    pixels = to_pixels(images)
    for _ in range(50):
        for before, after in zip(
            pixels, augment(pixels, Augmentation(crop_pad=2, flip=True)), strict=True
        ):
            centre = after[0, 2:4, 2:4]
            candidates = [before[0], before[0].flip(1)]
            assert any(
                (candidate[i : i + 2, j : j + 2] == centre).all()
                for candidate in candidates
                for i in range(5)
                for j in range(5)
            )
    np.testing.assert_array_equal(augment(pixels, Augmentation()), pixels)


def test_rotation_and_zoom_keep_shape_and_brightness():
    pixels = to_pixels(np.full((4, 16, 16, 3), 200, np.uint8))
    turned = augment(pixels, Augmentation(rotation_degrees=10, zoom=0.1))
    assert turned.shape == pixels.shape
    assert (turned[:, :, 6:10, 6:10] == 200).all()


def test_cutout_blackens_one_square_and_nothing_else():
    pixels = to_pixels(np.full((200, 20, 20, 3), 9, np.uint8))
    black = (augment(pixels, Augmentation(cutout=6)) == 0).all(1)
    n_black = black.sum((1, 2))
    assert n_black.max() == 6 * 6
    assert n_black.min() >= 3 * 3
    rows, columns = black.any(2).sum(1), black.any(1).sum(1)
    assert (rows * columns == n_black).all()


def make_image_folder(folder: Path, counts: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            size = (int(rng.integers(20, 60)), int(rng.integers(20, 60)))
            image = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
            mode, extension = [("RGB", "png"), ("L", "jpg"), ("P", "gif"), ("RGBA", "webp")][i % 4]
            image.convert(mode).save(folder / name / f"{i}.{extension}")
    return folder


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


def test_a_data_set_that_is_not_there_is_named_with_what_there_is():
    with pytest.raises(
        DataSetError,
        match=r"'imagenet' is neither digits, cifar10, cifar100, cifar100-coarse nor a folder",
    ):
        load("imagenet")


def write_official_cifar10(folder: Path, n_per_batch: int = 40) -> None:
    """A small set in the official layout: the same pickles, fewer rows."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in (*cifar.SOURCES["cifar10"].train_files, "test_batch"):
        rows = rng.integers(0, 256, (n_per_batch, 3072), dtype=np.uint8)
        labels = [i % 10 for i in range(n_per_batch)]
        (folder / name).write_bytes(pickle.dumps({b"data": rows, b"labels": labels}, protocol=2))
    names = [f"class {i}".encode() for i in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))


CIFAR100_NAMES = {b"fine_label_names": 100, b"coarse_label_names": 20}


def write_cifar_100(data_dir: Path, n_names: dict[bytes, int]) -> None:
    folder = data_dir / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("train", 400), ("test", 100)):
        fine = [i % 100 for i in range(n)]
        rows = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
        batch = {
            b"data": rows,
            b"fine_labels": fine,
            b"coarse_labels": [label // 5 for label in fine],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = {
        key: [f"{key[:6].decode()} {i}".encode() for i in range(n)] for key, n in n_names.items()
    }
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))


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


def test_a_changed_image_makes_another_data_set():
    data = load("digits")
    images = data.test.images.copy()
    images[0, 0, 0] ^= 1
    assert data.sha256 == load("digits").sha256
    assert replace(data, test=replace(data.test, images=images)).sha256 != data.sha256


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
