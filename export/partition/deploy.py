"""A team's half of an export: its parts, the tables of its boundaries and of its symbols."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from export import ExportError, measure
from export.deployment import (
    N_IMAGES_TO_ROUND_BY,
    Deployed,
    Say,
    fit_tables,
    mirrored_symbols,
    some_images,
)
from export.encoder.operators import Operator, list_operators, require_integer
from export.measure import Agreement
from export.partition.chain import Chain
from export.partition.deaths import latents_with_deaths, with_deaths
from export.partition.fold import fold_team
from export.partition.int8 import write_parts
from export.partition.rotation import rotated
from export.partition.tables import fitted_with_flags, write_boundaries
from export.settings import Settings
from host_training.data.batches import to_model_input, to_pixels
from host_training.data.dataset import DataSet
from host_training.models.autoencoder import AutoEncoder
from host_training.presets.preset import ORDERS
from link.bundle import ImageSpec
from link.bundle.manifest import BOUNDARIES, TABLES, TeamEntry, part_file

N_IMAGES_FOR_BOUNDARIES = 300
SHARE_IN_TABLES = 1 / 8
"""Training images of which somebody's tensors are missing: on digits 2 % more bytes while all live,
a sixth less with one dead.
"""
N_IMAGES_FOR_AXES = 4000


class WholeTeam(nn.Module):
    """The grouped encoder: images (N, C, H, W) to symbols before rounding (N, groups + D), in
    transmitted order.
    """

    def __init__(self, model: AutoEncoder, order: Sequence[int]) -> None:
        super().__init__()
        config = model.config
        self.image = ImageSpec(config.height, config.width, config.channels)
        self.encoder, self.order = model.encoder.eval(), list(order)

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(images)[:, self.order]


class OrderedDecoder(nn.Module):
    """Its decoder on symbols (N, groups + D) in transmitted order."""

    def __init__(self, model: AutoEncoder, order: Sequence[int]) -> None:
        super().__init__()
        self.decoder = model.decoder.eval()
        self.inverse = torch.tensor(order).argsort().tolist()

    def forward(self, symbols: Tensor) -> Tensor:
        return self.decoder(symbols[:, self.inverse])


def team_halves(
    model: AutoEncoder, order: Sequence[int], settings: Settings, data: DataSet
) -> tuple[WholeTeam, OrderedDecoder]:
    """Both halves of a model whose latents are all sent, in the order of the settings."""
    if settings.views > 1:
        raise ExportError("the nodes of a team look once at an image; leave out --views")
    if settings.latents not in (None, model.config.latents):
        raise ExportError(
            f"a team sends all of its {model.config.latents} latents; leave out --latents, or "
            "train with fewer"
        )
    if settings.order != ORDERS[0]:
        some = to_model_input(to_pixels(some_images(data, N_IMAGES_FOR_AXES)), 0)
        model, order = rotated(model, some, settings.coarseness)
    return WholeTeam(model, order), OrderedDecoder(model, order)


def deploy_team(
    half: WholeTeam, data: DataSet, settings: Settings, folder: Path, say: Say
) -> tuple[Deployed, dict[str, Agreement], list[Operator], TeamEntry]:
    """The nodes' half with its tables, how far it agrees with the float encoder, what one node's
    parts are made of, and how it is cut.
    """
    team = half.encoder.team
    cut = fold_team(half.encoder, half.image.height, half.image.width)
    images = some_images(data, N_IMAGES_TO_ROUND_BY)
    entry = TeamEntry(
        groups=team.nodes,
        segments=write_parts(cut, images, team.levels, folder),
        order=tuple(place - team.nodes for place in half.order[team.nodes :]),
    )
    chain = Chain(folder, entry, half.image, settings.threads)
    paths = [
        folder / part_file(place, group) for place in range(len(cut)) for group in range(team.nodes)
    ]
    operators = [list_operators(path) for path in paths]
    for each in operators:
        require_integer(each)
    say(f"int8      {len(paths)} parts, {sum(path.stat().st_size for path in paths):,} bytes")
    write_boundaries(folder / BOUNDARIES, chain.boundaries(images[:N_IMAGES_FOR_BOUNDARIES]), entry)
    symbols = {
        "validation": chain(data.validation.images),
        "test": chain(data.test.images),
    }
    agreement = Agreement.between(symbols["test"], measure.float_symbols(half, data.test))
    say(f"agree     int8 and PyTorch in {agreement.equal:.2%} of the symbols")
    mirrored = mirrored_symbols(data, chain)
    fitted = fit_tables(
        data,
        {
            "train": latents_with_deaths(chain, data.train.images, SHARE_IN_TABLES),
            "validation": symbols["validation"][:, team.nodes :],
        },
        None if mirrored is None else mirrored[:, team.nodes :],
        settings.components,
        folder,
        say,
    )
    tables = fitted_with_flags(fitted, symbols["validation"], entry)
    tables.chosen.tables.to_npz(folder / TABLES)
    deployed = Deployed(data, folder, chain, symbols, tables, with_deaths(chain))
    say(
        f"coder     {deployed.rates.coded_bytes:.2f} bytes per test image, "
        f"{deployed.rates.coder_overhead_bits:.2f} bits over the ideal"
    )
    one_node = [operator for each in operators[:: team.nodes] for operator in each]
    return deployed, {"int8 and PyTorch": agreement}, one_node, entry
