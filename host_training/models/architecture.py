"""Architecture: what a preset says of an auto-encoder, whatever images it is trained on.

Only the standard library is imported, as in all that says which presets there are.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

Wiring = Literal["design", "none", "random", "ring", "shuffle", "all"]


@dataclass(frozen=True)
class Team:
    """An encoder cut over several nodes: every node has its branch, and reads at each exchange what
    some of the others made (our reading of EDDL; host_training.models.team).
    """

    nodes: int = 7
    wiring: Wiring = "design"
    draw: int = 0
    "Which of the random wirings."
    widths: tuple[tuple[int, ...], ...] = ((12, 12, 20), (28, 40), (40,))
    """Channels of a node's convolutions, segment by segment, exchanges between them; without any
    the segments are one.
    """
    dropout: float = 0.5
    "Share of the training images at which one or two nodes are dead."
    edge_loss: float = 0.05
    "Share of what a node is sent that does not come, at those images."
    gain: float = 4.0
    "Steps of a boundary in one standard deviation of what crosses it."
    levels: int = 16
    "Values that a boundary's symbols take, 0 to levels - 1."
    joint_weight: float = 1.0
    """Weight of the cross-entropy of all latents together; 0: there are no scores but each node's
    own, so every node is trained by itself: an ensemble.
    """
    own_weight: float = 0.2
    "Weight of the cross-entropy of each node's own scores."
    coarse_weight: float = 0.2
    "Weight of that of the superclasses' scores, where the data set has any."


@dataclass(frozen=True)
class Backbone:
    """The front of a network that has learned from a million photographs
    (host_training.models.backbone).
    """

    blocks: int = 16
    "How many of EfficientNet-Lite0's; all 16, or fewer for a smaller node."
    frozen: int = 0
    "Blocks that stay as they came: what they make of an image is computed once."


@dataclass(frozen=True)
class Architecture:
    """Sizes and kinds of the layers; image and class counts come from the data set."""

    base_width: int = 64
    "Channels of the stem and M1; M2 has twice, M3 four times as many."
    widths: tuple[int, int, int] | None = None
    "Channels of M1, M2 and M3 where they are not in those proportions."
    blocks: tuple[int, int, int] = (2, 2, 2)
    "Blocks in M1, M2 (encoder) and M3 (decoder)."
    has_module3_on_node: bool = False
    """M3 ends the encoder, where its small maps are cheap, and the decoder is two dense layers: not
    the paper's cut.
    """
    has_residuals: bool = True
    """False: the encoder's blocks are single convolutions, halved by max-pooling; more work on the
    node per layer.
    """
    stem_stride: int = 1
    pooled: int = 1
    "Side of the grid that the last feature map is averaged to; the paper pools it to one point."
    hidden: int = 512
    latents: int = 128
    latent_decoder_width: int = 128
    upsamplings: int = 3
    features: int = 128
    "Dimension of the side branch's output z."
    wavelet: str = "haar"
    is_decimated: bool = True
    """False: the transform is taken at every pixel, and the stem max-pools: twice the resolution
    where it costs least.
    """
    subband_gains: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    "What LL, LH, HL and HH are multiplied by in training; folding makes it part of the stem."
    noise_half_width: float = 1.0
    """Bound of the uniform noise that stands in for rounding: 1 in the paper and its authors' code,
    ½ in Ballé et al.
    """
    min_kept: float = 1.0
    """Training keeps a random leading share of the latents, at least this, the rest is 0:
    stochastic tail-drop.
    """

    team: Team | None = None
    """Several nodes in place of one; then `widths`, `blocks`, `base_width` and what is said of M3
    mean nothing.
    """

    backbone: Backbone | None = None
    """What photos are read by in place of the wavelet and M1 to M3; latents follow right behind
    it, and `hidden` is the decoder's.
    """

    @property
    def module_widths(self) -> tuple[int, int, int]:
        """Channels of M1, M2 and M3."""
        return self.widths or (self.base_width, 2 * self.base_width, 4 * self.base_width)


def restored(saved: dict[str, Any]) -> dict[str, Any]:
    """What `asdict` gave of an architecture, with the tuples, the team and the backbone that a file
    made lists and dictionaries.
    """
    with_tuples = {name: _as_tuple(value) for name, value in saved.items()}
    for name, kind in (("team", Team), ("backbone", Backbone)):
        if part := with_tuples.get(name):
            known = {each.name for each in fields(kind)}
            with_tuples[name] = kind(**{n: _as_tuple(v) for n, v in part.items() if n in known})
    return with_tuples


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
