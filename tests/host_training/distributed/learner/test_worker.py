"""Worker: H steps by (seed, device, round), and nothing that another device did changes them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from host_training.distributed.learner.flat_model import DUPHIL_PARTS
from host_training.distributed.learner.objective import duphil
from host_training.distributed.learner.worker import Worker
from tests.worlds.small_global import DATA, SETTINGS, dealt, small_flat

FRESH = replace(SETTINGS, momentum_kind="fresh", n_steps=3)


def test_a_round_is_the_same_whenever_and_beside_whomever_it_is_trained():
    flat, shards = small_flat(), dealt(2)
    start = flat.weights
    one, other = (Worker(flat, shard, FRESH, i) for i, shard in enumerate(shards))
    first = one.train(start, 7)
    other.train(start, 7)
    again = one.train(start, 7)
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.loss == again.loss
    assert first.n_images == 3 * SETTINGS.batch_images
    for different in (one.train(start, 8), other.train(start, 7)):
        assert different.weights.tobytes() != first.weights.tobytes()


def test_carried_momentum_lasts_and_a_fresh_one_does_not():
    flat = small_flat()
    start = flat.weights
    for kind, is_same in (("fresh", True), ("carried", False)):
        worker = Worker(flat, DATA.train, replace(FRESH, momentum_kind=kind), 0)
        first, second = (worker.train(start, 0).weights for _ in range(2))
        assert np.array_equal(first, second) == is_same


def test_momentum_of_what_was_sent_is_gone_where_settings_say_so():
    flat = small_flat()
    for kind, is_gone in (("masked", True), ("carried", False)):
        worker = Worker(flat, DATA.train, replace(FRESH, momentum_kind=kind), 0)
        worker.train(flat.weights, 0)
        worker.forget(np.array([0, 5]))
        assert worker.momentum is not None
        assert (not worker.momentum[[0, 5]].any()) == is_gone
        assert worker.momentum.count_nonzero() > 100


def test_frozen_statistics_stay_and_a_batchs_own_do_not_matter_then():
    flat = small_flat()
    flat.estimate_statistics(DATA.train)
    start, before = flat.weights, flat.statistics
    Worker(flat, DATA.train, replace(FRESH, frozen_from_round=5), 0).train(start, 5)
    np.testing.assert_array_equal(flat.statistics, before)
    Worker(flat, DATA.train, replace(FRESH, frozen_from_round=5), 0).train(start, 4)
    assert not np.array_equal(flat.statistics, before)


def test_a_device_without_images_is_named():
    with pytest.raises(ValueError, match="device 3 has no images"):
        Worker(small_flat(), DATA.train.subset(np.arange(0)), FRESH, 3)


def test_duphils_phases_move_encoder_and_decoder_and_phase_2_does_not_move_the_encoder():
    flat = small_flat(DUPHIL_PARTS)
    start = flat.weights
    settings = replace(FRESH, n_steps=1, weight_decay=0.0, batch_images=32)

    def moved(mcr2_weight: float) -> dict[str, bool]:
        worker = Worker(flat, DATA.train, settings, 0, duphil(mcr2_weight))
        change = worker.train(start, 0).weights - start
        found = flat.layout.unpack(change)
        parts = ("encoder", "side_branch", "decoder")
        return {
            part: any(each.any() for name, each in found.items() if name.startswith(part))
            for part in parts
        }

    assert moved(0.1) == {"encoder": True, "side_branch": True, "decoder": True}
    assert moved(0.0) == {"encoder": False, "side_branch": False, "decoder": True}


def test_phase_1_raises_the_rate_reduction():
    flat = small_flat(DUPHIL_PARTS)
    settings = replace(FRESH, n_steps=30, batch_images=96, learning_rates=(0.02,))
    flat.set_weights(
        Worker(flat, DATA.train, settings, 0, duphil(1.0)).train(flat.weights, 0).weights
    )
    torch.manual_seed(0)
    before = small_flat(DUPHIL_PARTS)
    images = torch.from_numpy(DATA.train.images.transpose(0, 3, 1, 2)).float() / 255
    labels = torch.from_numpy(DATA.train.labels)
    after_loss, before_loss = (
        float(duphil(1.0)(each.model.train(), images, labels).detach()) for each in (flat, before)
    )
    assert after_loss < before_loss - 0.5
