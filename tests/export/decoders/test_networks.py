"""Networks that learn from symbols, and the modules that the host then runs.

What they are worth on a bundle: test_add.py, test_anomaly.py.
"""

import numpy as np
import pytest
import torch
from torch import nn

from export.decoders.finetune import run
from export.decoders.lessons import Lessons
from export.decoders.networks import (
    LOSSES,
    Distances,
    Learning,
    PrincipalComponents,
    Undecided,
    learn_classes,
    learn_pixels,
    likeliest_temperature,
)

CENTRES = np.array([[9, -9, 0, 4], [-9, 9, 4, 0], [0, 0, -9, 9]])


def blobs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbols int8 (n, 4) around three centres, and which."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, n)
    return (CENTRES[labels] + draw.normal(0, 1, (n, 4))).round().astype(np.int8), labels


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_what_is_easy(loss):
    (symbols, labels), (unseen, truth) = blobs(300, 0), blobs(90, 1)
    wanted = (
        (labels, truth)
        if loss != "kl"
        else (np.eye(3, dtype=np.float32)[labels], np.eye(3, dtype=np.float32)[truth])
    )
    lessons = Lessons(symbols[None], wanted[0], unseen, wanted[1])
    learnt = learn_classes(lessons, truth, 3, loss, Learning(hidden=16, min_steps=250))
    probabilities = run(learnt, unseen)
    assert torch.allclose(probabilities.sum(1), torch.ones(90), atol=1e-5)
    assert (probabilities.argmax(1).numpy() == truth).mean() > 0.95


def test_a_class_is_moved_by_its_score():
    symbols, labels = blobs(100, 0)
    lessons = Lessons(symbols[None], labels, symbols, labels)
    learnt = learn_classes(lessons, labels, 3, "ce", Learning(hidden=16, min_steps=20))
    assert set(run(learnt, symbols).argmax(1).tolist()) == {0, 1, 2}
    learnt.shift(1, 1000.0)
    assert set(run(learnt, symbols).argmax(1).tolist()) == {1}


def test_scores_that_are_too_sure_are_cooled_by_what_they_are_too_sure():
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(4000, 5, generator=draw)
    labels = torch.multinomial(scores.softmax(1), 1, generator=draw)[:, 0]
    assert likeliest_temperature(4 * scores, labels) == pytest.approx(4, rel=0.1)


def test_pictures_come_back_from_their_coefficients():
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (60, 4, 4, 3)).astype(np.uint8)
    components = PrincipalComponents.of(images)
    rows = components.rows
    assert torch.allclose(rows @ rows.T, torch.eye(len(rows)), atol=1e-4)
    coefficients = components.coefficients(images)
    symbols = coefficients.round().astype(np.int8)[:, :5]
    lessons = Lessons(symbols[None], coefficients, symbols, coefficients)
    learnt = learn_pixels(lessons, components, (4, 4, 3), Learning(min_steps=5, epochs=1))
    learnt.coefficients = nn.Identity()
    again = run(learnt, coefficients)
    assert again.dtype == torch.uint8
    assert np.abs(again.numpy().astype(int) - images).max() <= 1


def test_what_lies_between_the_classes_is_undecided():
    symbols, labels = blobs(300, 0)
    undecided = Undecided(Distances(symbols, labels))
    between = CENTRES[:2].mean(0, keepdims=True)
    assert run(undecided, between)[0] > run(undecided, CENTRES).max()
