"""The report says what the results files say, and nothing has to be believed that is not in it."""

import pytest

from tests.studies import report
from tests.studies.catalogue import FOLDER
from tests.studies.common import Table

ROOT = FOLDER.parent.parent


@pytest.fixture(scope="module")
def sections():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield list(report.sections())


def test_the_report_that_is_kept_is_the_one_that_its_results_files_make(sections, monkeypatch):
    monkeypatch.chdir(ROOT)
    kept = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert kept == report.markdown(sections), "`make report` writes it anew"


def test_every_section_says_by_which_command_and_revision_it_was_made(sections):
    assert len(sections) > 5
    for section in sections:
        assert section.made_by.startswith("`python -m tests.studies")
        assert "; revision " in section.made_by
        assert section.plot.suffix == ".svg"


def test_the_page_holds_its_plots_and_takes_names_as_they_are(tmp_path):
    plot = tmp_path / "plot.svg"
    plot.write_text("<?xml version='1.0'?>\n<svg><g/></svg>\n")
    table = Table(["a < b"], [["1 & 2"]])
    section = report.Section("A title", "What <it> is", "`make`", [table], plot)
    text = report.page([section])
    assert "<svg><g/></svg>" in text
    assert "<?xml" not in text
    for shown in ("What &lt;it&gt; is", "a &lt; b", "1 &amp; 2"):
        assert shown in text
