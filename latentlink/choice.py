"""Choice: which run and which bundle is meant, by what was said and by what the folders say of
themselves.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from host_training.presets import DEFAULT_PRESETS
from host_training.run import (
    DEFAULT_DATASET,
    REPLAY,
    RUN,
    RUNS,
    Run,
    RunError,
    Source,
    is_same_source,
    read_pictures,
    read_run,
)
from latentlink.said import Said, option_of
from latentlink.variables import PHOTOS
from link.bundle import copies

MODELS = Path("models")
"Bundles that came with the programs."
MANIFEST = "manifest.json"
SETTINGS = {
    "LATENTS": "all",
    "ORDER": "discriminative",
    "COARSENESS": "1",
    "VIEWS": "1",
    "MAX_DROP": "1",
}
"Variables of an export, and what is usual."
EARLIER = {"--max-drop-points": "--max-drop"}
"Options that were called otherwise in the commands that older bundles keep."


@dataclass(frozen=True)
class Place:
    """A run's folder and what it is; None when it has still to begin."""

    folder: Path
    run: Run | None

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def replay(self) -> Path:
        return self.folder / REPLAY

    @property
    def is_trained(self) -> bool:
        return (
            self.run is not None
            and self.run.is_finished
            and (self.folder / f"{self.run.stage}.pt").is_file()
        )

    def describe(self) -> str:
        return str(self.folder) if self.run is None else f"{self.folder} ({self.run.describe()})"


@dataclass(frozen=True)
class Chosen:
    """A bundle, and the run that it lies in if it lies in one."""

    bundle: Path
    place: Place | None
    is_there: bool


def data_set(said: Said) -> Source:
    return Source.of(said.get("DATASET", DEFAULT_DATASET))


def run_to_train(said: Said) -> Place:
    """The one that is named; else one that was interrupted goes on; else the usual one of the data
    set.
    """
    if named := _named(said):
        return named
    if going := [place for place in _newest(_fitting(said), RUN) if not place.is_trained]:
        return going[0]
    return _usual(said)


def run_to_export(said: Said) -> Place:
    """The one that is named; else the newest that fits; else the usual one of the data set."""
    return _named(said) or next(iter(_newest(_fitting(said), RUN)), None) or _usual(said)


def bundle_to_use(said: Said) -> Chosen:
    """The one that is named; else the newest of the data set; else one that came with the programs;
    else a new one.
    """
    if bundle := said.path("BUNDLE"):
        return Chosen(bundle, place_of(bundle), True)
    if named := _named(said):
        return Chosen(named.bundle, named, (named.bundle / MANIFEST).is_file())
    own = [
        Chosen(place.bundle, place, True)
        for place in _fitting(said)
        if (place.bundle / MANIFEST).is_file()
    ]
    added_to = [Chosen(bundle, None, True) for bundle in _of_data_set(copies.COPIES, said)]
    if own or added_to:
        return max(own + added_to, key=lambda each: (each.bundle / MANIFEST).stat().st_mtime_ns)
    # models/cifar10 stands before models/cifar10-tiny
    if released := sorted(_of_data_set(MODELS, said)):
        return Chosen(released[0], None, True)
    place = run_to_export(said)
    return Chosen(place.bundle, place, False)


def place_of(bundle: Path) -> Place | None:
    """The run in whose folder a bundle lies."""
    for folder in (bundle.parent, bundle.resolve().parent):
        if (run := read_run(folder)) is not None:
            return Place(folder, run)
    return None


def manifest(bundle: Path) -> dict[str, Any]:
    try:
        content = json.loads((bundle / MANIFEST).read_bytes())
        if not isinstance(content, dict) or not isinstance(content.get("provenance"), dict):
            raise ValueError("it does not say where it comes from")
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{bundle / MANIFEST} cannot be read ({error}); export again, or name another "
            "(BUNDLE=…)"
        ) from None
    return content


def other_settings(said: Said, bundle: Path) -> Iterator[str]:
    """What is said of an export and is not so of a bundle, a phrase for each."""
    provenance = manifest(bundle)["provenance"]
    words = str(provenance.get("command", "")).split()
    was = {EARLIER.get(name, name): value for name, value in pairwise(words)}
    pairs = [("STAGE", str(provenance.get("stage")))]
    pairs += [(name, was.get(option_of(name), usual)) for name, usual in SETTINGS.items()]
    for name, value in pairs:
        if name in said and not _is_same(said[name], value):
            yield f"{name} is {value}, not {said[name]}"


def _is_same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def _named(said: Said) -> Place | None:
    folder = said.path("RUN")
    return None if folder is None else Place(folder, read_run(folder))


def _usual(said: Said) -> Place:
    usual = data_set(said).run_dir(said.get("PRESET"))
    chosen = [f"{name}-{said[name]}".lower() for name in PHOTOS if name in said]
    folder = usual.with_name("-".join([usual.name, *chosen]))
    return Place(folder, read_run(folder))


def _fitting(said: Said) -> list[Place]:
    """Runs of the data set with the preset, image size and seed that were said, if any were."""
    source = data_set(said)
    places = []
    for path in sorted(RUNS.glob(f"*/{RUN}")):
        try:
            run = read_run(path.parent)
        except RunError as error:
            said.tell(str(error))
            continue
        if run is None or not _is_of(run, source, path.parent):
            continue
        sizes = {
            "PRESET": run.preset,
            "IMAGE_SIZE": run.image_size,
            "SEED": run.changes.get("seed", 0),
            "SPLIT_BY": run.changes.get("split_by", "random"),
            "FLIP": {True: "yes", False: "no", None: None}[run.changes.get("flip")],
            "ROTATION": run.changes.get("rotation_degrees"),
            "CROP": run.changes.get("crop"),
        }
        names = [
            "PRESET",
            *(["IMAGE_SIZE"] if run.folder else []),
            *PHOTOS,
            *(["SEED"] if said.is_training else []),
        ]
        if all(name not in said or _is_same(said[name], str(sizes[name])) for name in names):
            places.append(Place(path.parent, run))
    return places


def _is_of(run: Run, source: Source, folder: Path) -> bool:
    """Also of a folder that was moved: the run's own is not there any more, and the pictures are
    the same.
    """
    if (
        source == run.source
        or source.folder is None
        or run.folder is None
        or Path(run.folder).exists()
    ):
        return source == run.source
    return is_same_source(source, run.source, read_pictures(folder))


def _newest(places: list[Place], file: str) -> list[Place]:
    return sorted(places, key=lambda place: (place.folder / file).stat().st_mtime_ns, reverse=True)


def _of_data_set(folder: Path, said: Said) -> Iterator[Path]:
    """Bundles in a folder that are of a data set with a name, and as they are wanted."""
    name = data_set(said).name
    if data_set(said).folder is not None or name not in DEFAULT_PRESETS:
        return
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        provenance = manifest(path.parent)["provenance"]
        is_preset = said.get("PRESET", provenance.get("preset")) == provenance.get("preset")
        if (
            provenance.get("data_set") == name
            and is_preset
            and not list(other_settings(said, path.parent))
        ):
            yield path.parent
