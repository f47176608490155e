"""The report: what is in report.json is told to people too.

How it was measured: test_pipeline.py.
"""

import json

from export.report import markdown_table


def test_a_table_is_what_markdown_takes_for_one():
    table = markdown_table(("a", "b"), [(1, "x"), (2.5, "y")])
    assert table.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | x |", "| 2.5 | y |"]


def test_people_and_programs_are_told_the_same(exported):
    text = (exported.settings.out / "report.md").read_text(encoding="utf-8")
    stored = json.loads((exported.settings.out / "report.json").read_text(encoding="utf-8"))
    for heading in (
        *("Classes", "Do the encoders agree?", "Confidence", "None of these", "Bytes per image"),
        *("Encoder", "Operators and the Edge TPU", "Where it comes from"),
    ):
        assert text.count(f"\n## {heading}\n") == 1
    assert f"{stored['accuracy']['through_coder']:.2%} from" in text
    assert f"{stored['encoder']['macs']:,} multiply-accumulates" in text
    assert f"`{stored['provenance']['checkpoint_sha256']}`" in text
    assert f"| tables.npz | {stored['file_bytes']['tables.npz']:,} |" in text
    assert text.count("●") == 1
    assert exported.report.figures()["bytes_per_image"] == stored["rate"]["coded_bytes"]
