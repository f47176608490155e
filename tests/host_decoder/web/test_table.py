"""Results to take away: all of them, once, and nothing in them that a spreadsheet would run."""

import csv
import io

import pytest

from host_decoder.web import table
from host_decoder.web.archive import Wish
from host_decoder.web.table import COLUMNS, _safe, csv_pages, parquet_pages


def test_csv_has_every_result_once_whatever_the_pages(fleet, monkeypatch):
    monkeypatch.setattr(table, "PAGE_ROWS", 5)
    lines = list(csv.DictReader(io.StringIO("".join(csv_pages(fleet.archive, Wish())))))
    assert len(lines) == 12
    assert set(lines[0]) == set(COLUMNS)
    assert {(line["node"], line["image"]) for line in lines} == {
        (str(one["node"]), str(one["image"])) for one in fleet.archive.results(Wish(), "", 100)
    }
    assert lines[0]["received_at"].endswith("+00:00")


def test_no_text_is_taken_for_a_formula():
    assert [_safe(text) for text in ("=1+1", "@x", "horse", None, True, -1.5)] == [
        "'=1+1", "'@x", "horse", "", "true", -1.5,
    ]  # fmt: skip


def test_parquet_has_the_same_rows(fleet, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow not installed")
    monkeypatch.setattr(table, "PAGE_ROWS", 5)
    content = b"".join(parquet_pages(fleet.archive, Wish()))
    found = parquet.read_table(io.BytesIO(content)).to_pylist()
    assert [row["image"] for row in found] == [
        one["image"] for one in fleet.archive.results(Wish(), "", 100)
    ]
