"""A shard is read batch by batch, the same ones every time, and never held."""

from pathlib import Path

import numpy as np
import pytest

from device.training.shard import IMAGES, LABELS, Shard, ShardError, shuffled, write
from tests.worlds import large_shard

SHAPE = (8, 8, 3)
N = 50


def images(n: int = N) -> np.ndarray:
    """Each image is all of its number, so that it can be told which it is."""
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, *SHAPE)).copy()


@pytest.fixture
def folder(tmp_path) -> Path:
    assert write(tmp_path, SHAPE, zip(images(), np.arange(N) % 10, strict=True)) == N
    return tmp_path


def shard(folder: Path, batch_images: int = 8, **changes) -> Shard:
    return Shard(folder, SHAPE, 10, batch_images, **changes)


def test_numpy_reads_what_was_written(folder):
    assert np.array_equal(np.load(folder / IMAGES), images())
    assert np.array_equal(np.load(folder / LABELS), np.arange(N) % 10)


def test_an_epoch_takes_every_image_once_and_each_epoch_another_way(folder):
    one = shard(folder, batch_images=10)
    epochs = [
        np.concatenate([one.batch(5 * epoch + step).images[:, 0, 0, 0] for step in range(5)])
        for epoch in range(3)
    ]
    for epoch in epochs:
        assert sorted(epoch) == list(range(N))
    assert not np.array_equal(epochs[0], epochs[1])


def test_labels_go_with_their_images(folder):
    batch = shard(folder, crop_pixels=0, has_flips=True).batch(3)
    assert np.array_equal(batch.labels, batch.images[:, 0, 0, 0] % 10)


def test_classes_are_counted_whatever_is_read_at_a_time(folder, monkeypatch):
    monkeypatch.setattr("device.training.shard.LABELS_AT_ONCE", 7)
    assert shard(folder).n_each.tolist() == [5] * 10


def test_a_batch_follows_from_seed_device_and_step(folder):
    settings = dict(crop_pixels=2, has_flips=True)
    one, same = (shard(folder, seed=(3, 7), **settings) for _ in range(2))
    for step in (0, 1, 100):
        assert np.array_equal(one.batch(step).images, same.batch(step).images)
        assert one.batch(step).rng.random() == same.batch(step).rng.random()
    for other in (shard(folder, seed=(3, 8), **settings), shard(folder, seed=(4, 7), **settings)):
        assert not np.array_equal(one.batch(0).images, other.batch(0).images)
    assert not np.array_equal(one.batch(0).images, one.batch(1).images)


def test_a_crop_moves_an_image_and_fills_with_zeros_and_half_are_mirrored(tmp_path):
    ramp = np.arange(1, 193, dtype=np.uint8).reshape(SHAPE)
    write(tmp_path, SHAPE, [(ramp, 0)] * 64)
    padded = np.pad(ramp, ((2, 2), (2, 2), (0, 0)))
    crops = [padded[top : top + 8, left : left + 8] for top in range(5) for left in range(5)]
    known = {
        one.tobytes(): (i, m)
        for i, crop in enumerate(crops)
        for m, one in enumerate((crop, np.ascontiguousarray(crop[:, ::-1])))
    }
    batch = shard(tmp_path, batch_images=64, crop_pixels=2, has_flips=True).batch(0)
    found = [known[image.tobytes()] for image in batch.images]
    assert len({crop for crop, _ in found}) > 15
    assert 16 < sum(is_mirrored for _, is_mirrored in found) < 48


@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 1000, 65537])
def test_an_order_is_a_permutation(n):
    order = shuffled(np.arange(n), n, (1, 2, 3))
    assert np.array_equal(np.sort(order), np.arange(n))
    if n > 100:
        other = shuffled(np.arange(n), n, (1, 2, 4))
        assert (order == other).sum() < 10
        assert abs(np.corrcoef(order, np.arange(n))[0, 1]) < 0.15
        assert np.array_equal(shuffled(np.array([5, 9]), n, (1, 2, 3)), order[[5, 9]])


def test_a_shard_of_less_than_a_batch_is_one(folder):
    assert shard(folder, batch_images=1000).batch(0).labels.shape == (N,)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda folder: (folder / LABELS).unlink(), "there is no .*labels.npy; write it with"),
        (lambda folder: (folder / IMAGES).write_bytes(b"no"), "cannot be read"),
        (lambda folder: np.save(folder / IMAGES, images()[:, :4]), "the network takes"),
        (lambda folder: np.save(folder / LABELS, np.zeros(3, "<u2")), "50 images and 3 labels"),
        (lambda folder: np.save(folder / LABELS, np.zeros(N)), "50 labels of float64"),
        (lambda folder: write(folder, SHAPE, [(images(1)[0], 10)]), "a label 10, the network 10"),
        (
            lambda folder: (folder / IMAGES).write_bytes((folder / IMAGES).read_bytes()[:-1]),
            "is no whole shard",
        ),
    ],
)
def test_what_is_no_shard_is_refused_in_a_sentence(folder, harm, sentence):
    harm(folder)
    with pytest.raises(ShardError, match=sentence):
        shard(folder).batch(0)


def test_a_shard_that_becomes_shorter_is_told_and_no_signal(folder):
    one = shard(folder)
    with (folder / IMAGES).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ShardError, match="has become shorter"):
        one.batch(0)


def test_a_fault_while_writing_leaves_the_old_shard(folder):
    def breaking():
        yield images(1)[0], 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(folder, SHAPE, breaking())
    with pytest.raises(ShardError, match="no image"):
        write(folder, SHAPE, [])
    assert len(shard(folder)) == N
    assert {path.name for path in folder.iterdir()} == {IMAGES, LABELS}


def test_ten_gigabytes_of_images_are_learned_from_in_120_mb(tmp_path):
    n_images, peak_mb = large_shard.learn(tmp_path)
    assert n_images == large_shard.N_IMAGES
    assert peak_mb <= 120
