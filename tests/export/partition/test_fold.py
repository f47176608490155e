"""Each node's dense networks, handed tensors over, are the grouped network."""

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from export.partition.fold import fold_team, steps
from host_training.models.architecture import Team, Wiring
from host_training.models.team import GroupConv, TeamEncoder


def random_encoder(wiring: Wiring, side: int, n_nodes: int = 5) -> TeamEncoder:
    """Untrained; its batch norms have seen something, and its symbols differ."""
    torch.manual_seed(0)
    team = Team(nodes=n_nodes, wiring=wiring, draw=1, widths=((4, 5, 6), (7, 5), (6,)))
    encoder = TeamEncoder(team, 3, 8, 2 * n_nodes, (2, 8, 8, 32))
    for parameter in encoder.parameters():
        if parameter.dim() < 2:
            nn.init.normal_(parameter, std=0.5)
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
    for _ in range(5):
        encoder(torch.rand(16, 3, side, side))
    last = encoder.dense[-1]
    assert isinstance(last, GroupConv)
    last.weight.data *= 30
    return encoder.eval()


@torch.no_grad()
def node_by_node(encoder: TeamEncoder, images: Tensor, dead: set[int]) -> Tensor:
    """Latents (N, n, n_each) of the living; what is dead is read as zeros."""
    levels, cut = encoder.team.levels, fold_team(encoder, *images.shape[2:])
    made = [part(images) for part in cut[0].parts]
    for segment in cut[1:]:
        published = [
            torch.zeros_like(x) if node in dead else steps(x, levels) for node, x in enumerate(made)
        ]
        made = [
            part(torch.cat([published[other] for other in reads], 1))
            for part, reads in zip(segment.parts, segment.reads, strict=True)
        ]
    return torch.stack([x.flatten(1) for x in made], 1)


@pytest.mark.parametrize("side", [8, 20])
@pytest.mark.parametrize("wiring", get_args(Wiring))
@torch.no_grad()
def test_parts_by_themselves_are_the_grouped_network_also_with_dead_nodes(wiring, side):
    encoder = random_encoder(wiring, side)
    images = torch.rand(20, 3, side, side)
    for dead in (set(), {2}, {0, 3}):
        lives = torch.tensor([[node not in dead for node in range(5)]]).repeat(20, 1)
        heard = lives[:, None, :] | torch.eye(5, dtype=torch.bool)
        expected = encoder(images, lives, heard)[:, 5:].unflatten(1, (5, 2))[lives].flatten()
        latents = node_by_node(encoder, images, dead)[lives].flatten()
        assert expected.std() > 1
        assert torch.isclose(latents, expected, atol=1e-3).float().mean() > 0.99


def test_an_exchange_reads_as_its_wiring_says():
    reads = {wiring: fold_team(random_encoder(wiring, 8), 8, 8) for wiring in get_args(Wiring)}
    assert len(reads.pop("none")) == 1
    for wiring, cut in reads.items():
        assert [len(segment.parts) for segment in cut] == [5, 5, 5]
        assert cut[0].reads == ((),) * 5
        n_read = 5 if wiring in ("all", "shuffle") else 3
        assert all(len(set(groups)) == n_read for segment in cut[1:] for groups in segment.reads)
    assert [[(g + d) % 5 for d in (0, 1, 2)] for g in range(5)] == [
        list(groups) for groups in reads["design"][1].reads
    ]


def test_a_shuffle_weighs_nothing_of_what_it_does_not_read():
    first = fold_team(random_encoder("shuffle", 8), 8, 8)[1].parts[0][0]
    assert isinstance(first, nn.Conv2d)
    used = first.weight.abs().amax((0, 2, 3)) > 0
    assert first.in_channels == 30
    assert used.sum() == 6


def test_what_was_trained_stays_as_it_was():
    encoder = random_encoder("design", 8)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    fold_team(encoder, 8, 8)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
