"""Central training: the identities that hold before anything is compressed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from host_training.data.batches import Batches
from host_training.data.dataset import Augmentation
from host_training.distributed.learner.worker import Worker, new_sgd
from host_training.distributed.simulation.central import Central
from tests.worlds.small_global import DATA, SETTINGS, dealt, small_flat


def together(
    workers: list[Worker], weights: np.ndarray, n_rounds: int, first: int = 0
) -> np.ndarray:
    """Rounds in which everything is sent: the mean of the devices' weights is taken over."""
    for round_ in range(first, first + n_rounds):
        sent = [worker.train(weights, round_).weights for worker in workers]
        weights = np.mean(sent, axis=0, dtype=np.float64).astype(np.float32)
    return weights


def last(central: Central, weights: np.ndarray) -> np.ndarray:
    *_, end = central.train(weights)
    return end


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_device_that_sends_everything_after_each_step_is_central_training_bit_for_bit(seed):
    flat, settings = small_flat(seed=seed), replace(SETTINGS, n_rounds=20, seed=seed)
    start = flat.weights
    sent = together([Worker(flat, DATA.train, settings, 0)], start, 20)
    central = last(Central(flat, [DATA.train], settings), start)
    assert sent.tobytes() == central.tobytes()
    assert np.abs(central - start).max() > 0.01


@pytest.mark.parametrize("n_devices", [2, 4])
def test_n_devices_that_send_everything_after_each_step_are_a_large_batch_of_ghost_batches(
    n_devices,
):
    flat, shards = small_flat(), dealt(n_devices)
    start = flat.weights
    settings = replace(SETTINGS, learning_rates=(0.02,))
    workers = [Worker(flat, shard, settings, i) for i, shard in enumerate(shards)]
    sent = together(workers, start, settings.n_rounds)
    central = last(Central(flat, shards, settings), start)
    np.testing.assert_allclose(sent, central, atol=1e-6, rtol=0)


def test_with_frozen_statistics_and_without_noise_they_are_one_pass_over_all_their_images():
    flat, shards = small_flat(noise_half_width=0.0), dealt(4)
    settings = replace(SETTINGS, frozen_from_round=1, learning_rates=(0.002,))
    flat.estimate_statistics(DATA.validation)
    start = flat.weights
    workers = [Worker(flat, shard, settings, i) for i, shard in enumerate(shards)]
    sent = together(workers, start, settings.n_rounds, first=1)

    flat.set_weights(start)
    sgd = new_sgd(flat, settings)
    for step in range(1, 1 + settings.n_rounds):
        parts = [
            Batches(shard, Augmentation(crop_pad=1), 8, i, flat.device, 0).batch(step)
            for i, shard in enumerate(shards)
        ]
        images, labels = (torch.cat(each) for each in zip(*parts, strict=True))
        flat.gradient.zero_()
        flat.training_mode()
        torch.nn.functional.cross_entropy(
            flat.model(images), labels, label_smoothing=0.1
        ).backward()
        sgd.step(0.002)
    np.testing.assert_allclose(sent, flat.weights, atol=1e-6, rtol=0)


def test_central_training_learns_the_blobs():
    flat, settings = small_flat(), replace(SETTINGS, n_rounds=150)
    flat.set_weights(last(Central(flat, [DATA.train], settings), flat.weights))
    flat.estimate_statistics(DATA.train)
    flat.model.eval()
    images = torch.from_numpy(DATA.test.images.transpose(0, 3, 1, 2)).float() / 255
    said = flat.model(images).argmax(1).numpy()
    assert (said == DATA.test.labels).mean() > 0.9
