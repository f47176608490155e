import json

import pytest

from tests.studies import goals


def export(
    accuracy: float, n_bytes: float, macs: float, drop: float = 0.1, mixture_bits: float = 60.0
) -> dict:
    return {
        "int8_accuracy": accuracy,
        "int8_drop_points": drop,
        "bytes_per_image": n_bytes,
        "encoder_macs": macs,
        "static_bits_per_image": 120.0,
        "mixture_bits_per_image": mixture_bits,
    }


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A finished export of 18 million MACs, its rotated bundle, and a larger, better node's."""
    large = export(0.93, 30.0, 90e6)
    small = export(0.90, 7.5, 18e6)
    rotated = {
        "accuracy": 0.911,
        "accuracy_before": 0.90,
        "bytes_per_image": 4.5,
        "bytes_per_image_before": 7.5,
    }
    rotated |= {"static_bits_per_image": 40.0, "mixture_bits_per_image": 34.0}
    studies = {
        "export-cifar10-large": large,
        "export-cifar10-small": small,
        "turn-cifar10-1": rotated,
    }
    for name, figures in studies.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"figures": figures}))
    monkeypatch.setattr(goals, "FOLDER", tmp_path)


def test_the_best_that_keeps_to_bytes_and_node_is_held_against_each_goal(results, tmp_path):
    long = export(0.935, 4.0, 90e6)
    (tmp_path / "export-cifar10-plain-120-ce.json").write_text(json.dumps({"figures": long}))
    rows = {(row[0], row[1]): row[3:] for row in goals.table().rows}
    large, rotated = "`results/export-cifar10-large.json`", "`results/turn-cifar10-1.json`"
    assert rows["cifar10 in 38 bytes", "CPU"] == ["93.00", "30.00", "90 M", "reached", large]
    assert rows["cifar10 in 38 bytes", "GPU"][:4] == [
        "93.50",
        "4.00",
        "90 M",
        "missed by 0.50 points",
    ]
    assert rows["cifar10 in 7 bytes", "CPU"] == ["91.10", "4.50", "18 M", "reached", rotated]
    assert rows["cifar10 in 13 bytes", "CPU"][:4] == [
        "91.10",
        "4.50",
        "18 M",
        "missed by 0.90 points",
    ]
    assert rows["cifar10 in 13 bytes", "GPU"][:4] == ["93.50", "4.00", "90 M", "reached"]
    small = "cifar10 in 13 bytes, node of 20 million MACs"
    assert rows[small, "CPU"][:4] == ["91.10", "4.50", "18 M", "missed by 0.40 points"]
    assert rows[small, "GPU"][0] == "nothing measured"
    assert rows["cifar100 in 13 bytes", "CPU"][0] == "nothing measured"


def test_several_seeds_count_by_their_mean(results, tmp_path):
    figures = export(0.95, 40.0, 90e6)
    (tmp_path / "export-cifar10-large-seed-1.json").write_text(json.dumps({"figures": figures}))
    best = {each.study: each for each in goals.measured()}["export-cifar10-large"]
    assert best.points == "94.00 ± 1.41"
    assert best.bytes_per_image == 35.0
    assert "export-cifar10-large-seed-1" not in {each.study for each in goals.measured()}


def test_other_goals_take_the_worst_drop_of_the_chosen_and_the_lowest_share_of_bits(
    results, tmp_path
):
    more = {
        "export-cifar10-plain-120-ce": export(0.95, 4.0, 90e6, drop=0.25),
        "export-cifar10-poor": export(0.5, 4.0, 1e6, 3.0),
    }
    more["export-cifar100-large"] = export(0.6, 12.0, 90e6, drop=0.35, mixture_bits=48.0)
    for name, figures in more.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"figures": figures}))
    rows = {row[0]: row[2:] for row in goals.others().rows}
    assert rows["points lost to int8, trained on a CPU"] == [
        "0.35",
        "missed by 0.05",
        "`results/export-cifar100-large.json`",
    ]
    assert rows["points lost to int8, trained on a GPU"][:2] == ["0.25", "missed by 0.05"]
    assert rows["the mixture's bits over the histograms'"][:2] == ["0.40", "reached"]


def test_nairs_order_is_held_against_the_raw_one_above_chance(results, tmp_path):
    figures = {
        f"{name} {order} {key}_0.25_mean": share
        for name in ("cifar10", "cifar100")
        for order, share in (("importance", 0.7), ("raw", 0.3), (goals.RETRAINED, 0.72))
        for key in ("cut", "raw_bytes", "static_cut", "static_raw_bytes")
    }
    (tmp_path / "study-nair-reduced.json").write_text(json.dumps({"figures": figures}))
    rows = {row[0]: row[2:] for row in goals.others().rows}
    mixture = "NAIR, cifar10, mixture, a quarter of its own bytes"
    histograms = "NAIR, cifar100, histograms, a quarter of the raw order's bytes"
    assert rows[f"{mixture}: over the raw order"][:2] == ["3.00 ×", "reached"]
    assert rows[f"{histograms}: over the raw order"][:2] == ["2.38 ×", "reached"]
    assert rows[f"{mixture}: points over tail-drop"][:2] == ["-2.0", "missed by 1.00"]
