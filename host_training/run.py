"""Run: what the run in a folder is. `run.json` says it, so that nobody has to say it again, and
nothing is mixed.

Beside it lie `pictures.json`, the listing of a folder of one's own images, and what
`host_training.training.trainer` writes. Only the standard library is imported here: whoever chooses
a run does not wait for PyTorch.
"""

import hashlib
import json
import os
import shlex
import typing
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from host_training.data.listing import Listing
from host_training.presets import DEFAULT_PRESETS, FOLDER_PRESET, PRESETS, fitting_presets, recipe
from host_training.training.recipe import Recipe, StageName
from link.base import durable

RUN, PICTURES, REPLAY = "run.json", "pictures.json", "replay.npz"
RUNS = Path("runs")
DEFAULT_DATASET = "digits"
FORMAT = 1
CHANGES = (
    "seed",
    "ce_epochs",
    "duphil_epochs",
    "rate",
    "label_corruption",
    "corruption_seed",
    "split_by",
    "flip",
    "rotation_degrees",
    "crop",
)
"Fields of a recipe that may be another than the preset's."
PHOTO_VARIABLES = {
    "split_by": "SPLIT_BY",
    "flip": "FLIP",
    "rotation_degrees": "ROTATION",
    "crop": "CROP",
}
"""By field: the variable of `make` that chooses it; series is what is usual."""


class RunError(Exception):
    """The run is another one than asked for, or its pictures are; the message says which and what
    to type.
    """


@dataclass(frozen=True)
class Source:
    """A data set: one that has a name, or a folder of one's own, whatever it is called."""

    name: str
    folder: Path | None = None
    "Absolute; None for one that has a name."

    @classmethod
    def of(cls, text: str) -> "Source":
        if text in DEFAULT_PRESETS:
            return cls(text)
        folder = Path(text).expanduser()
        if not folder.is_dir():
            raise RunError(
                f"data set '{text}' is neither {', '.join(DEFAULT_PRESETS)} nor a folder here; "
                "a folder of your own holds one folder of images per class"
            )
        return cls(folder.resolve().name, folder.resolve())

    @property
    def key(self) -> str:
        """Names its runs: no two folders have the same, nor has a folder that of a data set with a
        name.
        """
        if self.folder is None:
            return self.name
        return f"{self.name}-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:8]}"

    @property
    def argument(self) -> str:
        """What `host_training.data.catalogue.load` takes."""
        return self.name if self.folder is None else str(self.folder)

    @property
    def preset(self) -> str:
        return DEFAULT_PRESETS[self.name] if self.folder is None else FOLDER_PRESET

    def check_preset(self, preset: str) -> None:
        fitting = fitting_presets(self.name if self.folder is None else "")
        if preset not in fitting:
            raise RunError(
                f"preset '{preset}' does not fit {self.argument}; these do: {', '.join(fitting)}"
            )

    def run_dir(self, preset: str | None = None) -> Path:
        return RUNS / f"{self.key}-{preset or self.preset}"


@dataclass(frozen=True)
class Run:
    """What run.json says. Paths are absolute."""

    data_set: str
    "Its name when the run began."
    folder: str | None
    "The folder of one's own images, where they are now; None for a data set that has a name."
    data_dir: str | None
    "Where a data set with a name was found; not part of what the run is."
    image_size: int | None
    "The size of a folder's images, which have the sizes that a camera gave them."
    n_images: int
    "In all splits."
    data_sha256: str
    "host_training.data.dataset.DataSet.sha256"
    preset: str
    changes: dict
    "Fields of the preset's recipe that were told otherwise, of CHANGES."
    stage: str
    "The stage whose best checkpoint is the run's result: ce, duphil or rate."
    start_from: str | None = None
    start_from_sha256: str | None = None
    teacher: str | None = None
    teacher_sha256: str | None = None
    is_finished: bool = False
    format: int = FORMAT

    @property
    def source(self) -> Source:
        return (
            Source(self.data_set)
            if self.folder is None
            else Source(Path(self.folder).name, Path(self.folder))
        )

    @property
    def choices(self) -> dict[str, str]:
        """What was chosen of its photos, as variables of `make`."""
        said = {name: self.changes.get(name) for name in PHOTO_VARIABLES}
        return {
            PHOTO_VARIABLES[name]: {True: "yes", False: "no"}[value]
            if name == "flip"
            else str(value)
            for name, value in said.items()
            if value not in (None, "series")
        }

    def describe(self) -> str:
        size = "" if self.image_size is None else f" of side {self.image_size}"
        return f"{self.preset} on {self.n_images} images{size} of {self.source.argument}"


@dataclass(frozen=True)
class Wanted:
    """What somebody says of a run; None is not said."""

    dataset: str | None = None
    preset: str | None = None
    image_size: int | None = None
    seed: int | None = None
    ce_epochs: int | None = None
    duphil_epochs: int | None = None
    rate: float | None = None
    label_corruption: float | None = None
    corruption_seed: int | None = None
    split_by: str | None = None
    flip: bool | None = None
    rotation_degrees: float | None = None
    crop: float | None = None
    start_from: Path | None = None
    teacher: Path | None = None

    @property
    def changes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in CHANGES if getattr(self, name) is not None}

    def differences(self, run: Run, pictures: Listing | None = None) -> Iterator[str]:
        """What is said and is not so of the run, a phrase for each; `pictures` are the run's."""
        if self.dataset is not None and not is_same_source(
            Source.of(self.dataset), run.source, pictures
        ):
            yield f"its data set is {run.source.argument}, not {Source.of(self.dataset).argument}"
        if self.preset not in (None, run.preset):
            yield f"its preset is {run.preset}, not {self.preset}"
        if run.image_size is not None and self.image_size not in (None, run.image_size):
            yield f"its image size is {run.image_size}, not {self.image_size}"
        usual = recipe(run.preset, **run.changes)
        for name, value in self.changes.items():
            if (own := getattr(usual, name)) != value:
                yield f"its {name} is {'as usual' if own is None else own}, not {value}"
        for name in ("start_from", "teacher"):
            path = getattr(self, name)
            if path is not None and sha256(path) != getattr(run, f"{name}_sha256"):
                yield f"its {name} is {getattr(run, name) or 'none'}, not {path}"

    def require(self, run: Run, run_dir: Path) -> None:
        """RunError when the run in that folder is another one."""
        if differences := list(self.differences(run, read_pictures(run_dir))):
            raise RunError(
                f"{run_dir} holds another run ({'; '.join(differences)}); leave out what is not so "
                "to go on with it, or train into another folder (RUN=…)"
            )


def result_stage(preset: str, recipe: Recipe) -> StageName:
    """The stage whose best checkpoint is the result: the preset's, or the last."""
    usual = PRESETS[preset].stage
    if recipe.rate:
        return "rate"
    if getattr(recipe, f"{usual}_epochs"):
        return usual
    return "duphil" if recipe.duphil_epochs else "ce"


def is_same_source(one: Source, other: Source, pictures: Listing | None = None) -> bool:
    """The same, or a folder that was moved and holds the very pictures of the other."""
    if one == other or one.folder is None or other.folder is None or pictures is None:
        return one == other
    return not pictures.changes_to(Listing.of(one.folder))


def sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise RunError(
            f"there is no checkpoint {path}; a finished run has ce.pt and duphil.pt"
        ) from None


def read_run(run_dir: Path) -> Run | None:
    """None when no run.json is there; RunError when it cannot be used."""
    path = run_dir / RUN
    try:
        said = json.loads(durable.read_small(path))
        if said["format"] != FORMAT:
            raise ValueError(f"it has format {said['format']}, this program has {FORMAT}")
        run = Run(**said)
        for name, kind in typing.get_type_hints(Run).items():
            if not isinstance(value := getattr(run, name), kind) or (
                isinstance(value, bool) and kind is not bool
            ):
                raise ValueError(f"{name} is {value!r}")
        recipe(run.preset, **run.changes)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged ({error}); delete this one file, and `make train` with the run's "
            "own settings writes it anew from the checkpoint"
        ) from None
    return run


def write_run(run: Run, run_dir: Path, pictures: Listing | None) -> None:
    """The pictures first: a run.json that is there can be relied on."""
    run_dir.mkdir(parents=True, exist_ok=True)
    if pictures is not None:
        pictures.write(run_dir / PICTURES)
    durable.write(run_dir / RUN, json.dumps(asdict(run), indent=1) + "\n")


def read_pictures(run_dir: Path) -> Listing | None:
    """None when there is no listing, as of a data set that has a name."""
    try:
        return Listing.read(run_dir / PICTURES)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise RunError(
            f"{run_dir / PICTURES} is damaged ({error}); train into another folder (RUN=…)"
        ) from None


def require_pictures(run: Run, run_dir: Path, dataset: str | None = None) -> Source:
    """Where the run's pictures are now, in `dataset` if that is said; RunError unless they are as
    they were.
    """
    source = run.source if dataset is None else Source.of(dataset)
    known = read_pictures(run_dir)
    if source.folder is None or known is None:
        return source
    if not source.folder.is_dir():
        raise RunError(
            f"the pictures of {run_dir} were in {source.folder}, and are not there; say where they "
            "are (DATASET=…)"
        )
    now = Listing.of(source.folder, known)
    if changes := known.changes_to(now):
        folder = next_free(run_dir, lambda free: free.exists() and not _is_begun(run, free, now))
        said = {
            "DATASET": source.folder,
            "PRESET": run.preset,
            "IMAGE_SIZE": run.image_size,
            **run.choices,
            "RUN": folder,
        }
        words = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in said.items())
        raise RunError(
            f"{source.folder} is not as it was when {run_dir} was trained: {len(known)} pictures "
            f"then, {len(now)} now, {changes}. `make train {words}` trains on what is there now; "
            "with the pictures of then the run can be used as it is"
        )
    # moved, copied or touched: next time it need not be said, or read
    if source != run.source or now != known:
        write_run(replace(run, folder=str(source.folder)), run_dir, now)
    return source


def next_free(run_dir: Path, is_taken: Callable[[Path], bool] = Path.exists) -> Path:
    """A folder beside it that is not there yet, or not taken."""
    number = 2
    while is_taken(free := run_dir.with_name(f"{run_dir.name}-{number}")):
        number += 1
    return free


def _is_begun(run: Run, folder: Path, now: Listing) -> bool:
    """Whether such a run was begun there with the pictures of now: it goes on."""
    try:
        begun, pictures = read_run(folder), read_pictures(folder)
    except RunError:
        return False
    if begun is None or pictures is None or pictures.changes_to(now):
        return False
    same = (run.preset, run.image_size, run.choices)
    return (begun.preset, begun.image_size, begun.choices) == same


def data_folder(said: Path | None, run: Run | None) -> Path:
    """Where data sets with a name are: as said, else DATA_DIR, else where the run found them, else
    `data`.
    """
    if said is not None:
        return said
    found = None if run is None else run.data_dir
    return Path(os.environ.get("DATA_DIR") or found or "data")


def origin(folder: Path, dataset: str | None, data_dir: Path | None) -> tuple[str | None, Path]:
    """Data set and data folder for what lies in a run's folder: as said, else as the run says, else
    None.

    RunError when the run's own pictures are asked for and have changed.
    """
    run = read_run(folder)
    data_dir = data_folder(data_dir, run)
    if run is None:
        return dataset, data_dir
    if dataset is not None and not is_same_source(
        Source.of(dataset), run.source, read_pictures(folder)
    ):
        return dataset, data_dir
    return require_pictures(run, folder, dataset).argument, data_dir
