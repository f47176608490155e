"""Rotation of a team's latents by importance (NAIR): every group's by itself, since a node has only
its own.

The decoder is asked what each group's latents are worth to it while some nodes are dead; a step
between symbols that costs as much accuracy as the trained one, or `coarseness` times it, then
leaves few of the numbers that a node makes.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor

from export.encoder.importance import Rotation, rotation, sensitivity
from host_training.models.autoencoder import AutoEncoder
from host_training.models.team import GroupConv

BATCH = 500


@torch.no_grad()
def rotated(model: AutoEncoder, images: Tensor, coarseness: float) -> tuple[AutoEncoder, list[int]]:
    """A model of fewer latents, and the order in which its symbols are best sent; images
    (N, C, H, W) in 0…1.
    """
    team = model.config.team
    assert team is not None
    axes = rotations(model, images, coarseness)
    n_each = max(each.n_useful for each in axes)
    axes = [each.leading(n_each) for each in axes]
    made = AutoEncoder(replace(model.config, latents=n_each * team.nodes)).eval()
    state = model.state_dict()
    made.load_state_dict(
        {name: state[name] for name in made.state_dict() if "side_branch" not in name}
        | {name: each for name, each in made.state_dict().items() if "side_branch" in name}
        | _rotated_ends(model, axes)
    )
    importance = torch.cat([each.importance for each in axes])
    order = importance.argsort(descending=True, stable=True) + team.nodes
    return made, [*range(team.nodes), *order.tolist()]


@torch.no_grad()
def rotations(model: AutoEncoder, images: Tensor, coarseness: float) -> list[Rotation]:
    """One for each group, of its latents while it lives."""
    team = model.config.team
    assert team is not None
    model = copy.deepcopy(model).eval()
    torch.manual_seed(0)
    symbols = torch.cat([model.encode_with_deaths(part) for part in images.split(BATCH)])
    with torch.enable_grad():
        weight = sensitivity(model.decoder, symbols)
    n_each = model.config.latents // team.nodes
    made = []
    for group in range(team.nodes):
        own = slice(team.nodes + group * n_each, team.nodes + (group + 1) * n_each)
        lives = symbols[:, group] == 1
        made.append(rotation(symbols[lives, own], weight[own, own], coarseness))
    return made


def _rotated_ends(model: AutoEncoder, axes: list[Rotation]) -> dict[str, Tensor]:
    """What is other: the last layer of the encoder, and the decoder's layers that read latents."""
    team = model.config.team
    assert team is not None
    last, first, own = model.encoder.dense[-1], model.decoder.first, model.decoder.own
    assert isinstance(last, GroupConv)
    assert last.bias is not None
    flags, latents = first.weight[:, : team.nodes].double(), first.weight[:, team.nodes :].double()
    weights, biases, columns, owns, own_biases = [], [], [], [], []
    for group, (one, block) in enumerate(zip(axes, latents.chunk(team.nodes, 1), strict=True)):
        weights.append(one.analysis @ last.weight[group].double().flatten(1))
        biases.append(one.analysis @ (last.bias[group].double() - one.mean))
        columns.append(block @ one.synthesis)
        flags[:, group] += block @ one.mean
        scores = own.weight[group].double().flatten(1)
        owns.append(scores @ one.synthesis)
        own_biases.append(own.bias[group].double() + scores @ one.mean)
    return {
        "encoder.dense.3.weight": torch.stack(weights)[..., None, None].float(),
        "encoder.dense.3.bias": torch.stack(biases).float(),
        "decoder.first.weight": torch.cat([flags, *columns], 1).float(),
        "decoder.own.weight": torch.stack(owns)[..., None, None].float(),
        "decoder.own.bias": torch.stack(own_biases).float(),
    }
