"""What is typed and what a run says become one export's settings."""

from dataclasses import replace
from pathlib import Path

import pytest

from export.command_line import parser
from export.commands import as_run_says, main
from export.settings import Settings
from host_training.run import Run, RunError, write_run

RUN = Run("cifar10", None, None, None, 60_000, "0", "plain-120", {}, "ce", is_finished=True)


@pytest.fixture
def run(tmp_path) -> Path:
    write_run(RUN, tmp_path / "run", None)
    return tmp_path / "run"


def settings(*words: object) -> Settings:
    options = vars(parser().parse_args([*map(str, words)]))
    del options["results"], options["data_dir"]
    return Settings(**as_run_says(options))


def test_a_run_is_exported_as_its_preset_says(run):
    said = settings("--run", run)
    assert said.checkpoint == run / "ce.pt"
    assert said.out == run / "bundle"
    assert (said.order, said.views) == ("importance", 2)


def test_a_run_that_must_not_be_mirrored_is_looked_at_once(tmp_path):
    write_run(replace(RUN, changes={"flip": False}), tmp_path / "run", None)
    assert settings("--run", tmp_path / "run").views == 1


def test_a_report_is_of_a_run(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert f"{tmp_path} is no run; `make export DATASET=" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "coarseness"), [((), 3.0), (("--coarseness", 2), 2.0)])
def test_a_presets_step_of_the_latents_is_its_own_too(tmp_path, typed, coarseness):
    write_run(replace(RUN, preset="branch-7"), tmp_path / "team", None)
    assert settings("--run", tmp_path / "team", *typed).coarseness == coarseness
    assert settings("--checkpoint", tmp_path / "ce.pt").coarseness == 1.0


def test_what_is_typed_goes_before_the_preset(run):
    order = ("--order", "discriminative", "--views", "1", "--out", "elsewhere")
    said = settings("--run", run, "--stage", "duphil", *order)
    assert said.checkpoint == run / "duphil.pt"
    assert said.out == Path("elsewhere")
    assert (said.order, said.views) == ("discriminative", 1)


def test_a_checkpoint_is_exported_as_it_is_whatever_the_preset(run):
    said = settings("--checkpoint", run / "ce.pt")
    assert said.checkpoint == run / "ce.pt"
    assert said.out == run / "bundle"
    assert (said.order, said.views) == ("discriminative", 1)


def test_a_run_that_is_not_finished_has_a_stage_that_is(run):
    write_run(replace(RUN, is_finished=False), run, None)
    with pytest.raises(RunError, match=r"run is not finished; `make train RUN=.*` trains it"):
        settings("--run", run)
    assert settings("--run", run, "--stage", "ce").checkpoint == run / "ce.pt"


def test_what_is_no_run_is_a_sentence(tmp_path, capsys):
    assert main(["export", "--run", str(tmp_path)]) == 1
    assert main(["--checkpoint", str(tmp_path / "x.pt"), "--stage", "ce"]) == 1
    no_run, no_stage = capsys.readouterr().err.splitlines()
    assert no_run.startswith(f"error: {tmp_path} is no run; `make train RUN={tmp_path}`")
    assert no_stage == "error: --stage is one of a run's: name the run, --run DIR"
