import copy

import numpy as np
import pytest
import torch

from export.decoders.finetune import FineTuning, Score, augmented_symbols, finetune, score
from export.encoder.fold import fold
from host_training.data.catalogue import load

SETTINGS = FineTuning(batch_size=16, learning_rate=0.02)


@pytest.fixture
def decoder(random_model):
    model = random_model()
    return fold(model, range(model.config.latents), torch.zeros(model.config.latents))[1]


def separable(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbols of five classes, nine latents."""
    labels = np.arange(n) % 5
    noise = np.random.default_rng(seed).integers(-1, 2, (n, 9))
    return (6 * np.eye(5, 9)[labels] + noise).astype(np.int8), labels


def test_the_decoder_learns_the_symbols_it_is_given(decoder):
    (train, labels), (validation, validation_labels) = separable(200, 0), separable(50, 1)
    tuned, before, after = finetune(
        decoder, np.stack([train] * 6), labels, validation, validation_labels, SETTINGS
    )
    assert after.accuracy > before.accuracy + 0.3
    assert score(tuned, validation, validation_labels).loss == pytest.approx(after.loss, abs=1e-5)


def test_the_decoder_one_starts_from_is_left_as_it_is(decoder):
    train, labels = separable(100, 0)
    before = copy.deepcopy(decoder.state_dict())
    finetune(decoder, train[None], labels, train, labels, SETTINGS)
    assert all(torch.equal(before[name], weight) for name, weight in decoder.state_dict().items())


def test_the_decoder_one_starts_from_wins_when_nothing_is_better(decoder):
    train, labels = separable(100, 0)
    decoder, _, _ = finetune(decoder, np.stack([train] * 8), labels, train, labels, SETTINGS)
    wrong = (labels + 1) % 5
    kept, before, after = finetune(decoder, np.stack([train] * 3), wrong, train, labels, SETTINGS)
    assert kept is decoder
    assert before == after


def test_accuracy_counts_before_loss():
    assert Score(0.9, loss=3.0).is_better_than(Score(0.8, loss=0.1))
    assert Score(0.9, loss=0.2).is_better_than(Score(0.9, loss=0.3))
    assert not Score(0.9, loss=0.2).is_better_than(Score(0.9, loss=0.2))


def test_small_data_sets_are_seen_more_often_than_large_ones():
    settings = FineTuning()
    assert [settings.n_epochs(n) for n in (1_300, 45_000, 1_000_000)] == [20, 3, 3]


def test_each_pass_augments_anew_and_every_export_alike():
    data = load("digits")
    first_pixels = augmented_symbols(data, lambda images: images[:, 4, :, 0].view(np.int8), 2)
    again = augmented_symbols(data, lambda images: images[:, 4, :, 0].view(np.int8), 2)
    assert first_pixels.shape == (2, len(data.train), 8)
    assert (first_pixels[0] != first_pixels[1]).any()
    assert np.array_equal(first_pixels, again)
