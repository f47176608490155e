"""Rotated groups: the same function in fewer numbers, whoever is dead."""

import pytest
import torch

from export.partition.rotation import rotated, rotations
from host_training.models.architecture import Architecture, Team
from host_training.models.autoencoder import AutoEncoder, ModelConfig, quantise

TEAM = Team(nodes=3, widths=((4, 6), (6, 8), (8,)))
IMAGES = torch.rand(400, 1, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def model() -> AutoEncoder:
    torch.manual_seed(0)
    made = AutoEncoder(ModelConfig.of(Architecture(team=TEAM, hidden=8, latents=12), (8, 8, 1), 4))
    with torch.no_grad():
        for _ in range(3):
            made.encoder(IMAGES)
            made.decoder(made.encoder(IMAGES))
        made.encoder.dense[-1].weight.mul_(20)
    return made.eval()


def lives(*dead: int) -> tuple[torch.Tensor, torch.Tensor]:
    alive = torch.tensor([[node not in dead for node in range(3)]] * len(IMAGES))
    return alive, alive[:, None, :] | torch.eye(3, dtype=torch.bool)


@pytest.mark.parametrize("dead", [(), (1,), (0, 2)])
@torch.no_grad()
def test_before_rounding_a_rotated_team_says_the_same(model: AutoEncoder, dead) -> None:
    made, order = rotated(model, IMAGES, 1e-6)  # so fine that no coordinate is useless
    assert sorted(order) == list(range(made.config.n_symbols))
    assert order[:3] == [0, 1, 2]
    wanted = model.decoder(model.encoder(IMAGES, *lives(*dead)))
    found = made.decoder(made.encoder(IMAGES, *lives(*dead)))
    assert torch.allclose(found, wanted, atol=1e-2)


@torch.no_grad()
def test_a_coarser_step_leaves_fewer_numbers_and_smaller_ones(model: AutoEncoder) -> None:
    fine, coarse = (rotated(model, IMAGES, step)[0] for step in (0.5, 8.0))
    assert coarse.config.latents < fine.config.latents
    sizes = [quantise(each.encoder(IMAGES))[:, 3:].abs().sum(1).mean() for each in (fine, coarse)]
    assert sizes[1] < sizes[0] / 2


def test_every_groups_coordinates_come_by_falling_importance(model: AutoEncoder) -> None:
    for axes in rotations(model, IMAGES, 1.0):
        assert (axes.importance.diff() <= 0).all()
