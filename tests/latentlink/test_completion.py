"""Completion: what the Tab key offers is what the help of each command says."""

import sys

import pytest

from latentlink.commands import COMMANDS
from latentlink.completion import ASK, SHELLS, candidates, main


@pytest.fixture(autouse=True)
def own_words(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([], list(COMMANDS)),
        (["li"], ["live", "link"]),
        (["link", "em"], ["emulate"]),
        (["link", "emulate", "--li"], ["--link", "--link-dir", "--listen-before-talk"]),
        (["host", "--v"], ["--view"]),
        (["host", "in"], ["init"]),
        (["node", "--console", "t"], ["text"]),
        (["host", "a-file"], []),
        (["nothing", "--"], []),
    ],
)
def test_words_are_offered_in_their_place(words, offered):
    assert candidates(words) == offered


def test_a_shell_asks_and_gets_a_word_a_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["latentlink completion", ASK, "comp"])
    assert main() == 0
    assert capsys.readouterr().out == "completion\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_that_asks(monkeypatch, capsys, shell):
    monkeypatch.setattr(sys, "argv", ["latentlink completion", shell])
    assert main() == 0
    assert f"latentlink completion {ASK}" in capsys.readouterr().out
