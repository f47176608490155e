"""The wavelet-domain auto-encoder of DuPHiL (Qi, Chamain, Ding, ICIP 2022, Fig. 1), sized by
an architecture.

    image → DWT → stem, M1, M2 → pool, two dense layers → y     Encoder (node)
    y ⇢ quantiser ⇢ y_hat                                       what the link carries
    y_hat → transposed convolutions → M3 → scores               Decoder (host)
    y → side branch → z on the unit sphere, for MCR²            in training only

Dense layers on the node are 1 × 1 convolutions: TensorFlow Lite then needs no transpose.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from host_training.models.architecture import Architecture, Team
from host_training.models.backbone.encoder import PhotoEncoder
from host_training.models.blocks import BasicBlock, PlainBlock, module
from host_training.models.team import TeamDecoder, TeamEncoder, draw_deaths, joined
from host_training.models.wavelet import DWT, pixel_pad

SMALLEST_UNDECIMATED, SMALLEST_OF_TEAM, SMALLEST_OF_BACKBONE = 16, 8, 32
"""Pixels of which stem, M2 and M3 leave one; of which a team's branches leave some; and of which a
backbone still knows something.
"""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Architecture):
    """One auto-encoder: an architecture, for images and classes of a data set."""

    height: int
    width: int
    channels: int
    n_classes: int
    n_coarse: int = 0
    "Superclasses that a team's decoder tells as well; 0: none."

    def __post_init__(self) -> None:
        if self.team is not None:
            self._check_team(self.team)
            return
        if self.backbone is not None:
            self._check_backbone()
            return
        if self.height % 2 or self.width % 2:
            raise ValueError(
                f"images are {self.height}x{self.width}; the wavelet transform needs even sides: "
                "crop or resize them"
            )
        if min(self.height, self.width) < SMALLEST_UNDECIMATED and not self.is_decimated:
            raise ValueError(
                f"images of {self.height}x{self.width} vanish in this model's max-pooling; it "
                f"needs sides of {SMALLEST_UNDECIMATED} or more: enlarge them or take another "
                "preset"
            )
        if self.pixel_pad and not self.is_decimated:
            raise ValueError(f"the undecimated transform is of haar alone, not of '{self.wavelet}'")

    def _check_team(self, team: Team) -> None:
        if min(self.height, self.width) < SMALLEST_OF_TEAM:
            raise ValueError(
                f"images of {self.height}x{self.width} vanish in a team's branches, which need "
                f"sides of {SMALLEST_OF_TEAM} or more: enlarge them or take another preset"
            )
        if self.latents % team.nodes:
            raise ValueError(f"{self.latents} latents cannot be shared out to {team.nodes} nodes")

    def _check_backbone(self) -> None:
        if self.channels != 3 or min(self.height, self.width) < SMALLEST_OF_BACKBONE:
            raise ValueError(
                f"images of {self.height}x{self.width} in {self.channels} channels are no photos "
                f"that a pretrained backbone can read; it needs three and sides of "
                f"{SMALLEST_OF_BACKBONE} or more: take another preset"
            )

    @property
    def n_symbols(self) -> int:
        """What the link carries of an image: the latents, and of a team who was alive."""
        return self.latents + (0 if self.team is None else self.team.nodes)

    @property
    def pixel_pad(self) -> int:
        has_wavelet = self.team is None and self.backbone is None
        return pixel_pad(self.wavelet) if has_wavelet else 0

    @property
    def architecture(self) -> Architecture:
        return Architecture(
            **{each.name: getattr(self, each.name) for each in fields(Architecture)}
        )

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        image_shape: tuple[int, int, int],
        n_classes: int,
        n_coarse: int = 0,
    ) -> "ModelConfig":
        """`image_shape`: (H, W, C); superclasses are a team's second task, others leave them."""
        height, width, channels = image_shape
        return cls(
            height=height,
            width=width,
            channels=channels,
            n_classes=n_classes,
            n_coarse=0 if architecture.team is None else n_coarse,
            **vars(architecture),
        )


class Encoder(nn.Module):
    """Images (N, C, H + 2p, W + 2p) in 0…1, p = `pixel_pad`, to latents y (N, D)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width1, width2, width3 = config.module_widths
        self.dwt = DWT(config.channels, config.wavelet, config.subband_gains, config.is_decimated)
        stem_padding = 1 if config.is_decimated and not config.pixel_pad else 0
        self.stem = nn.Sequential(
            nn.Conv2d(4 * config.channels, width1, 3, config.stem_stride, stem_padding, bias=False),
            nn.BatchNorm2d(width1),
            nn.ReLU(),
            nn.Identity() if config.is_decimated else nn.MaxPool2d(2),
        )
        block = BasicBlock if config.has_residuals else PlainBlock
        self.module1 = module(block, width1, width1, config.blocks[0], stride=1)
        self.module2 = module(block, width1, width2, config.blocks[1], stride=2)
        self.module3 = nn.Sequential()
        if config.has_module3_on_node:
            self.module3 = module(block, width2, width3, config.blocks[2], stride=2)
        self.pool = nn.AdaptiveAvgPool2d(config.pooled)
        self.dense = nn.Sequential(
            nn.Conv2d(
                width3 if config.has_module3_on_node else width2,
                config.hidden,
                config.pooled,
                bias=False,
            ),
            nn.BatchNorm2d(config.hidden),
            nn.ReLU(),
            nn.Conv2d(config.hidden, config.latents, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        features = self.module3(self.module2(self.module1(self.stem(self.dwt(images)))))
        return self.dense(self.pool(features)).flatten(1)


class SideBranch(nn.Module):
    """Latents (N, D) → features z (N, d) with unit rows; trained by MCR², thrown away at export."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(config.n_symbols)
        self.dense = nn.Linear(config.n_symbols, config.features)

    def forward(self, latents: Tensor) -> Tensor:
        z = self.dense(self.norm(latents).relu())
        return nn.functional.normalize(z.float(), dim=1)


class Decoder(nn.Module):
    """Symbols (N, D) → class scores (N, K)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, width3 = config.latent_decoder_width, config.module_widths[2]
        layers: list[nn.Module] = []
        for i in range(config.upsamplings):
            layers += [
                nn.ConvTranspose2d(config.latents if i == 0 else width, width, 2, 2),
                nn.ReLU(),
            ]
        self.latent_decoder = nn.Sequential(*layers[:-1])
        self.module3 = module(BasicBlock, width, width3, config.blocks[2], stride=2)
        self.classifier = nn.Linear(width3, config.n_classes)

    def forward(self, symbols: Tensor) -> Tensor:
        features = self.module3(self.latent_decoder(symbols[:, :, None, None]))
        return self.classifier(features.mean((2, 3)))


class DenseDecoder(nn.Module):
    """Symbols (N, D) → class scores (N, K), when the node does the rest."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.first = nn.Linear(config.latents, config.hidden, bias=False)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.classifier = nn.Linear(config.hidden, config.n_classes)

    def forward(self, symbols: Tensor) -> Tensor:
        return self.classifier(self.norm(self.first(symbols)).relu())


TEAM_DECODER_HIDDEN = 256
SYMBOL_MIN, SYMBOL_MAX = -128, 127


def quantise(latents: Tensor) -> Tensor:
    """Latents → symbols, still float: rounded and kept in int8's range."""
    return latents.round().clamp(SYMBOL_MIN, SYMBOL_MAX)


def drop_tail(latents: Tensor, min_kept: float) -> Tensor:
    """Latents (N, D), each image's leading share, uniform in (min_kept, 1), kept, the rest 0."""
    n, n_latents = latents.shape
    kept = torch.empty(n, 1, device=latents.device).uniform_(min_kept, 1) * n_latents
    return latents * (torch.arange(n_latents, device=latents.device) < kept)


class Scores(NamedTuple):
    """What the decoder says of a mini-batch in training."""

    classes: Tensor
    "(N, K)"
    own: Tensor | None = None
    "What each node's latents say by themselves, in a team: (N, n, K)."
    coarse: Tensor | None = None
    "Scores of superclasses, where there are any: (N, C)."


class AutoEncoder(nn.Module):
    """Encoder, side branch and decoder of one model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = new_encoder(config)
        self.side_branch = SideBranch(config)
        self.decoder = new_decoder(config)

    def relax(self, symbols: Tensor) -> Tensor:
        """Training's stand-in for the link: uniform noise for rounding, a dropped tail."""
        half_width = self.config.noise_half_width
        noisy = symbols + torch.empty_like(symbols).uniform_(-half_width, half_width)
        if self.config.team is not None:
            n = self.config.team.nodes
            return joined(symbols[:, :n], noisy[:, n:])
        return noisy if self.config.min_kept == 1 else drop_tail(noisy, self.config.min_kept)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, K): through noise in training mode, rounding in evaluation mode."""
        symbols = self.encoder(images)
        return self.decoder(self.relax(symbols) if self.training else quantise(symbols))

    def encode_with_deaths(self, images: Tensor) -> Tensor:
        """Symbols before rounding, (N, n_symbols), of a team some of whose nodes are dead, whatever
        mode the encoder is in.
        """
        team = self.config.team
        if team is None:
            return self.encoder(images)
        return self.encoder(images, *draw_deaths(len(images), team, images.device))

    def scores(self, images: Tensor) -> Scores:
        """All that is trained, through noise."""
        if not isinstance(self.decoder, TeamDecoder):
            return Scores(self(images))
        symbols = self.relax(self.encoder(images))
        hidden, own = self.decoder.hidden(symbols), self.decoder.own_scores(symbols)
        coarse = None if self.decoder.coarse is None else self.decoder.coarse(hidden)
        return Scores(self.decoder.together(hidden, own, symbols), own, coarse)


def new_encoder(config: ModelConfig) -> Any:
    if config.backbone is not None:
        size = (config.height, config.width)
        return PhotoEncoder(config.backbone, size, config.latents)
    if config.team is None:
        return Encoder(config)
    return TeamEncoder(
        config.team, config.channels, config.hidden, config.latents, config.subband_gains
    )


def new_decoder(config: ModelConfig) -> Any:
    if config.team is not None:
        return TeamDecoder(
            config.team.nodes,
            config.latents,
            TEAM_DECODER_HIDDEN,
            config.n_classes,
            config.n_coarse,
            is_joint=config.team.joint_weight > 0,
        )
    is_dense = config.has_module3_on_node or config.backbone is not None
    return DenseDecoder(config) if is_dense else Decoder(config)
