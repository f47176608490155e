"""Digits, the embedded default: scikit-learn's 1,797 handwritten ones, 8 × 8 pixels, 17 greys."""

import numpy as np

from host_training.data.dataset import Augmentation, DataSet, Split, stratified_holdout

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1


def load() -> DataSet:
    """1,294 training, 144 validation and 359 test images or so, stratified, always the same."""
    from sklearn.datasets import load_digits  # takes seconds, which other data sets need not wait

    scans = load_digits()
    images = np.rint(scans.images * (255 / 16)).astype(np.uint8)[..., None]
    everything = Split(images, scans.target.astype(np.int64))
    rest, test = stratified_holdout(everything.labels, TEST_FRACTION)
    train, validation = stratified_holdout(everything.labels[rest], VALIDATION_FRACTION)
    return DataSet(
        name="digits",
        classes=tuple(str(digit) for digit in range(10)),
        train=everything.subset(rest[train]),
        validation=everything.subset(rest[validation]),
        test=everything.subset(test),
        augmentation=Augmentation(crop_pad=1, rotation_degrees=12, zoom=0.12),
    )
