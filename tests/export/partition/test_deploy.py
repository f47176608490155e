"""A team really trained for a moment on the digits, exported from end to end."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from export import ExportError
from export.commands import main
from export.decoders.add import Request, add_decoder
from export.decoders.calibration import calibrate
from export.decoders.finetune import FineTuning
from export.partition.chain import NOBODY, Chain, encoder_of
from export.pipeline import export
from export.rotate import Rotating, rotate
from export.settings import Settings
from host_decoder.decode.classifier import Classifier
from host_training.data.catalogue import load
from host_training.models.architecture import Architecture, Team
from host_training.presets import recipe
from host_training.training.trainer import Trainer
from link.bundle.bundle import Bundle
from link.coder import decode_bulk, latent_coder

TEAM = Team(nodes=3, widths=((8, 10), (12,), (12,)))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("runs") / "digits-team"
    small = Architecture(team=TEAM, hidden=12, latents=9, noise_half_width=0.5)
    short = replace(recipe("branch-3", ce_epochs=12), model=small, batch_size=100)
    Trainer(load("digits"), short, run, torch.device("cpu")).train()
    return run / "ce.pt"


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    settings = Settings(
        checkpoint,
        tmp_path_factory.mktemp("export") / "bundle",
        components=(1, 10),
        max_drop_points=4.0,
        fine_tuning=FineTuning(max_epochs=4),
    )
    return settings, *export(settings, lambda line: None)


def test_a_teams_bundle_answers_also_with_one_dead(exported):
    _, bundle, report = exported
    for side in ("node", "host"):
        assert Bundle.load(bundle.path, side).team == bundle.team
    assert bundle.n_latents == 12
    accuracies = report.team.accuracies
    assert len(accuracies) == 1 + 3 + 3
    assert accuracies[NOBODY] > 0.25
    mean, worst = report.team.with_dead(1)
    assert accuracies[NOBODY] > mean > worst > 0.1
    assert report.figures()["accuracy_one_dead_worst"] == worst
    one_alive, _ = report.team.with_dead(2)
    assert mean > one_alive == report.figures()["accuracy_one_alive_mean"]
    text = (bundle.path / "report.md").read_text(encoding="utf-8")
    assert "## Team" in text
    assert f"{worst:.2%}" in text


def test_what_the_report_says_is_what_parts_coder_and_decoder_give(exported):
    _, bundle, report = exported
    test = load("digits").test
    chain, dead = encoder_of(bundle), frozenset({1})
    assert isinstance(chain, Chain)
    symbols = chain.of_dead_sets(test.images, [dead])[dead]
    bitstreams = [latent_coder.encode(image, bundle.tables) for image in symbols]
    heard = decode_bulk(bitstreams, bundle.tables).symbols
    answers = Classifier.of(bundle)(heard).argmax(1)
    assert np.isclose((answers == test.labels).mean(), report.team.accuracies[dead])


def test_int8_parts_make_the_symbols_of_the_trained_network(exported):
    _, _, report = exported
    agreement = report.agreements["int8 and PyTorch"]
    assert agreement.equal > 0.85
    assert agreement.within_one > 0.99


def test_a_bundle_is_the_same_each_time(exported, tmp_path):
    settings, bundle, _ = exported
    again, _ = export(replace(settings, out=tmp_path / "again"), lambda line: None)
    assert again.id == bundle.id
    assert again.manifest.host.files == bundle.manifest.host.files


def test_further_tasks_and_calibration_work_and_a_rotation_is_refused(exported, tmp_path):
    _, bundle, _ = exported
    added, name, figures = add_decoder(Request(bundle.path, "label", loss="svm"))
    assert added.has_task(name)
    assert figures["accuracy"] > 0.25
    calibrated, fitted = calibrate(bundle.path, load("digits"))
    assert fitted.ece_after < 0.2
    assert calibrated.id == bundle.id
    with pytest.raises(ExportError, match="whose latents cannot be rotated"):
        rotate(Rotating(bundle.path, tmp_path / "rotated"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"views": 2}, "leave out --views"),
        ({"latents": 6}, "leave out --latents"),
    ],
)
def test_what_a_team_cannot_is_refused(checkpoint, tmp_path, changes, sentence):
    with pytest.raises(ExportError, match=sentence):
        export(Settings(checkpoint, tmp_path / "bundle", **changes))


def test_the_planner_places_a_bundle_and_says_whether_it_pays(exported, tmp_path, capsys):
    _, bundle, _ = exported
    words = ["plan", str(bundle.path), "--nodes", "3"]
    out = tmp_path / "placement.json"
    assert main([*words, "--gmacs", "23.7", "--out", str(out)]) == 0
    assert "Cutting does not pay" in capsys.readouterr().out
    assert out.read_text() == "[[[0], [0], [0]], [[0], [0], [0]], [[0], [0], [0]]]\n"
    assert main([*words, "--gmacs", "0.001", "--multicast", "--kind", "branches"]) == 0
    assert "Cutting pays" in capsys.readouterr().out
    assert main([*words, "--gmacs", "23.7", "--kind", "replica", "--out", str(out)]) == 0
    assert all(len(set(held)) > 1 for row in json.loads(out.read_text()) for held in row)
    alone = ["plan", str(bundle.path), "--nodes", "1", "--gmacs", "1", "--kind", "replica"]
    assert main([*alone, "--out", str(out)]) == 1
    assert "replicas take at least two nodes" in capsys.readouterr().err
    assert main([*words, "--gmacs", "1,2"]) == 1
    assert "2 numbers for 3 nodes" in capsys.readouterr().err
