import json
from pathlib import Path

from tests.studies.rows import Row, Rows

ARMS = ["wanted", "other"]


def test_rows_are_kept_in_their_order_and_known_again(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.json", ARMS, "plan")
    for arm, seed in (("other", 0), ("wanted", 1), ("wanted", 0)):
        rows.add(Row(arm, seed, "ab", "revision", {"accuracy": seed / 10}))
    assert [(row.arm, row.seed) for row in rows.known] == [
        ("wanted", 0), ("wanted", 1), ("other", 0),
    ]  # fmt: skip
    assert list(rows.of("wanted")) == [{"accuracy": 0.0}, {"accuracy": 0.1}]
    rows.path.write_text(json.dumps({"rows": rows.stored()}))
    again = Rows(rows.path, ARMS, "plan")
    assert (again.known, again.seeds) == (rows.known, [0, 1])
    assert again.has("wanted", 1, "ab")
    assert not again.has("wanted", 2, "ab")
    assert not again.has("wanted", 1, "of other settings")


def test_a_row_of_other_settings_takes_its_arms_place(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.json", ARMS, "plan")
    for sha256 in ("ab", "cd"):
        rows.add(Row("wanted", 0, sha256, "revision", {}))
    assert [row.sha256 for row in rows.known] == ["cd"]
