"""The report lies beside the run, never in the bundle, for people and for programs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from export import ExportError
from export.photo_report import write_photo_report
from host_training.data.catalogue import load


def test_the_report_is_written_beside_the_bundle_and_both_figures_are_said(exported, tmp_path):
    data = load("digits")
    files = sorted(exported.bundle.path.iterdir())
    said: list[str] = []
    data = replace(data, siblings=data.test.subset(np.arange(50)))
    figures = write_photo_report(exported.bundle, data, tmp_path, None, said.append)
    assert sorted(exported.bundle.path.iterdir()) == files
    assert f"of {len(data.test)} photos of series never seen; " in said[0]
    assert said[0].endswith("which is what a random split would have claimed")
    stored = json.loads((tmp_path / "report.json").read_text())
    assert figures == {"sibling_accuracy": stored["sibling_accuracy"]["n_right"] / 50}
    assert stored["accuracy"]["n"] == sum(map(sum, stored["confusion"])) == len(data.test)
    for sentence in stored["next"]:
        assert sentence.replace("'", "&#x27;") in (tmp_path / "report.html").read_text()


def test_photos_of_other_classes_are_refused(exported, tmp_path):
    data = replace(load("digits"), classes=tuple("abcdefghij"))
    with pytest.raises(ExportError, match="name its own with --dataset"):
        write_photo_report(exported.bundle, data, tmp_path, None, print)
    assert not list(tmp_path.iterdir())
