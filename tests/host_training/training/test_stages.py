"""What a stage trains, and how fast."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from host_training.data.batches import to_model_input, to_pixels
from host_training.models.architecture import Architecture, Team
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.training.muon import Muon
from host_training.training.recipe import Recipe
from host_training.training.stages import CrossEntropyStage, DuPHiLStage, learning_rate_factor
from tests.worlds.small_training import RECIPE, blobs

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


TEAM = replace(
    RECIPE,
    model=Architecture(
        team=Team(nodes=3, widths=((2, 3), (4, 5), (4,))), hidden=6, latents=6, features=4
    ),
    optimiser="muon",
)


def team_model(recipe: Recipe = TEAM, n_coarse: int = 0) -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(ModelConfig.of(recipe.model, (8, 8, 1), 3, n_coarse))


def test_a_team_learns_by_both_stages_and_its_decoder_meets_deaths_in_each() -> None:
    model = team_model()
    flags: list[torch.Tensor] = []
    model.decoder.register_forward_pre_hook(lambda _, given: flags.append(given[0][:, :3]))
    first = CrossEntropyStage(model, TEAM, None)
    losses = [first.update(IMAGES, LABELS).loss.item() for _ in range(30)]
    assert losses[-1] < losses[0]
    before = weights(model)
    DuPHiLStage(model, TEAM).update(IMAGES, LABELS)
    assert changed(before, weights(model)) == {"encoder", "side_branch", "decoder"}
    assert (flags[-1] == 0).any()


def test_superclasses_are_a_second_task_that_moves_the_encoder() -> None:
    model = team_model(n_coarse=2)
    coarse_of = torch.tensor([0, 1, 1])
    stage = CrossEntropyStage(model, TEAM, None, coarse_of)
    learned = blobs(48).train
    images, labels = to_model_input(to_pixels(learned.images), 0), torch.from_numpy(learned.labels)
    for _ in range(60):
        stage.update(images, labels)
    model.eval()
    with torch.no_grad():
        said = model.decoder.coarse(model.decoder.hidden(model.encoder(images))).argmax(1)
    assert (said == coarse_of[labels]).float().mean() > 0.8


def test_the_nodes_of_an_ensemble_are_trained_each_by_itself() -> None:
    """What another node has in its weights changes no gradient of a node's own."""

    def gradients(spoil: bool) -> list[torch.Tensor]:
        assert TEAM.model.team is not None
        team = replace(TEAM.model.team, wiring="none", joint_weight=0.0, dropout=0.0)
        recipe = replace(TEAM, model=replace(TEAM.model, team=team))
        model = team_model(recipe)
        kernels = [each for each in model.encoder.parameters() if each.dim() == 5]
        if spoil:
            with torch.no_grad():
                for kernel in kernels:
                    kernel[1:] *= 3
        torch.manual_seed(1)
        CrossEntropyStage(model, recipe, None).loss(IMAGES, LABELS).backward()
        return [each.grad[0] for each in kernels if each.grad is not None]

    for one, other in zip(gradients(False), gradients(True), strict=True):
        assert one.abs().sum() > 0
        assert torch.allclose(one, other, atol=1e-6)
