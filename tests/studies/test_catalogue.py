"""One runner for all studies, and a list of them that misses none."""

import json
import os
import subprocess
import sys
from fnmatch import fnmatch

import pytest

from tests.studies import __main__ as runner
from tests.studies import catalogue, command
from tests.studies.catalogue import FOLDER, STUDIES

ROOT = FOLDER.parent.parent
OF_THE_PRODUCT = ("export-*", "turn-*", "live-*")
"Results that the product's own commands write."


def test_whatever_has_a_main_is_a_study_and_stands_in_the_list():
    with_main = {
        path.parent.name if path.name == "study.py" else path.stem
        for path in FOLDER.rglob("*.py")
        if "\ndef main(" in path.read_text() and path.name != "__main__.py"
    }
    assert with_main == STUDIES.keys()


def test_every_results_file_of_the_project_is_of_one_study():
    for path in sorted((ROOT / "results").glob("*.json")):
        name = path.relative_to(ROOT).as_posix()
        studies = [study for study, written in STUDIES.items() if fnmatch(name, written)]
        is_of_the_product = any(fnmatch(path.stem, pattern) for pattern in OF_THE_PRODUCT)
        assert len(studies) == (0 if is_of_the_product else 1), name


def test_the_list_says_of_each_what_it_is_how_it_is_run_and_what_is_here(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    runner.show_all()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * len(STUDIES)
    for study, idea, usage in zip(STUDIES, lines[::3], lines[1::3], strict=True):
        assert idea.split(maxsplit=1) == [study, catalogue.about(study)[0]]
        assert usage.split(" [")[0].strip().startswith(f"python -m tests.studies {study}")
    kept = json.loads((ROOT / "results/gate.json").read_text())
    assert f"results/gate.json, revision {kept['commit'][:12]}" in [line.strip() for line in lines]


def test_a_study_that_has_not_been_run_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert runner.state(catalogue.written("gate")) == "no result here yet"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing"], "argument NAME: invalid choice: 'nothing'"),
        (["seeds", "--seeds", "1"], "tests.studies seeds: error: a spread needs at least two"),
        (["nair", "--size", "full", "--datasets", "digits"], "size full has no digits"),
    ],
)
def test_what_no_study_takes_is_told_in_a_sentence(words, sentence, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tests.studies", *words])
    with pytest.raises(SystemExit) as ended:
        runner.main()
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("folder", [["--data-dir", "/mine"], ["--data-dir=/mine"]])
def test_results_keep_what_was_typed_but_not_where_this_machine_keeps_data(monkeypatch, folder):
    monkeypatch.setattr(sys, "argv", ["x", "gate", *folder, "--results", "my own"])
    assert command.command() == "python -m tests.studies gate --results 'my own'"


def test_whoever_has_read_enough_of_the_list_ends_it_without_a_word():
    read_end, write_end = os.pipe()
    os.close(read_end)
    command_line = [sys.executable, "-m", "tests.studies"]
    ended = subprocess.run(
        command_line, cwd=ROOT, stdout=write_end, stderr=subprocess.PIPE, timeout=120
    )
    os.close(write_end)
    assert (ended.returncode, ended.stderr) == (0, b"")
