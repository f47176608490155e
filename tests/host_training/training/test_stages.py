"""What a stage trains, and how fast."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.training.muon import Muon
from host_training.training.recipe import Recipe
from host_training.training.stages import CrossEntropyStage, DuPHiLStage, learning_rate_factor
from tests.worlds.small_training import RECIPE

IMAGES, LABELS = torch.rand(48, 1, 8, 8), torch.arange(48) % 3


@pytest.fixture
def model() -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(ModelConfig.of(RECIPE.model, (8, 8, 1), 3))


def weights(model: AutoEncoder) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Top-level parts (encoder, side_branch, decoder) of which any weight or statistic differs."""
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("optimiser", ["sgd", "muon"])
def test_cross_entropy_moves_encoder_and_decoder_and_leaves_the_side_branch(model, optimiser):
    stage = CrossEntropyStage(model, replace(RECIPE, optimiser=optimiser), None)
    before = weights(model)
    losses = [stage.update(IMAGES, LABELS).loss.item() for _ in range(20)]
    assert changed(before, weights(model)) == {"encoder", "decoder"}
    assert losses[-1] < losses[0]


def test_muon_moves_the_kernels_and_sgd_the_rest(model):
    stage = CrossEntropyStage(model, replace(RECIPE, optimiser="muon"), None)
    sgd, muon = stage.optimisers
    assert isinstance(muon, Muon)
    moved = [each for one in (sgd, muon) for group in one.param_groups for each in group["params"]]
    parts = [*model.encoder.parameters(), *model.decoder.parameters()]
    assert sorted(map(id, moved)) == sorted(map(id, parts))
    assert all(kernel.shape[2:] == (3, 3) for kernel in muon.param_groups[0]["params"])


def test_learning_rates_go_up_and_down_with_the_schedule(model):
    stage = DuPHiLStage(model, RECIPE)
    for factor in (0.5, 0.1):
        stage.set_learning_rates(factor)
        rates = [optimiser.param_groups[0]["lr"] for optimiser in stage.optimisers]
        wanted = (RECIPE.mcr2_learning_rate, RECIPE.duphil_decoder_learning_rate)
        assert rates == pytest.approx([factor * rate for rate in wanted])


def test_phase_1_moves_encoder_and_side_branch_only_and_raises_the_rate_reduction(model):
    stage = DuPHiLStage(model, RECIPE)
    before = weights(model)
    reductions = [stage.phase1(IMAGES, LABELS).reduction.item() for _ in range(30)]
    assert changed(before, weights(model)) == {"encoder", "side_branch"}
    assert np.mean(reductions[-5:]) > np.mean(reductions[:5])


def test_phase_2_moves_the_decoder_only_and_freezes_the_encoders_statistics(model):
    stage = DuPHiLStage(model, RECIPE)
    before = weights(model)
    stage.phase2(IMAGES, LABELS)
    assert changed(before, weights(model)) == {"decoder"}


def test_the_papers_learning_rate_falls_tenfold_at_its_milestones():
    factors = [learning_rate_factor(Recipe(), progress) for progress in (0, 0.49, 0.5, 0.75, 0.9)]
    assert factors == pytest.approx([1, 1, 0.1, 0.01, 0.001])


def test_one_cycle_warms_up_and_ends_at_zero():
    recipe = Recipe(schedule="one-cycle")
    factors = [learning_rate_factor(recipe, progress / 100) for progress in range(101)]
    assert factors[0] < 0.1
    assert max(factors) == pytest.approx(1)
    assert factors[-1] == pytest.approx(0, abs=1e-9)
