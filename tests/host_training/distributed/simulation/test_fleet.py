"""Fleet: simulated devices are made when they are needed, and are the same when made again."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from host_training.distributed.learner.worker import Worker
from host_training.distributed.simulation.fleet import Fleet, Gateway, key_of
from host_training.distributed.simulation.partition import deal
from tests.worlds.small_global import DATA, SETTINGS, small_flat

FRESH = replace(SETTINGS, momentum_kind="fresh", n_devices=4, up_bytes=(300,), down_bytes=(300,))


def test_a_device_on_the_disk_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("host_training.distributed.simulation.fleet.MAX_KEPT", 1)
    flat = small_flat()
    parts = deal(DATA.train.labels, 4, None, 0)
    fleet = Fleet(flat, flat.weights, DATA.train, parts, FRESH, folder=tmp_path)
    first = fleet(2)
    work = first.end.work()
    assert work is not None
    update = first.end.give(first.learner.train(work.weights, 0))
    fleet(3)  # takes its place in memory
    again = fleet(2)
    assert again is not first
    assert again.end.update == update
    np.testing.assert_array_equal(again.end.memory, first.end.memory)


def test_a_gateway_adds_up_what_its_devices_moved_by_their_images():
    flat = small_flat()
    start = flat.weights
    sizes = (8, 4, 4)
    shards = [DATA.train.subset(np.arange(10 * i, 10 * i + n)) for i, n in enumerate(sizes)]
    workers = [Worker(flat, shard, FRESH, i) for i, shard in enumerate(shards)]
    gateway = Gateway([partial(workers.__getitem__, i) for i in range(3)], 3, seed=0)
    learned = gateway.train(start, 5)
    moved = [start - worker.train(start, 5).weights for worker in workers]
    np.testing.assert_allclose(
        start - learned.weights, np.average(moved, axis=0, weights=sizes), atol=1e-6
    )
    assert learned.n_images == 16


def test_every_end_has_a_key_of_its_own():
    runs = FRESH.run_id, replace(FRESH, seed=1).run_id
    keys = {key_of(run, n).public_key().public_bytes_raw() for run in runs for n in (-1, 0, 1, 2)}
    assert len(keys) == 8


def test_images_for_too_few_devices_are_named():
    flat = small_flat()
    with pytest.raises(ValueError, match="images for 3 devices, of which 4 times 1 are needed"):
        Fleet(flat, flat.weights, DATA.train, [np.arange(3)] * 3, FRESH)
