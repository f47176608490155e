"""What a run of tests comes to."""

import pytest

from tests.studies.faults.pytest_run import ROOT, failing, run
from tests.studies.faults.situations import SITUATIONS

TESTS = """
import pytest
def test_right(): assert True
def test_wrong(): assert False
def test_away(): pytest.skip("not here")
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "test_of_a_kind.py"
    path.write_text(TESTS)
    return path


def test_passed_failed_and_skipped_are_counted(file):
    assert run(str(file)) == {"passed": 1, "failed": 1, "skipped": 1}


def test_what_fails_and_what_was_not_shown_is_named(file):
    tests = {name: [f"{file}::test_{name}"] for name in ("right", "wrong", "away")}
    assert failing(tests) == ["wrong", "away"]


def test_a_test_that_is_not_there_is_no_good_news(tmp_path):
    with pytest.raises(RuntimeError, match="ended with"):
        run(str(tmp_path / "test_nothing.py"))


@pytest.mark.parametrize("test", [test for tests in SITUATIONS.values() for test in tests])
def test_what_shows_a_situation_is_there(test):
    path, _, name = test.partition("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text()
