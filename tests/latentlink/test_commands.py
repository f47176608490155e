"""One command: each of its words is handed over to the program that it is a word for."""

import subprocess
import sys
from pathlib import Path

import pytest

from latentlink.commands import COMMANDS, Command, hand_over
from link.base.extras import install, version

ROOT = Path(__file__).parent.parent.parent


def latentlink(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "latentlink", *words], cwd=ROOT, capture_output=True, text=True
    )


@pytest.fixture(autouse=True)
def own_words(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_of_its_own_under_its_name(name, capsys):
    if name == "make":
        assert hand_over(name, ["--help"]) == 0
        assert "Variables:" in capsys.readouterr().out
        return
    with pytest.raises(SystemExit) as end:
        hand_over(name, ["--help"])
    assert not end.value.code
    assert capsys.readouterr().out.startswith(f"usage: latentlink {name} ")


def test_help_says_a_line_of_each_command():
    for done in (latentlink("--help"), latentlink()):
        lines = done.stdout.splitlines()
        assert done.returncode == 0
        for name, command in COMMANDS.items():
            assert f"  {name:<10} {command.text}" in lines


def test_the_list_wants_nothing_but_the_standard_library():
    command = [sys.executable, "-S", "-m", "latentlink", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "node" in done.stdout


def test_an_unknown_command_is_answered_with_what_there_is():
    done = latentlink("nodes")
    assert done.returncode == 2
    assert "there is no command nodes; did you mean node? there are train, global" in done.stderr


def test_words_codes_and_faults_are_the_commands_own(tmp_path):
    done = latentlink("node", str(tmp_path / "node.toml"))
    assert done.returncode == 1
    assert done.stderr.startswith("device: there is no ")
    done = latentlink("link", "emulate")
    assert done.returncode == 2
    assert "usage: latentlink link emulate" in done.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("import PIL_of_nowhere.Image", "needs PIL_of_nowhere, which is not installed; type: pip"),
        ("import tests.nowhere", "is for a checkout of the project; type it there"),
    ],
)
def test_what_is_not_installed_is_named(tmp_path, monkeypatch, capsys, content, sentence):
    (tmp_path / "wanting.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wanting", raising=False)
    monkeypatch.setitem(COMMANDS, "wanting", Command("", "wanting"))
    assert hand_over("wanting", []) == 1
    assert capsys.readouterr().err.startswith(f"latentlink wanting {sentence}")


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("train", "torch", "train"),
        ("export", "onnx", "export"),
        ("decoder", "torch", "export"),
        ("live", "rich", "node,host"),
        ("host", "rich", "host"),
        ("node", "numpy", "node"),
        ("link", "cryptography", ""),
    ],
)
def test_a_missing_library_is_one_sentence_that_says_what_to_type(name, library, extra):
    script = f"""
import sys
sys.modules[{library!r}] = None
sys.argv = ["latentlink", {name!r}]
from latentlink.__main__ import main
sys.exit(main())
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"latentlink {name} needs {library}, which is not installed; type: {install(extra)}\n"
    )
    assert not extra or f"[{extra}]'" in done.stderr


def test_a_version_is_said_with_nothing_installed():
    command = [sys.executable, "-S", "-m", "latentlink", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"latentlink {version()}\n"
