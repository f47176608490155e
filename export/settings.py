"""Settings: what an export is told, and what it starts from: data set and provenance."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from export import ExportError
from export.decoders.finetune import FineTuning
from export.encoder.fold import VIEWS
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet, with_corrupted_labels
from host_training.data.photo_choices import PhotoChoices
from host_training.models.autoencoder import ModelConfig
from host_training.presets import PRESETS
from host_training.presets.preset import ORDERS
from host_training.run import sha256
from host_training.training.checkpoint import Checkpoint
from host_training.training.recipe import Recipe
from link.bundle.manifest import Provenance
from link.output import results

TOOLS = ("torch", "onnx", "onnx2tf", "tensorflow", "ai-edge-litert", "onnxruntime")
"Whose versions decide the bytes of a bundle."


@dataclass(frozen=True)
class Settings:
    """One export."""

    checkpoint: Path
    out: Path
    latents: int | None = None
    "Send only so many latents, the most useful ones; None sends all."
    order: str = "discriminative"
    "What useful means, one of ORDERS."
    coarseness: float = 1.0
    """The step of the quantiser in importance order: 1 costs as much accuracy as the trained one,
    more is fewer bits.
    """
    views: int = 1
    "How often the node looks at an image, a key of VIEWS; the latents are the mean."
    dataset: str | None = None
    "Name or folder of the data set; None takes the name in the checkpoint."
    data_dir: Path = Path("data")
    components: tuple[int, ...] = (1, 10, 16, 64, 256)
    "Numbers of latent classes to try; 1, the static histogram, is always among them."
    max_drop_points: float = 1.0
    "Percentage points that int8 may cost on the test split."
    threads: int = 1
    "Interpreters of the int8 encoder side by side; the bundle is the same with any number."
    fine_tuning: FineTuning = field(default_factory=FineTuning)

    def __post_init__(self) -> None:
        if min(self.components, default=0) < 1:
            raise ExportError(
                f"components are {self.components}; every number of latent classes must be at "
                "least 1"
            )
        if self.latents is not None and self.latents < 1:
            raise ExportError(f"latents is {self.latents}; at least one must be sent")
        if self.order not in ORDERS:
            raise ExportError(f"order is '{self.order}'; it must be one of {', '.join(ORDERS)}")
        if self.views not in VIEWS:
            raise ExportError(
                f"views is {self.views}; it must be one of {', '.join(map(str, VIEWS))}"
            )
        if not 0 < self.coarseness < math.inf:
            raise ExportError(f"coarseness is {self.coarseness:g}; it must be above 0")
        if self.coarseness != 1 and self.order != "importance":
            raise ExportError(
                "coarseness is the step of the importance order: add --order importance"
            )

    @property
    def command(self) -> str:
        """The command without what is this machine's own: where data and bundle lie, how many
        threads there are.
        """
        is_inside = not self.checkpoint.is_absolute() and ".." not in self.checkpoint.parts
        checkpoint = self.checkpoint.as_posix() if is_inside else self.checkpoint.name
        latents = f" --latents {self.latents}" if self.latents is not None else ""
        order = (
            f" --order {self.order} --coarseness {self.coarseness:g}"
            if self.order != ORDERS[0]
            else ""
        )
        views = f" --views {self.views}" if self.views > 1 else ""
        components = ",".join(map(str, self.components))
        return (
            f"python -m export --checkpoint {checkpoint}{latents}{order}{views} --components "
            f"{components} --max-drop {self.max_drop_points:g}"
        )


def load_data(settings: Settings, trained: Checkpoint) -> DataSet:
    """The data set that the checkpoint was trained on, with the same corrupted labels if it was
    trained with such.
    """
    config, origin = trained.model.config, trained.provenance
    choices = PhotoChoices.of(origin.recipe)
    data = load(
        settings.dataset or origin.data_set, settings.data_dir, config.height, choices=choices
    )
    shape = (config.height, config.width, config.channels)
    if (data.image_shape, data.classes) != (shape, trained.classes):
        raise ExportError(
            f"data set {data.name} has images {data.image_shape} of {len(data.classes)} classes, "
            f"{settings.checkpoint} was trained on {shape} of {len(trained.classes)} "
            f"({origin.data_set}); name its own with --dataset"
        )
    recipe = origin.recipe
    if recipe.label_corruption:
        data = with_corrupted_labels(data, recipe.label_corruption, recipe.corruption_seed)
    if origin.data_sha256 not in (None, data.sha256):
        raise ExportError(
            f"the images or labels of {data.name} are not those that {settings.checkpoint} was "
            f"trained on (SHA-256 {data.sha256[:12]}…, not {origin.data_sha256[:12]}…), so its "
            "test images may have been trained on; train again into another folder (RUN=…)"
        )
    return data


def n_transmitted(n_trained: int, n_latents: int | None) -> int:
    """How many latents to send of those that the checkpoint has."""
    if n_latents is not None and n_latents > n_trained:
        raise ExportError(f"{n_latents} latents asked for, the checkpoint has {n_trained}")
    return n_latents or n_trained


def preset_name(config: ModelConfig, made_by: Recipe) -> str:
    """The preset with this very model and the most of this recipe, or "custom".

    A checkpoint keeps what a preset said, not what it was called.
    """

    def likeness(name: str) -> int:
        theirs = vars(PRESETS[name].recipe)
        return sum(theirs[field] == value for field, value in vars(made_by).items())

    fitting = [
        name for name, preset in PRESETS.items() if preset.recipe.model == config.architecture
    ]
    return max(fitting, key=likeness, default="custom")


def provenance(settings: Settings, trained: Checkpoint, preset: str) -> Provenance:
    """Where a bundle comes from; the same for the same checkpoint, command and revision."""
    origin = trained.provenance
    return Provenance(
        commit=results.commit(),
        command=settings.command,
        data_set=origin.data_set,
        preset=preset,
        stage=trained.stage,
        views=settings.views,
        epoch=trained.epoch,
        seed=origin.recipe.seed,
        label_corruption=origin.recipe.label_corruption,
        photos=PhotoChoices.of(origin.recipe).to_dict(),
        started_from_sha256=origin.started_from_sha256,
        teacher_sha256=origin.teacher_sha256,
        checkpoint_sha256=sha256(settings.checkpoint),
        tools=dict(_tools()),
    )


def _tools() -> Iterator[tuple[str, str]]:
    for tool in TOOLS:
        with suppress(PackageNotFoundError):  # TensorFlow, on later Pythons
            yield tool, version(tool)
