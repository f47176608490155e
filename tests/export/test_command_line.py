"""What may be typed, and what it means when it is left out."""

import pytest

from export.command_line import numbers, parser, plan_parser, rotation_parser


def test_either_a_run_or_a_checkpoint_is_named(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args([])
    with pytest.raises(SystemExit):
        parser().parse_args(["--run", "a", "--checkpoint", "b"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_one_speed_is_every_nodes_and_several_are_each_ones():
    said = plan_parser().parse_args(["team", "--gmacs", "2", "--mbps", "10,5.5"])
    assert (said.gmacs, said.mbps, said.delay_ms) == ((2.0,), (10.0, 5.5), (2.0,))
    assert numbers("1,64") == (1, 64)


def test_figures_go_beside_the_runs_unless_it_is_said():
    words = ["--bundle", "b", "--out", "o"]
    assert str(rotation_parser().parse_args(words).results) == "runs/results"
    assert str(rotation_parser().parse_args([*words, "--results", "r"]).results) == "r"
