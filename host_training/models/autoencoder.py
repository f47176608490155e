"""The wavelet-domain auto-encoder of DuPHiL (Qi, Chamain, Ding, ICIP 2022, Fig. 1), sized by
an architecture.

    image → DWT → stem, M1, M2 → pool, two dense layers → y     Encoder (node)
    y ⇢ quantiser ⇢ y_hat                                       what the link carries
    y_hat → transposed convolutions → M3 → scores               Decoder (host)
    y → side branch → z on the unit sphere, for MCR²            in training only

Dense layers on the node are 1 × 1 convolutions: TensorFlow Lite then needs no transpose.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from host_training.models.architecture import Architecture
from host_training.models.blocks import BasicBlock, PlainBlock, module
from host_training.models.wavelet import DWT, pixel_pad

SMALLEST_UNDECIMATED = 16
"Pixels of which stem, M2 and M3 leave one."


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Architecture):
    """One auto-encoder: an architecture, for images and classes of a data set."""

    height: int
    width: int
    channels: int
    n_classes: int

    def __post_init__(self) -> None:
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

    @property
    def pixel_pad(self) -> int:
        return pixel_pad(self.wavelet)

    @property
    def architecture(self) -> Architecture:
        return Architecture(
            **{each.name: getattr(self, each.name) for each in fields(Architecture)}
        )

    @classmethod
    def of(
        cls, architecture: Architecture, image_shape: tuple[int, int, int], n_classes: int
    ) -> "ModelConfig":
        """`image_shape`: (H, W, C)."""
        height, width, channels = image_shape
        return cls(
            height=height,
            width=width,
            channels=channels,
            n_classes=n_classes,
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
        self.norm = nn.BatchNorm1d(config.latents)
        self.dense = nn.Linear(config.latents, config.features)

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
    """Symbols (N, D) → class scores (N, K), when M3 is on the node."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.first = nn.Linear(config.latents, config.hidden, bias=False)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.classifier = nn.Linear(config.hidden, config.n_classes)

    def forward(self, symbols: Tensor) -> Tensor:
        return self.classifier(self.norm(self.first(symbols)).relu())


SYMBOL_MIN, SYMBOL_MAX = -128, 127


def quantise(latents: Tensor) -> Tensor:
    """Latents → symbols, still float: rounded and kept in int8's range."""
    return latents.round().clamp(SYMBOL_MIN, SYMBOL_MAX)


def drop_tail(latents: Tensor, min_kept: float) -> Tensor:
    """Latents (N, D), each image's leading share, uniform in (min_kept, 1), kept, the rest 0."""
    n, n_latents = latents.shape
    kept = torch.empty(n, 1, device=latents.device).uniform_(min_kept, 1) * n_latents
    return latents * (torch.arange(n_latents, device=latents.device) < kept)


class AutoEncoder(nn.Module):
    """Encoder, side branch and decoder of one model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.side_branch = SideBranch(config)
        self.decoder = DenseDecoder(config) if config.has_module3_on_node else Decoder(config)

    def relax(self, latents: Tensor) -> Tensor:
        """Training's stand-in for the link: uniform noise for rounding, a dropped tail."""
        half_width = self.config.noise_half_width
        noisy = latents + torch.empty_like(latents).uniform_(-half_width, half_width)
        return noisy if self.config.min_kept == 1 else drop_tail(noisy, self.config.min_kept)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, K): through noise in training mode, rounding in evaluation mode."""
        latents = self.encoder(images)
        return self.decoder(self.relax(latents) if self.training else quantise(latents))
