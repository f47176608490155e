"""`python -m host_training global`: a folder that is a run, goes on, and is not another's."""

import json

import pytest

from host_training import commands
from host_training.distributed.learner.flat_model import FlatModel
from host_training.distributed.simulation import command_line
from host_training.distributed.simulation.central import Central
from host_training.distributed.simulation.plan import Plan
from host_training.distributed.simulation.run import Run, World
from host_training.run import RunError, read_run
from host_training.training.checkpoint import Checkpoint

SMALL = [
    "--n-devices",
    "4",
    "--n-groups",
    "2",
    "--batch-images",
    "16",
    "--epochs",
    "0.2",
    "--up-bytes",
    "900",
    "--down-bytes",
    "900",
]


def test_it_ends_with_a_run_that_others_read_and_a_report(tmp_path, capsys, monkeypatch):
    run_dir = tmp_path / "run"
    words = ["global", "--dataset", "digits", "--run", str(run_dir), *SMALL]
    rounds: list[int] = []
    train = Run.train

    def cut_off(self, judged_every, on_round, until):
        return train(self, judged_every, on_round, lambda: self.server.round_ == 3)

    monkeypatch.setattr(Run, "train", cut_off)
    assert commands.main(words) == 130  # interrupted
    monkeypatch.setattr(Run, "train", train)
    monkeypatch.setattr(command_line, "draw", lambda curves, line: rounds.append(line["round"]))
    assert commands.main(words) == 0
    assert rounds[0] == 3
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    read = Checkpoint.read(run_dir / "ce.pt")
    assert said["validation"]["accuracy"] == read.validation.accuracy
    run = read_run(run_dir)
    assert run is not None
    assert run.is_finished
    assert (run.preset, run.stage) == ("narrow-5", "ce")
    assert "| device | counted |" in (run_dir / "report.md").read_text()

    second = tmp_path / "second"
    more = ["--start-from", str(run_dir / "ce.pt"), "--rate", "0.01"]
    assert commands.main([*words[:4], str(second), *SMALL, *more]) == 0
    assert Checkpoint.read(second / "duphil.pt").stage == "duphil"


def test_another_plan_in_the_same_folder_is_named(tmp_path):
    command_line.require_same(tmp_path, {"n_devices": 4, "alpha": None})
    command_line.require_same(tmp_path, {"n_devices": 4, "alpha": None})
    with pytest.raises(command_line.RunError, match=r"its alpha is None, not 0\.3"):
        command_line.require_same(tmp_path, {"n_devices": 4, "alpha": 0.3})


def test_central_training_takes_as_many_images(tmp_path):
    words = ["global", "--dataset", "digits", "--run", str(tmp_path / "run"), "--central", *SMALL]
    assert commands.main(words) == 0
    assert Checkpoint.read(tmp_path / "run" / "ce.pt").stage == "ce"


def test_central_training_that_was_broken_off_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    def weights_of(name: str) -> bytes:
        model = Checkpoint.read(tmp_path / name / "ce.pt").model
        return FlatModel(model).weights.tobytes()

    words = ["global", "--dataset", "digits", "--central", *SMALL, "--run"]
    assert commands.main([*words, str(tmp_path / "whole")]) == 0
    judge, n_judged = Run.judge, 0

    def killed(self, weights=None):
        nonlocal n_judged
        n_judged += 1
        if n_judged == 4:
            raise KeyboardInterrupt
        return judge(self, weights)

    monkeypatch.setattr(Run, "judge", killed)
    assert commands.main([*words, str(tmp_path / "cut")]) == 130
    begun = []
    train = Central.train

    def train_on(self, weights, begin=0, momentum=None):
        begun.append(begin)
        return train(self, weights, begin, momentum)

    monkeypatch.setattr(Central, "train", train_on)
    assert commands.main([*words, str(tmp_path / "cut")]) == 0
    assert begun[0] > 0
    assert weights_of("cut") == weights_of("whole")


@pytest.mark.parametrize(
    ("changes", "around", "said"),
    [
        ({"n_devices": 0}, {}, "--n-devices is 0"),
        ({"n_groups": 0}, {}, "--n-groups is 0"),
        ({"n_groups": 99}, {}, "take fewer groups"),
        ({"up_bytes": 10}, {}, "--up-bytes is 10; it must be at least 200"),
        ({"epochs": 0.0}, {}, "--epochs is 0.0"),
        ({}, {"alpha": -1.0}, "--alpha is -1.0"),
    ],
)
def test_numbers_of_which_no_run_can_be_made_are_refused(changes, around, said):
    with pytest.raises(RunError, match=said):
        command_line.require_possible(Plan(**changes), World(**around))
