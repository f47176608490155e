"""A usage line names what was typed; an unknown word is answered with the one that was meant."""

import sys

import pytest

from link.output.program import Parser, add_command, did_you_mean


def parser() -> Parser:
    top = Parser(prog="python -m link")
    command = top.add_subparsers(metavar="command").add_parser("monitor")
    command.add_argument("--link")
    command.add_argument("--frequency-hz")
    return top


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["monitor", "--profile", "x"], "no option --profile; did you mean --link? --help lists"),
        (["monitor", "--linc=x"], "there is no option --linc; did you mean --link? --help lists"),
        (["monitor", "--xyz", "1"], "there is no option --xyz; --help lists them"),
        (["--json", "monitor"], "there is no option --json; --help lists them"),
        (["monitor", "more"], "unrecognized arguments: more"),
    ],
)
def test_an_unknown_option_is_answered_with_the_one_that_was_meant(capsys, words, sentence):
    with pytest.raises(SystemExit) as end:
        parser().parse_args(words)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_usage_is_of_the_command_that_handed_over(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["latentlink link"])
    for words, usage in ((["--help"], "latentlink link"), (["monitor", "-h"], "link monitor")):
        with pytest.raises(SystemExit):
            parser().parse_args(words)
        assert f"{usage} [-h]" in capsys.readouterr().out


def test_a_name_is_like_another_whatever_its_case():
    assert did_you_mean("dataset", ["DATASET", "SEED"]) == "did you mean DATASET? "
    assert did_you_mean("HOST", ["ADDRESS"], {"HOST": "ADDRESS"}) == "did you mean ADDRESS? "
    assert did_you_mean("nothing", ["ADDRESS"]) == ""


def test_a_subcommands_own_help_says_what_the_list_of_them_says():
    top = Parser(prog="python -m link")
    command = add_command(top.add_subparsers(metavar="command"), "profiles", "list the lines")
    assert "list the lines" in top.format_help()
    assert "list the lines" in command.format_help()
