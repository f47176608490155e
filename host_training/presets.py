"""Recipes by name: how large the auto-encoder is and how it is trained.

`cifar-64` is the paper's CIFAR-10 model and schedule, `cifar100-64` its ResNet-34 layout for
CIFAR-100; the narrower ones keep the shape for nodes with less power and for training on a CPU.
Only the standard library is imported, so `make` can ask this file what there is before anything is
installed.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

EPS_SQ = 0.5
"Squared precision ε² of the saved run of DuPHiL's authors and of MCR²'s."
EQUAL_SUBBANDS = (2.0, 8.0, 8.0, 32.0)
"Gains of LL, LH, HL and HH that bring photographs' subbands to like deviations."

MIN_UPDATES_PER_EPOCH = 16
MIN_BATCH_SIZE = 8


@dataclass(frozen=True)
class Recipe:
    """One training run; lengths in epochs, rates per optimiser update."""

    model: dict[str, Any] = field(default_factory=dict)
    "Fields of ModelConfig other than the data set's."
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
    "Of end-to-end training: `muon` moves the 3 × 3 kernels by Muon, and the rest by SGD."
    muon_learning_rate: float = 0.04
    duphil_batch_size: int = 1000
    mcr2_learning_rate: float = 1e-4
    "Should be small (the authors): MCR² moves an encoder that already classifies."
    duphil_decoder_learning_rate: float = 1e-3
    eps_sq: float = EPS_SQ
    label_smoothing: float = 0.0
    "Share of every training label that is spread over all classes, in end-to-end training."
    crop_pad: int | None = None
    """Pixels that random crops may move an image by, where not the data set's; a short training
    wants fewer.
    """
    cutout: int = 0
    "Side of the square cut out of every training image, pixels."
    cpu_threads: int | None = None
    """None: as many as there are cores. A small model gains nothing from a second one, and loses
    much on a busy machine.
    """
    seed: int = 0
    label_corruption: float = 0.0
    corruption_seed: int = 10

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

    def to_dict(self) -> dict:
        return asdict(self)


_NARROW = Recipe(
    batch_size=128,
    schedule="one-cycle",
    duphil_epochs=10,
    mcr2_learning_rate=1e-3,
    duphil_decoder_learning_rate=1e-2,
)
"Shorter schedules than the paper's, and so larger steps."

_SHORT = replace(
    _NARROW, label_smoothing=0.1, duphil_epochs=2, mcr2_learning_rate=3e-4, cpu_threads=1
)
"Our own: an hour on one core."

_MUON = replace(_SHORT, optimiser="muon", batch_size=500, learning_rate=0.2, duphil_epochs=0)

_CIFAR_16 = dict(base_width=16, hidden=128, latents=64, latent_decoder_width=64)
_CIFAR_32 = dict(base_width=32, hidden=256, latents=64, latent_decoder_width=64)
_CIFAR_64 = dict(base_width=64, hidden=512, latents=128, latent_decoder_width=128)
_NARROW_5 = dict(
    widths=(16, 40, 96),
    blocks=(1, 1, 1),
    has_module3_on_node=True,
    hidden=256,
    latents=64,
    noise_half_width=0.5,
)
_NARROW_20 = dict(_NARROW_5, widths=(32, 96, 160), subband_gains=EQUAL_SUBBANDS)
_PLAIN_20 = dict(
    _NARROW_20, widths=(32, 80, 160), blocks=(1, 2, 2), has_residuals=False, is_decimated=False
)
_WIDE_70 = dict(_PLAIN_20, widths=(64, 128, 256), hidden=512, is_decimated=True)
_PLAIN_120 = dict(_PLAIN_20, widths=(80, 224, 336), hidden=512)
_PLAIN_5 = dict(_PLAIN_20, widths=(12, 28, 64))
_TEACHER = dict(_PLAIN_20, widths=(128, 384, 512), hidden=1024, latents=256)
_DIGITS = dict(
    base_width=32,
    blocks=(1, 1, 1),
    pooled=2,
    hidden=128,
    latents=16,
    latent_decoder_width=64,
    upsamplings=2,
    features=32,
)

PRESETS: dict[str, Recipe] = {
    "digits": replace(
        _NARROW, model=_DIGITS, ce_epochs=60, batch_size=64, duphil_batch_size=250, cpu_threads=1
    ),
    "cifar-16": replace(_NARROW, model=_CIFAR_16, ce_epochs=100),
    "cifar-16-short": replace(
        _NARROW,
        model=dict(_CIFAR_16, blocks=(1, 1, 1), latent_decoder_width=32),
        ce_epochs=12,
        duphil_epochs=3,
        cpu_threads=1,
    ),
    "cifar-32": replace(_NARROW, model=_CIFAR_32, ce_epochs=100),
    "cifar-32-quick": replace(
        _NARROW,
        model=_CIFAR_32,
        ce_epochs=40,
        batch_size=500,
        learning_rate=0.4,
        duphil_epochs=20,
        mcr2_learning_rate=3e-4,
        duphil_decoder_learning_rate=3e-3,
    ),
    "cifar-32-fine": replace(
        _NARROW,
        model=dict(_CIFAR_32, noise_half_width=0.5),
        ce_epochs=45,
        learning_rate=0.05,
        cutout=8,
        duphil_epochs=5,
        mcr2_learning_rate=3e-4,
    ),
    "cifar-64": Recipe(model=_CIFAR_64),
    "cifar100-64": Recipe(model=dict(_CIFAR_64, blocks=(3, 4, 6))),
    "narrow-5": replace(_SHORT, model=_NARROW_5, ce_epochs=40),
    "narrow-20": replace(_MUON, model=_NARROW_20, ce_epochs=22),
    "plain-20": replace(_MUON, model=_PLAIN_20, ce_epochs=16, crop_pad=2),
    "plain-20-medium": replace(_MUON, model=_PLAIN_20, ce_epochs=80, cutout=8),
    "plain-20-fine": replace(
        _MUON, model=_PLAIN_20, ce_epochs=16, learning_rate=0.1, muon_learning_rate=0.02, cutout=8
    ),
    "wide-70": replace(_MUON, model=_WIDE_70, ce_epochs=16, crop_pad=2),
    "wide-70-long": replace(_MUON, model=_WIDE_70, ce_epochs=60, cutout=8),
    "wide-70-fine": replace(
        _MUON, model=_WIDE_70, ce_epochs=14, learning_rate=0.1, muon_learning_rate=0.02, cutout=8
    ),
    "plain-5-long": replace(_MUON, model=_PLAIN_5, ce_epochs=128, cutout=8),
    "plain-20-long": replace(_MUON, model=_PLAIN_20, ce_epochs=128, cutout=8),
    "plain-120": replace(_MUON, model=_PLAIN_120, ce_epochs=85, cutout=8),
    "teacher": replace(_MUON, model=_TEACHER, ce_epochs=42, cutout=8),
    "photo-32": replace(_NARROW, model=dict(_CIFAR_32, stem_stride=2), ce_epochs=60),
}

DEFAULT_PRESETS = {
    "digits": "digits",
    "cifar10": "cifar-32",
    "cifar100": "wide-70",
    "cifar100-coarse": "wide-70",
}
"The data sets that have a name, and what trains each."
FOLDER_PRESET = "photo-32"
"For a folder of one's own images."


def fitting_presets(data_set: str) -> list[str]:
    """Presets that make sense for a data set: `digits` is for its own; a folder's images may have
    any size.
    """
    is_other = data_set in DEFAULT_PRESETS and data_set != "digits"
    return [name for name in PRESETS if not (is_other and name == "digits")]


def recipe(preset: str, **changes: Any) -> Recipe:
    """The preset's recipe with some of its fields changed; None leaves a field as it is."""
    if preset not in PRESETS:
        raise ValueError(f"preset '{preset}' is not one of {', '.join(PRESETS)}")
    return replace(
        PRESETS[preset], **{name: value for name, value in changes.items() if value is not None}
    )
