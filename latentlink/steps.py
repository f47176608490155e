"""Steps: a run, its bundle and what is done with it. What is there and still right is not made
again.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from host_training.presets import DEFAULT_PRESETS
from host_training.run import (
    REPLAY,
    RUNS,
    Run,
    RunError,
    Source,
    Wanted,
    is_same_source,
    read_pictures,
    read_run,
    require_pictures,
)
from latentlink.choice import (
    MANIFEST,
    Chosen,
    Place,
    bundle_to_use,
    data_set,
    manifest,
    other_settings,
    place_of,
    run_to_export,
    run_to_train,
)
from latentlink.said import Said
from latentlink.variables import PHOTOS

TRAINING = ("DATASET", "IMAGE_SIZE", *PHOTOS, "PRESET", "RATE", "START_FROM", "TEACHER")
EXPORT = ("DATASET", "STAGE", "LATENTS", "ORDER", "COARSENESS", "VIEWS", "MAX_DROP")
LINE = (
    "LINK",
    "LOSS",
    "IMAGES",
    "SEED",
    "INTERVAL",
    "VERDICT",
    "FIRST_CHUNK_BYTES",
    "CHUNK_BYTES",
)
"Options that each command takes as they were said."


def train(said: Said) -> None:
    said = replace(said, is_training=True)
    _train(said, run_to_train(said))


def _train(said: Said, place: Place) -> Place:
    """To the end, unless it was; RunError when it is another run than what is said."""
    if place.run is not None:
        said.tell(
            f"train     {place.describe()}: {'it is trained' if place.is_trained else 'goes on'}"
        )
        _wanted(said).require(place.run, place.folder)
        require_pictures(place.run, place.folder, said.values.get("DATASET"))
    else:
        old = RUNS / f"{data_set(said).name}-{said.get('PRESET', data_set(said).preset)}"
        if old != place.folder and (old / "last.pt").exists() and not (old / "run.json").exists():
            said.tell(
                f"train     {old} is of an earlier version and does not say of which pictures; "
                f"RUN={old} takes it"
            )
        said.tell(f"train     into {place.folder}")
    if not place.is_trained:
        seed = ("SEED",) if said.is_training else ()  # else it is that of the line
        said.run("host_training", "train", *said.options(*TRAINING, *seed), "--run", place.folder)
    return place if said.is_dry else place_of(place.bundle) or place


def _wanted(said: Said) -> Wanted:
    return Wanted(
        dataset=said.values.get("DATASET"),
        preset=said.values.get("PRESET"),
        image_size=int(said["IMAGE_SIZE"]) if "IMAGE_SIZE" in said else None,
        seed=int(said["SEED"]) if "SEED" in said and said.is_training else None,
        split_by=said.values.get("SPLIT_BY"),
        flip=said["FLIP"] == "yes" if "FLIP" in said else None,
        rotation_degrees=float(said["ROTATION"]) if "ROTATION" in said else None,
        crop=float(said["CROP"]) if "CROP" in said else None,
        rate=float(said["RATE"]) if "RATE" in said else None,
        start_from=said.path("START_FROM"),
        teacher=said.path("TEACHER"),
    )


def export(said: Said) -> None:
    said = replace(said, is_training=True)
    _export(said, run_to_export(said))


def _export(said: Said, place: Place) -> None:
    place = _train(said, place)
    options = ["--results", said.results, *said.options(*EXPORT)]
    said.run("export", "--run", place.folder, *options)


def _bundle(said: Said) -> Chosen:
    """The bundle to use, made first if there is none."""
    chosen = bundle_to_use(said)
    place = chosen.place
    if chosen.is_there and not (place is not None and _is_stale(chosen.bundle, place)):
        if differences := "; ".join(other_settings(said, chosen.bundle)):
            raise RunError(
                f"{chosen.bundle} was exported otherwise ({differences}); `make export` with what "
                "you want replaces it, RUN= makes another"
            )
        if place is not None and place.run is not None:
            _require(said, place, place.run)
        came = "" if place is None or place.run is None else f", {place.run.describe()}"
        said.tell(f"bundle    {chosen.bundle}{came} (BUNDLE=, RUN= or PRESET= take another)")
        return chosen
    assert place is not None
    _export(replace(said, is_training=place.run is None), place)
    return Chosen(chosen.bundle, place if said.is_dry else place_of(chosen.bundle) or place, True)


def _require(said: Said, place: Place, run: Run) -> None:
    """RunError unless the run is what is said, and its pictures as they were.

    DATASET beside BUNDLE may be another one: that of a further decoder.
    """
    wanted, own = _wanted(said), read_pictures(place.folder)
    if (
        "BUNDLE" in said
        and wanted.dataset
        and not is_same_source(Source.of(wanted.dataset), run.source, own)
    ):
        replace(wanted, dataset=None).require(run, place.folder)
    else:
        wanted.require(run, place.folder)
        require_pictures(run, place.folder, wanted.dataset)


def _require_team(said: Said, bundle: Path) -> None:
    """RunError where members are spoken of that the bundle has not, before images are fetched."""
    if not {"FOG", "KILL"} & said.values.keys() or not (bundle / MANIFEST).is_file():
        return
    team = manifest(bundle)["node"].get("team")
    if team is None:
        raise RunError(
            f"{bundle} is for one node, and only a team has members; leave FOG and KILL out, or "
            "name a team's bundle"
        )
    if said.get("FOG", str(team["groups"])) != str(team["groups"]):
        raise RunError(f"{bundle} is cut for {team['groups']} members: say FOG={team['groups']}")


def _is_stale(bundle: Path, place: Place) -> bool:
    """Was the checkpoint that it came from trained anew?"""
    provenance = manifest(bundle)["provenance"]
    checkpoint = place.folder / f"{provenance.get('stage')}.pt"
    if not checkpoint.is_file():
        return False
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest() != provenance.get(
        "checkpoint_sha256"
    )


def _replay(said: Said, chosen: Chosen) -> Path:
    """The file of images for a node to replay, of the run's data set or of the one that is said."""
    place = chosen.place
    if place is not None:
        if not place.replay.is_file():
            said.run("host_training", "replay", "--run", place.folder, *said.options("DATASET"))
        return place.replay
    content = manifest(chosen.bundle)
    own = str(content["provenance"].get("data_set"))
    name = said.get("DATASET", own)
    if name == own and (chosen.bundle / REPLAY).is_file():
        return chosen.bundle / REPLAY
    if "DATASET" not in said and name not in DEFAULT_PRESETS:
        raise RunError(
            f"{chosen.bundle} was made of a folder called {name}; say where it is (DATASET=…)"
        )
    source, size = Source.of(name), content["node"]["image"]["height"]
    path = RUNS / "replay" / f"{source.key}-{size}.npz"
    if source.folder is not None or not path.is_file():  # a folder may have changed
        options = ["--dataset", source.argument, "--image-size", str(size)]
        said.run("host_training", "replay", *options, "--out", path)
    return path


def live(said: Said) -> None:
    chosen = _bundle(said)
    _require_team(said, chosen.bundle)
    replay = _replay(said, chosen)
    downlink = ["--no-downlink"] if said.get("DOWNLINK") == "no" else []
    options = ["--results", said.results, *said.options(*LINE, "FOG", "KILL"), *downlink]
    said.run("host_decoder", "live", "--bundle", chosen.bundle, "--replay", replay, *options)


def global_(said: Said) -> None:
    """Trained by many devices; from then on it is a run like any other."""
    folder = said.path("RUN") or RUNS / "digits-flower"
    run = read_run(folder)
    if run is None or not run.is_finished:
        options = ["--results", said.results, *said.options("SEED", "DATA_DIR")]
        said.run("tests.studies", "global_real", "--run", folder, *options)
    if said.is_dry and run is None:
        said.tell(f"global    then {folder} is exported and classified live, as by make live RUN=")
        return
    live(replace(said, values={**said.values, "RUN": str(folder)}))


def bench(said: Said) -> None:
    chosen = _bundle(said)
    replay = _replay(said, chosen)
    run = None if chosen.place is None else chosen.place.run
    name = chosen.bundle.name if run is None else run.source.name
    study = "bench" if name == "digits" else f"bench-{name}"
    options = ["--study", study, "--results", said.results, *said.options("IMAGES")]
    said.run("tests.studies", "bench", "--bundle", chosen.bundle, "--replay", replay, *options)


def decoder(said: Said) -> None:
    if "TASK" not in said:
        raise RunError(
            "say what the decoder is asked: TASK=label, coarse, fine, living, new-class, "
            "anomaly or thumbnail"
        )
    if (said["TASK"] == "new-class") != ("EXAMPLES" in said):
        raise RunError(
            "TASK=new-class and EXAMPLES=folder, or a class such as cifar100:bicycle, go together"
        )
    chosen = _bundle(said)
    names = ("TASK", "DATASET", "TASK_NAME", "TASK_LOSS", "SEED", "EXAMPLES", "SHOTS")
    said.run("export", "decoder", "--bundle", chosen.bundle, *said.options(*names))


def verdicts(said: Said) -> None:
    chosen = _bundle(said)
    place = chosen.place
    own = [] if place is None or place.run is None else ["--dataset", place.run.source.argument]
    data = said.options("DATASET") or own
    said.run(
        "tests.studies", "verdicts", "--bundle", chosen.bundle, "--results", said.results, *data
    )


def seeds(said: Said) -> None:
    options = said.options("DATASET", "LINK", "DATA_DIR")
    said.run("tests.studies", "seeds", *options, "--results", said.results)
