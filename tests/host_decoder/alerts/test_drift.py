"""A node drifts when it sees other classes than it used to."""

import numpy as np

from host_decoder.alerts.drift import FAST, MIN_IMAGES, Drift

APE, BEE = np.eye(4, dtype=np.float32)[:2]


def test_what_stays_as_it_was_is_no_drift_and_what_turns_over_is_nearly_one():
    drift = Drift()
    for _ in range(MIN_IMAGES - 1):
        drift.add(APE)
    assert drift.distance is None
    drift.add(APE)
    assert drift.distance == 0
    for _ in range(2 * FAST):
        drift.add(BEE)
    assert drift.distance is not None
    assert 0.3 < drift.distance < 1


def test_with_other_classes_it_begins_anew():
    drift = Drift()
    for _ in range(MIN_IMAGES):
        drift.add(APE)
    drift.add(np.eye(3, dtype=np.float32)[0])
    assert (drift.n_images, drift.distance) == (1, None)
