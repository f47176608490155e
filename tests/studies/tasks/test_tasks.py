"""What the study of tasks measures with, on cases whose answer is known."""

import numpy as np
import pytest

from export.decoders.networks import PrincipalComponents
from tests.studies.tasks.anomalies import told_apart
from tests.studies.tasks.classes import best_rule
from tests.studies.tasks.field import Received
from tests.studies.tasks.rows import Rows
from tests.studies.tasks.thumbnails import picked_out


def labelled(labels: list[int], n_labels: int) -> Received:
    n = len(labels)
    return Received(
        np.zeros((n, 2), np.float32), np.ones(n, int), np.eye(n_labels, dtype=np.float32)[labels]
    )


def test_the_best_that_a_label_tells_is_what_it_mostly_stood_for():
    rule = best_rule(labelled([0, 0, 0, 1, 1, 3], 4), np.array([2, 2, 0, 1, 1, 2]))
    assert rule.tolist() == [2, 1, 0, 2]


def test_scores_that_separate_miss_nothing_and_scores_that_say_nothing_miss_what_chance_misses():
    low, high = np.arange(100.0), np.arange(200.0, 300.0)
    assert told_apart("", low, high) == {"auroc": 1, "missed_at_5_percent_alarms": 0}
    same = told_apart("x_", low, low)
    assert same["x_auroc"] == pytest.approx(0.5)
    assert same["x_missed_at_5_percent_alarms"] == pytest.approx(0.95)


def test_what_is_measured_is_not_measured_again(tmp_path):
    rows = Rows.at(tmp_path / "rows.json")
    assert rows.missing("coarse", [0, 1]) == [0, 1]
    rows.add("coarse", 0, {"accuracy": 0.5})
    again = Rows.at(tmp_path / "rows.json")
    assert again.missing("coarse", [0, 1]) == [1]
    again.add("coarse", 1, {"accuracy": 0.7})
    figures = dict(again.figures([0, 1]))
    assert figures["coarse accuracy_mean"] == pytest.approx(0.6)
    assert figures["coarse accuracy_stdev"] == pytest.approx(0.1 * 2**0.5)
    assert dict(again.figures([1]))["coarse accuracy_mean"] == 0.7


def test_a_picture_is_picked_out_when_it_is_nearest_to_its_original():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    components = PrincipalComponents.of(images)
    assert picked_out(images, images, components) == 1
    assert picked_out(np.full_like(images, 128), images, components) == pytest.approx(1 / 40)
    assert picked_out(np.roll(images, 1, axis=0), images, components) == 0
