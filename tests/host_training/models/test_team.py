"""A team's encoder: deaths are zeros, nodes are networks of their own, what crosses is whole."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from host_training.models.architecture import Architecture, Team, Wiring
from host_training.models.autoencoder import AutoEncoder, ModelConfig, quantise
from host_training.models.team import (
    Exchange,
    GroupConv,
    Pool,
    TeamDecoder,
    TeamEncoder,
    draw_deaths,
)

SMALL = Team(nodes=3, widths=((2, 3), (4, 5), (4,)))


def encoder(team: Team = SMALL, seed: int = 0) -> TeamEncoder:
    torch.manual_seed(seed)
    made = TeamEncoder(team, 3, 6, 2 * team.nodes, (1, 1, 1, 1))
    made(torch.rand(16, 3, 16, 16))  # batch norms have seen something
    return made.eval()


def model(team: Team = SMALL) -> AutoEncoder:
    config = ModelConfig.of(
        Architecture(team=team, hidden=6, latents=2 * team.nodes), (16, 16, 3), 4, n_coarse=2
    )
    return AutoEncoder(config)


def own_layer(layer: nn.Module, node: int, n_nodes: int, x: Tensor) -> Tensor:
    """What the layer does to one node's channels, as that node would."""
    match layer:
        case GroupConv():
            bias = None if layer.bias is None else layer.bias[node]
            return conv2d(x, layer.weight[node], bias, padding=layer.weight.shape[-1] // 2)
        case nn.BatchNorm2d():
            own = slice(node * x.shape[1], (node + 1) * x.shape[1])
            mean, variance = layer.running_mean, layer.running_var
            assert mean is not None
            assert variance is not None
            scaled = (x - mean[own, None, None]) / (variance[own, None, None] + layer.eps).sqrt()
            return scaled + layer.bias[own, None, None]
        case nn.ReLU() | Pool():
            return layer(x)
    raise AssertionError(layer)


@torch.no_grad()
def node_by_node(team: TeamEncoder, images: Tensor, dead: set[int]) -> Tensor:
    """The encoder without a grouped convolution: each node by itself, tensors handed over."""
    n = team.team.nodes
    made = list(team.segments[0](team.stem(team.dwt(images))).chunk(n, 1))
    for exchange, segment in zip(team.exchanges, team.segments[1:], strict=True):
        assert isinstance(exchange, Exchange)
        assert isinstance(segment, nn.Sequential)
        steps = [(x * team.team.gain).clamp(0, team.team.levels - 1).round() for x in made]
        steps = [torch.zeros_like(x) if node in dead else x for node, x in enumerate(steps)]
        published = torch.cat(steps, 1)
        made = []
        for node, read in enumerate(exchange.source.unflatten(0, (n, -1))):
            x = published[:, read]
            for layer in segment:
                x = own_layer(layer, node, n, x)
            made.append(x)
    latents = []
    for node, x in enumerate(made):
        x = x.relu().mean((2, 3), keepdim=True)
        for layer in team.dense:
            x = own_layer(layer, node, n, x)
        latents.append(torch.zeros_like(x) if node in dead else x)
    flags = torch.tensor([[float(node not in dead) for node in range(n)]] * len(images))
    return torch.cat([flags, torch.cat(latents, 1).flatten(1)], 1)


@pytest.mark.parametrize("wiring", get_args(Wiring))
@pytest.mark.parametrize("dead", [set(), {1}, {0, 2}])
def test_the_grouped_network_is_its_nodes_one_by_one(wiring: Wiring, dead: set[int]) -> None:
    team = encoder(replace(SMALL, wiring=wiring))
    images = torch.rand(5, 3, 16, 16)
    lives = torch.tensor([[node not in dead for node in range(3)]] * 5)
    heard = lives[:, None, :].expand(5, 3, 3)
    with torch.no_grad():
        together = team(images, lives, heard)
    assert torch.allclose(together, node_by_node(team, images, dead), atol=1e-5)


def test_what_crosses_a_boundary_is_whole_and_within_its_levels() -> None:
    team = encoder()
    seen: list[Tensor] = []
    for exchange in team.exchanges:
        exchange.register_forward_hook(lambda _, __, out: seen.append(out))
    team(torch.rand(4, 3, 16, 16) * 5)
    assert len(seen) == 2
    for read in seen:
        assert torch.equal(read, read.round())
        assert read.min() >= 0
        assert read.max() <= SMALL.levels - 1


def test_in_training_half_of_the_images_are_whole_and_the_others_lack_one_or_two() -> None:
    team = Team(nodes=7)
    torch.manual_seed(0)
    lives, heard = draw_deaths(20_000, team, torch.device("cpu"))
    n_dead = 7 - lives.sum(1)
    shares = torch.bincount(n_dead, minlength=3) / len(lives)
    assert shares.tolist() == pytest.approx([0.5, 0.125, 0.375], abs=0.015)
    assert (~lives).float().mean(0).std() < 0.01
    assert heard.diagonal(dim1=1, dim2=2).all()
    whole = n_dead == 0
    others = ~torch.eye(7, dtype=torch.bool)
    lost = ~heard & lives[:, None, :] & others
    hit = n_dead > 0
    may_be_lost = (lives[hit][:, None, :] & others).sum()
    assert float(lost[hit].sum() / may_be_lost) == pytest.approx(team.edge_loss, abs=0.005)
    assert lost[whole].float().mean() < lost[hit].float().mean()


def test_of_two_nodes_one_dies_at_most() -> None:
    lives, _ = draw_deaths(2_000, Team(nodes=2, dropout=1.0), torch.device("cpu"))
    assert (lives.sum(1) == 1).all()


def test_a_dead_nodes_symbols_are_0_also_through_noise() -> None:
    made = model().train()
    symbols = made.relax(made.encoder(torch.rand(64, 3, 16, 16)))
    flags, latents = symbols[:, :3], symbols[:, 3:].unflatten(1, (3, 2))
    assert set(flags.unique().tolist()) <= {0.0, 1.0}
    assert (latents[flags == 0] == 0).all()
    assert (latents[flags == 1] != 0).any(1).all()


def test_the_decoder_averages_what_the_living_say_by_themselves() -> None:
    torch.manual_seed(0)
    decoder = TeamDecoder(3, 6, 8, 4).eval()
    symbols = torch.randn(5, 9).round()
    symbols[:, :3] = torch.tensor([1.0, 0.0, 1.0])
    symbols[:, 5:7] = 0
    own = decoder.own_scores(symbols)
    together = decoder.classifier(decoder.hidden(symbols))
    assert torch.allclose(decoder(symbols), together + (own[:, 0] + own[:, 2]) / 2, atol=1e-6)


def test_a_team_scores_by_node_and_by_superclass_in_training() -> None:
    made = model().train()
    scores = made.scores(torch.rand(8, 3, 16, 16))
    assert scores.classes.shape == (8, 4)
    assert scores.own is not None
    assert scores.own.shape == (8, 3, 4)
    assert scores.coarse is not None
    assert scores.coarse.shape == (8, 2)


def test_images_that_are_small_are_not_pooled_away() -> None:
    config = ModelConfig.of(Architecture(team=SMALL, hidden=6, latents=6), (8, 8, 1), 10)
    made = AutoEncoder(config).eval()
    assert quantise(made.encoder(torch.rand(2, 1, 8, 8))).shape == (2, 9)


@pytest.mark.parametrize(
    ("shape", "latents", "sentence"),
    [((4, 4, 1), 6, "vanish"), ((16, 16, 3), 7, "cannot be shared out")],
)
def test_what_cannot_be_a_team_is_refused(shape, latents: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ModelConfig.of(Architecture(team=SMALL, latents=latents), shape, 10)
