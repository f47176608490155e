"""Fine-tuning: what moves and what does not, and a run that goes on where it was."""

import copy
from dataclasses import replace

import pytest
import torch

from host_training.models.backbone import WeightsError, weights
from host_training.training.checkpoint import Checkpoint
from host_training.training.fine_tuning import rate_bits
from host_training.training.trainer import Trainer
from tests.worlds.small_photos import RECIPE, install_weights, photos, saved_weights
from tests.worlds.small_training import CPU


@pytest.fixture(autouse=True)
def _package(monkeypatch, tmp_path):
    install_weights(monkeypatch, tmp_path)


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    return copy.deepcopy(trainer.model.state_dict())


def test_a_number_that_is_zero_costs_nothing_and_a_large_one_a_bit_for_each_doubling():
    assert rate_bits(torch.zeros(3, 4)) == 0
    bits = rate_bits(torch.tensor([[200.0]])) - rate_bits(torch.tensor([[100.0]]))
    assert bits == pytest.approx(1, abs=1e-3)


def test_photos_are_learned_behind_a_front_that_stays_as_it_came(tmp_path):
    trainer = Trainer(photos(), RECIPE, tmp_path / "run", CPU)
    before = state(trainer)
    trainer.train()
    best = Checkpoint.read(tmp_path / "run" / "ce.pt")
    assert best.validation.accuracy == 1.0
    assert sorted(best.latent_order or ()) == list(range(6))
    after = best.model.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    frozen = {name for name in before if name.startswith(("encoder.lite0.stem", "encoder.lite0.b"))}
    assert {name for name in frozen if ".blocks.1." not in name} <= same
    moved = before.keys() - same
    assert any(".blocks.1." in name for name in moved)
    assert {"encoder.latents.weight", "encoder.lite0.tip.conv.weight"} <= moved


def test_only_one_of_the_last_epochs_can_be_the_best(tmp_path):
    Trainer(photos(), replace(RECIPE, ce_epochs=4), tmp_path / "run", CPU).train()
    assert Checkpoint.read(tmp_path / "run" / "ce.pt").epoch >= 3


def test_a_rate_that_weighs_more_leaves_fewer_bits(tmp_path):
    bits = []
    for weight in (0.0, 0.1):
        folder = tmp_path / f"{weight}"
        Trainer(photos(), replace(RECIPE, rate_weight=weight), folder, CPU).train()
        bits.append(Checkpoint.read(folder / "ce.pt").validation.bits_per_image)
    assert bits[1] < bits[0]


def test_a_run_stopped_anywhere_and_continued_equals_one_that_never_stopped(tmp_path):
    whole = Trainer(photos(), RECIPE, tmp_path / "whole", CPU)
    whole.train()
    for calls in (1, 5, 12, 1000):  # while maps are computed, features, and in the updates
        left = [calls]

        def until(left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] <= 0

        pieces = Trainer(photos(), RECIPE, tmp_path / "pieces", CPU)
        pieces.train(until)
    assert pieces.is_finished
    for name, tensor in state(whole).items():
        torch.testing.assert_close(state(pieces)[name], tensor, rtol=0, atol=0, msg=name)


def test_a_run_begins_with_the_weights_and_goes_on_without_them(tmp_path, monkeypatch):
    run = tmp_path / "run"
    begun = Trainer(photos(), RECIPE, run, CPU).model.encoder.lite0.blocks[1].expand.conv.weight
    assert torch.equal(begun.sign(), saved_weights()["_blocks.1._expand_conv.weight"].sign())
    Trainer(photos(), replace(RECIPE, ce_epochs=1), run, CPU).train()
    monkeypatch.setattr(weights, "MODULE", "weights_of_nowhere")
    Trainer(photos(), replace(RECIPE, ce_epochs=1), run, CPU).train()
    with pytest.raises(WeightsError, match="PRESET=photo-32"):
        Trainer(photos(), RECIPE, tmp_path / "another", CPU)


def test_a_teacher_of_another_size_teaches(tmp_path):
    Trainer(photos(side=40), RECIPE, tmp_path / "teacher", CPU).train()
    path = tmp_path / "teacher" / "ce.pt"
    student = Trainer(photos(), RECIPE, tmp_path / "student", CPU, teacher=path)
    student.train()
    assert Checkpoint.read(tmp_path / "student" / "ce.pt").validation.accuracy == 1.0
