"""Global training's study: its figures are differences of its own rows, and a row is measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from host_training.distributed.simulation.plan import Plan
from tests.studies.global_training import study
from tests.studies.global_training.study import ALL, GlobalSize, figures_of
from tests.studies.rows import Row, Rows
from tests.worlds.small_training import blobs

SIZE = GlobalSize(
    "blobs",
    "narrow-5",
    Plan(n_devices=4, n_groups=2, batch_images=16, epochs=1.5, up_bytes=900, down_bytes=900,
         crop_pixels=1, has_flips=False),
)  # fmt: skip


def rows_of(**accuracies: float) -> Rows:
    rows = Rows(Path("no such file"), ALL, "plan")
    for arm, accuracy in accuracies.items():
        rows.add(Row(arm, 0, "", "", {"accuracy": accuracy, "up_ratio": 2.0}))
    return rows


def test_drops_are_against_central_training_or_against_ours():
    rows = rows_of(
        central=0.9, ours=0.89, non_iid=0.87, garbage_noise=0.88, garbage_scaled=0.8, dgc=0.85
    )
    figures = figures_of(rows)
    assert figures["drop_points"] == pytest.approx(1.0)
    assert figures["non_iid_drop_points"] == pytest.approx(2.0)
    assert figures["garbage_drop_points"] == pytest.approx(9.0)
    assert figures["dgc_drop_points"] == pytest.approx(5.0)
    assert "slow_lost_drop_points" not in figures


def test_a_row_of_another_plan_is_measured_again():
    rows = rows_of(ours=0.9)
    assert rows.has("ours", 0, "")
    assert not rows.has("ours", 0, study.plan_sha256("ours", SIZE))
    other = replace(SIZE, plan=replace(SIZE.plan, rate=0.1))
    assert study.plan_sha256("ours", SIZE) != study.plan_sha256("ours", other)


@pytest.mark.parametrize("arm", ["central", "ours", "garbage_noise", "dgc", "fedavg"])
def test_an_arm_is_measured(arm):
    found = study.measured(arm, 0, SIZE, blobs())
    assert 0 <= found["accuracy"] <= 1
    if arm == "ours":
        assert 1 < found["both_ratio"] < found["up_ratio"]
        assert len(found["curve"]) >= 1
    if arm == "fedavg":
        assert found["up_ratio"] > 1
