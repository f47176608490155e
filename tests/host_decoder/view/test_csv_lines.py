"""A spreadsheet reads every answer in the same columns, whatever a label holds."""

import csv

import pytest

from host_decoder.view.csv_lines import COLUMNS, csv_lines


def rows(*answers):
    return list(csv.DictReader(csv_lines(answers)))


def test_the_heading_stands_first_also_where_there_is_no_answer():
    assert list(csv_lines([])) == [",".join(COLUMNS)]


def test_an_answer_has_its_time_as_a_person_reads_it_and_blanks_for_what_it_does_not_say():
    [row] = rows({"node": 7, "image": 5, "label": "bee", "received_s": 1000.5, "file": None})
    assert row["time"] == "1970-01-01T00:16:40.500+00:00"
    assert (row["node"], row["image"], row["label"]) == ("7", "5", "bee")
    assert row["received_s"] == "1000.5"
    assert row["file"] == row["confidence"] == row["error"] == ""


def test_a_label_with_commas_quotes_and_line_ends_stays_in_its_cell():
    label = 'a "bee", or\ntwo'
    [row] = rows({"node": 1, "label": label, "received_s": 0.0, "is_complete": True})
    assert row["label"] == label
    assert row["is_complete"] == "True"


def test_keys_that_have_no_column_are_left_out():
    [row] = rows({"node": 1, "probabilities": [0.5, 0.5], "received_s": 0.0})
    assert row.keys() == set(COLUMNS)


@pytest.mark.parametrize("label", ["two\nlines", "a\rb"])
def test_a_line_end_alone_is_quoted_too(label):
    _, line = csv_lines([{"label": label, "received_s": 0.0}])
    assert f'"{label}"' in line
