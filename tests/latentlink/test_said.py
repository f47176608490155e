"""What was said becomes options of a program, which runs to its end and whose code is the last
word.
"""

import shlex
import signal
import sys
from pathlib import Path

import pytest

from latentlink import said as said_module
from latentlink.said import Said, StepError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a module `step` that does what its words say, run by this Python."""
    (tmp_path / "step.py").write_text(
        "import os, sys\n"
        "what, *words = sys.argv[1:]\n"
        "open('seen', 'w').write(os.environ.get('DATA_DIR', '') + os.environ.get('MORE', ''))\n"
        "sys.exit(int(words[0])) if what == 'exit' else os.kill(os.getpid(), int(words[0]))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.setattr(said_module, "PYTHON", Path(sys.executable))
    return tmp_path


def test_only_what_was_said_becomes_an_option_in_the_order_of_the_command():
    said = Said({"LINK": "lora-sf7", "MAX_DROP": "2", "SEED": "1"})
    assert said.options("MAX_DROP", "IMAGES", "LINK") == ["--max-drop", "2", "--link", "lora-sf7"]


def test_of_a_path_the_sign_for_home_is_read(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    said = Said({"DATASET": "~/photos"})
    assert said.options("DATASET") == ["--dataset", "/home/ada/photos"]
    assert said.path("DATASET") == Path("/home/ada/photos")
    assert said.path("RUN") is None


def test_figures_go_to_a_folder_of_ones_own_unless_another_is_said():
    assert Said({}).results == "runs/results"
    assert Said({"RESULTS": "results"}).results == "results"


def test_a_dry_step_is_shown_as_it_could_be_typed_and_not_run(here, capsys):
    Said({}, is_dry=True).run("step", "exit", "1", Path("a folder"))
    assert shlex.split(capsys.readouterr().out)[1:] == ["-m", "step", "exit", "1", "a folder"]
    assert not (here / "seen").exists()


def test_a_step_that_succeeds_is_silent_unless_it_is_to_be_shown(here, capsys):
    Said({}).run("step", "exit", "0")
    assert capsys.readouterr().out == ""
    Said({"V": "1"}).run("step", "exit", "0")
    assert "-m step exit 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"), [(("exit", "3"), 3), (("kill", str(int(signal.SIGTERM))), 143)]
)
def test_a_step_that_fails_ends_it_with_its_code_as_a_shell_gives_it(here, words, code):
    with pytest.raises(StepError) as failed:
        Said({}).run("step", *words)
    assert failed.value.code == code


def test_a_step_knows_where_data_is_and_what_else_it_is_told(here):
    Said({"DATA_DIR": "/data"}).run("step", "exit", "0", MORE="more")
    assert (here / "seen").read_text() == "/datamore"


def test_what_ctrl_c_does_is_the_steps_affair_while_it_runs_and_ours_afterwards(here):
    before = signal.getsignal(signal.SIGINT)
    Said({}).run("step", "exit", "0")
    assert signal.getsignal(signal.SIGINT) == before
