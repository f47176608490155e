import json
from pathlib import Path

import pytest

from tests.studies.common import Progress, percent, spread


def test_a_study_begun_again_at_the_same_revision_does_not_measure_again(tmp_path: Path) -> None:
    first = Progress("a" * 40)
    assert first.measured(tmp_path / "kept.json", lambda: {"accuracy": 0.5}) == {"accuracy": 0.5}
    again = Progress("a" * 40)
    assert again.measured(tmp_path / "kept.json", lambda: pytest.fail("measured twice")) == {
        "accuracy": 0.5
    }
    assert again.wall_s >= json.loads((tmp_path / "kept.json").read_text())["wall_s"]


def test_another_revision_measures_anew_and_an_unclean_one_keeps_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    assert Progress("a" * 40).measured(kept, lambda: 1) == 1
    assert Progress("a" * 40 + "-dirty").measured(kept, lambda: 2) == 2
    assert Progress("b" * 40 + "-dirty").measured(kept, lambda: 3) == 3
    assert Progress("a" * 40).measured(kept, lambda: 4) == 1
    assert Progress("b" * 40).measured(kept, lambda: 5) == 5
    assert Progress("b" * 40).measured(kept, lambda: 6) == 5


def test_one_seed_has_no_spread() -> None:
    one, two = spread([{"accuracy": 0.5}]), spread([{"accuracy": 0.5}, {"accuracy": 0.7}])
    assert percent(one, "accuracy") == "50.00"
    assert percent(two, "accuracy") == "60.00 ± 14.14"
