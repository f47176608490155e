"""A team's encoder and decoder: one network over several nodes (our reading of EDDL: Chang, Huang,
Shao, Yang, GLOBECOM 2019), trained as one with grouped convolutions.

    node g     pixels → stem → segment 0 ─┐ exchange ┌→ segment 1 ─┐ exchange ┌→ segment 2 → latents
    others     pixels → stem → segment 0 ─┘          └→ segment 1 ─┘          └→ segment 2 → latents
    host       alive flags and all latents → joint scores + mean of the living nodes' own

On its node every segment is an ordinary dense network that reads the channels of the nodes that it
hears. What crosses an exchange is rounded to `levels` values, and a node that is dead, or too late,
counts as zero: in training dead nodes are drawn, and zeros stand for them. Symbols are n alive
flags, then the latents, node by node; those of a dead node are 0.

Batch norms have no scale, which the layer behind absorbs; so a max-pooling may stand before one.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from host_training.models.architecture import Team
from host_training.models.wavelet import DWT
from host_training.models.wiring import sources

SMALLEST_POOLED = 4
"A side that is shorter is not pooled any more."


class GroupConv(nn.Module):
    """A convolution of every node on its own channels: (N, n · i, H, W) → (N, n · o, H, W)."""

    def __init__(
        self, n_nodes: int, in_channels: int, out_channels: int, size: int = 3, bias: bool = False
    ) -> None:
        super().__init__()
        self.n_nodes = n_nodes
        drawn = [nn.Conv2d(in_channels, out_channels, size, bias=bias) for _ in range(n_nodes)]
        self.weight = nn.Parameter(torch.stack([each.weight.detach() for each in drawn]))
        "(n, o, i, size, size)"
        self.bias = nn.Parameter(torch.zeros(n_nodes, out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.flatten()
        x = x.contiguous(memory_format=torch.channels_last)  # a third faster, with few channels
        padding = self.weight.shape[-1] // 2
        return conv2d(x, self.weight.flatten(0, 1), bias, 1, padding, groups=self.n_nodes)


def norm(channels: int) -> nn.BatchNorm2d:
    """A batch norm without a scale."""
    made = nn.BatchNorm2d(channels)
    made.weight.requires_grad_(False)
    return made


class Pool(nn.MaxPool2d):
    """Halves a map, one that is small already excepted."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, x: Tensor) -> Tensor:
        return x if min(x.shape[-2:]) < SMALLEST_POOLED else super().forward(x)


class Exchange(nn.Module):
    """What the nodes made, as each of them reads it: (N, n · C, H, W) → (N, n · m, H, W)."""

    source: Tensor
    sender: Tensor

    def __init__(self, team: Team, channels: int, number: int) -> None:
        super().__init__()
        self.team = team
        read = torch.from_numpy(sources(team.wiring, team.nodes, channels, number, team.draw))
        self.register_buffer("source", read.flatten(), persistent=False)
        self.register_buffer("sender", read // channels, persistent=False)

    @property
    def n_read(self) -> int:
        """Channels that a node reads."""
        return self.sender.shape[1]

    def forward(self, x: Tensor, heard: Tensor | None) -> Tensor:
        """x before its ReLU; heard (N, n, n) bool: whether node g has what node h made; None: all
        of it. What is read is still in steps.
        """
        steps = x * self.team.gain
        if self.training:
            steps = steps + torch.empty_like(steps).uniform_(-0.5, 0.5)
        steps = steps.clamp(0, self.team.levels - 1)
        if not self.training:
            steps = steps.round()
        read = steps[:, self.source]
        if heard is None:
            return read
        index = self.sender.flatten()
        receiver = torch.arange(len(self.sender), device=x.device).repeat_interleave(self.n_read)
        return read * heard[:, receiver, index, None, None].to(read.dtype)


def draw_deaths(n_images: int, team: Team, device: torch.device) -> tuple[Tensor, Tensor]:
    """Who lives, bool (N, n), and whether each node hears each other, bool (N, n, n), of a
    mini-batch.

    In the share `dropout` of the images one or two nodes are dead, each pair and each single one as
    often, and of what the others send a part is lost. A node always has what it made itself.
    """
    n = team.nodes
    order = torch.rand(n_images, n, device=device).argsort(1)
    share_of_one = n / (n + n * (n - 1) / 2) if n > 2 else 1.0
    n_dead = 2 - (torch.rand(n_images, 1, device=device) < share_of_one).int()
    is_hit = torch.rand(n_images, 1, device=device) < team.dropout
    lives = (order >= n_dead) | ~is_hit
    comes = (torch.rand(n_images, n, n, device=device) >= team.edge_loss) | ~is_hit[:, :, None]
    own = torch.eye(n, dtype=torch.bool, device=device)
    return lives, lives[:, None, :] & comes | own


class TeamEncoder(nn.Module):
    """Images (N, C, H, W) in 0…1 to symbols before rounding (N, n + D), alive flags first."""

    def __init__(
        self,
        team: Team,
        channels: int,
        hidden: int,
        latents: int,
        gains: Sequence[float],
    ) -> None:
        super().__init__()
        n = team.nodes
        self.team = team
        self.dwt = DWT(channels, "haar", gains, is_decimated=False)
        [stem, *first], *later = team.widths
        self.stem = nn.Sequential(
            nn.Conv2d(4 * channels, n * stem, 3, bias=False), Pool(), norm(n * stem), nn.ReLU()
        )
        self.exchanges = nn.ModuleList()
        if team.wiring == "none":
            segments = [layers(n, stem, (first, *later))]
        else:
            segments = [layers(n, stem, (first,))]
            for number, (before, widths) in enumerate(pairwise((first, *later))):
                exchange = Exchange(team, before[-1], number)
                self.exchanges.append(exchange)
                segments.append(layers(n, exchange.n_read, (widths,)))
        self.segments = nn.ModuleList(nn.Sequential(*each) for each in segments)
        width = (stem, *first, *sum(later, ()))[-1]
        self.dense = nn.Sequential(
            GroupConv(n, width, hidden, 1), norm(n * hidden), nn.ReLU(),
            GroupConv(n, hidden, latents // n, 1, bias=True),
        )  # fmt: skip

    def forward(
        self, images: Tensor, lives: Tensor | None = None, heard: Tensor | None = None
    ) -> Tensor:
        """In training deaths are drawn where none are given; else None: all live and hear."""
        if self.training and lives is None and self.team.dropout:
            lives, heard = draw_deaths(len(images), self.team, images.device)
        x = self.segments[0](self.stem(self.dwt(images)))
        for exchange, segment in zip(self.exchanges, self.segments[1:], strict=True):
            x = segment(exchange(x, heard))
        latents = self.dense(x.relu().mean((2, 3), keepdim=True)).flatten(1)
        flags = latents.new_ones(len(latents), self.team.nodes) if lives is None else lives
        return joined(flags.to(latents.dtype), latents)


def layers(n_nodes: int, in_channels: int, groups: Sequence[Sequence[int]]) -> list[nn.Module]:
    """Convolutions of a segment, each group of them pooled at its end.

    The last ReLU is left out: at a boundary it is the clamping of what is published.
    """
    made: list[nn.Module] = []
    for widths in groups:
        for before, width in pairwise((in_channels, *widths)):
            made += [GroupConv(n_nodes, before, width), norm(n_nodes * width), nn.ReLU()]
        made.insert(-2, Pool())
        in_channels = widths[-1]
    return made[:-1]


def joined(flags: Tensor, latents: Tensor) -> Tensor:
    """Symbols (N, n + D) of flags (N, n) and latents (N, D): a dead node's latents are 0."""
    n_each = latents.shape[1] // flags.shape[1]
    return torch.cat([flags, latents * flags.repeat_interleave(n_each, 1)], 1)


class TeamDecoder(nn.Module):
    """Symbols (N, n + D) → class scores (N, K): of all latents together, plus the mean of what the
    living nodes say by themselves.
    """

    def __init__(
        self,
        n_nodes: int,
        latents: int,
        hidden: int,
        n_classes: int,
        n_coarse: int = 0,
        is_joint: bool = True,
    ) -> None:
        """`is_joint`: False: all latents together say nothing."""
        super().__init__()
        self.n_nodes = n_nodes
        self.first = nn.Linear(n_nodes + latents, hidden, bias=False)
        self.norm = nn.BatchNorm1d(hidden)
        self.classifier = nn.Linear(hidden, n_classes)
        if not is_joint:
            for each in self.classifier.parameters():
                nn.init.zeros_(each).requires_grad_(False)
        self.coarse = nn.Linear(hidden, n_coarse) if n_coarse else None
        self.own = GroupConv(n_nodes, latents // n_nodes, n_classes, 1, bias=True)

    def hidden(self, symbols: Tensor) -> Tensor:
        return self.norm(self.first(symbols)).relu()

    def own_scores(self, symbols: Tensor) -> Tensor:
        """What each node says by itself: (N, n, K)."""
        latents = symbols[:, self.n_nodes :, None, None]
        return self.own(latents).flatten(1).unflatten(1, (self.n_nodes, -1))

    def together(self, hidden: Tensor, own: Tensor, symbols: Tensor) -> Tensor:
        flags = symbols[:, : self.n_nodes, None]
        mean = (own * flags).sum(1) / flags.sum(1).clamp(min=1)
        return self.classifier(hidden) + mean

    def forward(self, symbols: Tensor) -> Tensor:
        return self.together(self.hidden(symbols), self.own_scores(symbols), symbols)
