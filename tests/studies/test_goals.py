import json

import pytest

from tests.studies import goals


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A finished export of 18 million MACs, its turned bundle, and a larger, better node's."""
    large = {"int8_accuracy": 0.93, "bytes_per_image": 30.0, "encoder_macs": 90e6}
    small = {"int8_accuracy": 0.90, "bytes_per_image": 7.5, "encoder_macs": 18e6}
    turned = {"accuracy": 0.911, "accuracy_before": 0.90, "bytes_per_image": 4.5, "bytes_per_image_before": 7.5}
    studies = {"export-cifar10-large": large, "export-cifar10-small": small, "turn-cifar10-1": turned}
    for name, figures in studies.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"figures": figures}))
    monkeypatch.setattr(goals, "FOLDER", tmp_path)


def test_the_best_that_keeps_to_bytes_and_node_is_held_against_each_goal(results, tmp_path):
    long = {"int8_accuracy": 0.935, "bytes_per_image": 4.0, "encoder_macs": 90e6}
    (tmp_path / "export-cifar10-plain-120-ce.json").write_text(json.dumps({"figures": long}))
    rows = {(row[0], row[1]): row[3:] for row in goals.table().rows}
    large, turned = "`results/export-cifar10-large.json`", "`results/turn-cifar10-1.json`"
    assert rows["cifar10 in 38 bytes", "CPU"] == ["93.00", "30.00", "90 M", "reached", large]
    assert rows["cifar10 in 38 bytes", "GPU"][:4] == ["93.50", "4.00", "90 M", "missed by 0.50 points"]
    assert rows["cifar10 in 7 bytes", "CPU"] == ["91.10", "4.50", "18 M", "reached", turned]
    assert rows["cifar10 in 13 bytes", "CPU"][:4] == ["91.10", "4.50", "18 M", "missed by 0.90 points"]
    assert rows["cifar10 in 13 bytes", "GPU"][:4] == ["93.50", "4.00", "90 M", "reached"]
    small = "cifar10 in 13 bytes, node of 20 million MACs"
    assert rows[small, "CPU"][:4] == ["91.10", "4.50", "18 M", "missed by 0.40 points"]
    assert rows[small, "GPU"][0] == "nothing measured"
    assert rows["cifar100 in 13 bytes", "CPU"][0] == "nothing measured"


def test_several_seeds_count_by_their_mean(results, tmp_path):
    figures = {"int8_accuracy": 0.95, "bytes_per_image": 40.0, "encoder_macs": 90e6}
    (tmp_path / "export-cifar10-large-seed-1.json").write_text(json.dumps({"figures": figures}))
    best = {each.study: each for each in goals.measured()}["export-cifar10-large"]
    assert best.points == "94.00 ± 1.41"
    assert best.bytes_per_image == 35.0
    assert "export-cifar10-large-seed-1" not in {each.study for each in goals.measured()}
