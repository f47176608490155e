"""Examined photos: a small test split and what a model is said to have made of it."""

from dataclasses import replace
from typing import Any

import numpy as np

from export.photo_report.examination import Examination, Share
from export.photo_report.learning_curve import Point
from host_training.data.dataset import Augmentation, DataSet, Split

CLASSES = ("cat", "dog", "<owl> & \u202eco")
CURVE = (
    Point(10, 0.6, 0.5, 0.7),
    Point(40, 0.8, 0.75, 0.85),
    Point(160, 0.9, 0.9, 0.9, is_all=True),
)
"Errors fall with the square root of the number."


def examined_photos(
    confusion: list[list[int]] | None = None,
    n_trained: tuple[int, ...] = (160, 80, 20),
    **changes: Any,
) -> Examination:
    """Test photos by true class and by what was said; the surer, the earlier."""
    counts = confusion or [[8, 2, 0], [0, 9, 1], [1, 3, 4]]
    pairs = [
        (true, said)
        for true, row in enumerate(counts)
        for said, n in enumerate(row)
        for _ in range(n)
    ]
    labels, said = np.array(pairs).T
    images = np.random.default_rng(0).integers(0, 255, (len(pairs), 8, 8, 3), np.uint8)
    names = np.array([f'{CLASSES[true]}/"{i}".jpg' for i, (true, _) in enumerate(pairs)], object)
    trained = np.repeat(np.arange(len(n_trained)), n_trained)
    data = DataSet(
        "my <photos>",
        CLASSES,
        train=Split(np.zeros((len(trained), 8, 8, 3), np.uint8), trained),
        validation=Split(images, labels),
        test=Split(images, labels, names=names),
        augmentation=Augmentation(),
    )
    sure = np.linspace(0.9, 0.6, len(pairs))
    probabilities = np.repeat((1 - sure)[:, None] / 2, 3, 1)
    probabilities[np.arange(len(pairs)), said] = sure
    made = Examination(data, probabilities, np.full(len(pairs), 4), Share(19, 20), CURVE)
    return replace(made, **changes)
