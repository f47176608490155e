"""Recipe: how an auto-encoder is trained, everything that a run's weights follow from.

Only the standard library is imported, as in all that says which presets there are.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from host_training.models.architecture import Architecture, restored

EPS_SQ = 0.5
"Squared precision ε² of the saved run of DuPHiL's authors and of MCR²'s."
StageName = Literal["ce", "duphil", "rate"]
SplitBy = Literal["series", "random"]
SPLITS_BY: tuple[SplitBy, ...] = ("series", "random")
"How the splits of a folder are drawn where it does not bring them."

MIN_UPDATES_PER_EPOCH = 16
MIN_BATCH_SIZE = 8


@dataclass(frozen=True)
class Recipe:
    """One training run; lengths in epochs, rates per optimiser update."""

    model: Architecture = field(default_factory=Architecture)
    ce_epochs: int = 200
    "End-to-end cross-entropy training."
    duphil_epochs: int = 100
    "DuPHiL: each mini-batch first moves the encoder by MCR², then the decoder by cross-entropy."
    batch_size: int = 200
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["milestones", "one-cycle"] = "milestones"
    optimiser: Literal["sgd", "muon"] = "sgd"
    "For end-to-end training: `muon` moves the 3 × 3 kernels by Muon, and the rest by SGD."
    muon_learning_rate: float = 0.04
    duphil_batch_size: int = 1000
    mcr2_learning_rate: float = 1e-4
    "Should be small (the authors): MCR² moves an encoder that already classifies."
    duphil_decoder_learning_rate: float = 1e-3
    eps_sq: float = EPS_SQ
    backbone_learning_rate: float = 3e-4
    """What is fine-tuned of a pretrained backbone moves by it, and `learning_rate` is that of
    latents and decoder; both by AdamW.
    """
    head_epochs: int = 40
    "Latents and decoder learn alone first, on the features that a backbone came with."
    front_views: int = 8
    "Versions drawn of each training image; what a frozen front makes of them is kept."
    rate_weight: float = 0.0
    "Nats of cross-entropy that a bit of an image is worth, behind a backbone."
    rate: float = 0.0
    """Nats of cross-entropy that a bit of the coder's mixture is worth, in a third stage; 0: there
    is none.
    """
    rate_epochs: int = 20
    rate_components: int = 32
    "Latent classes of the mixture that is learned with the encoder."
    rate_learning_rate: float = 1e-3
    "That of last layers and decoder, by Adam; what is before them has a tenth of it."
    label_smoothing: float = 0.0
    "Share of every training label that is spread over all classes, in end-to-end training."
    crop_pad: int | None = None
    """Pixels that random crops may move an image by, where not the data set's; a short training
    wants fewer.
    """
    flip: bool | None = None
    "Mirroring left to right; None: as is usual for the data set, and so of the next two."
    rotation_degrees: float | None = None
    crop: float | None = None
    """The least share of an image's side that a random crop shows, enlarged to the whole; in place
    of `crop_pad`.
    """
    cutout: int = 0
    "Side of the square cut out of every training image, pixels; at most a quarter of the image's."
    cpu_threads: int | None = None
    """None: as many as there are cores. A small model gains nothing from a second one, and loses
    much on a busy machine.
    """
    seed: int = 0
    label_corruption: float = 0.0
    corruption_seed: int = 10
    split_by: SplitBy = "random"
    "How the splits were drawn, of a folder; a run of one's own photos says series, if nobody else."

    def __post_init__(self) -> None:
        if self.split_by not in SPLITS_BY:
            raise ValueError(f"splits are by {' or '.join(SPLITS_BY)}, not '{self.split_by}'")
        if not 0 <= (self.rotation_degrees or 0) <= 180:
            raise ValueError(f"rotation is 0 to 180 degrees, not {self.rotation_degrees:g}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"a bit is worth 0 to 1 nats of cross-entropy, not {self.rate:g}")
        if self.crop is not None and not 0.1 <= self.crop <= 1:
            raise ValueError(f"crop is a share of the side from 0.1 to 1, not {self.crop:g}")

    def for_images(self, n_images: int) -> "Recipe":
        """The recipe for a training split of that size: a small one is learned in smaller batches.

        An epoch then has enough updates, and the learning rate goes down with the batch.
        """
        batch_size = min(self.batch_size, max(n_images // MIN_UPDATES_PER_EPOCH, MIN_BATCH_SIZE))
        return replace(
            self,
            batch_size=batch_size,
            learning_rate=self.learning_rate * batch_size / self.batch_size,
        )

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Recipe":
        """What `asdict` gave; a field that an earlier version had not yet is as usual."""
        return cls(**{**fields, "model": Architecture(**restored(fields["model"]))})
