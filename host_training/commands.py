"""The command line of training: what was said, what the run is, and whether the two agree."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch

from host_training.data.catalogue import load, write_replay
from host_training.data.dataset import DataSet, DataSetError, with_corrupted_labels
from host_training.data.listing import Listing
from host_training.data.photo_choices import USUAL, PhotoChoices
from host_training.distributed.simulation import command_line
from host_training.memory import keep_freed
from host_training.models.backbone import WeightsError
from host_training.presets import PRESETS, recipe
from host_training.run import (
    CHANGES,
    DEFAULT_DATASET,
    REPLAY,
    RUN,
    RUNS,
    Run,
    RunError,
    Source,
    Wanted,
    data_folder,
    read_run,
    require_pictures,
    result_stage,
    sha256,
    write_run,
)
from host_training.training import checkpoint
from host_training.training.checkpoint import Checkpoint, CheckpointError, Provenance
from host_training.training.evaluation import class_accuracies
from host_training.training.recipe import SPLITS_BY, Recipe
from host_training.training.trainer import Trainer
from link.base import FolderLock, HeldError
from link.output import EXIT_CODE, program


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    keep_freed()
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print(
            "interrupted before it began; nothing is lost, the same command begins again",
            file=sys.stderr,
        )
        return EXIT_CODE
    except (
        CheckpointError,
        DataSetError,
        RunError,
        WeightsError,
        ValueError,
        FloatingPointError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = program.Parser(
        prog="python -m host_training",
        description="train an auto-encoder; write a split's images for a node to replay",
    )
    commands = top.add_subparsers(required=True)
    train = program.add_command(
        commands,
        "train",
        "train, or go on where the last run was interrupted",
        prog="python -m host_training train",
    )
    train.set_defaults(command=command_train)
    replay = program.add_command(
        commands,
        "replay",
        "write a split's images and labels as an .npz for a node to replay",
        prog="python -m host_training replay",
    )
    replay.set_defaults(command=command_replay)
    distributed = program.add_command(
        commands,
        "global",
        "learn a model on many simulated devices, or go on with it",
        prog="python -m host_training global",
    )
    distributed.set_defaults(command=command_global)
    command_line.add_options(distributed)
    distributed.add_argument(
        "--run", type=Path, help="folder of the run (default: runs/, named after data set)"
    )
    for command in (train, replay, distributed):
        command.add_argument(
            "--dataset",
            help=(
                "digits, cifar10, cifar100 or a folder of images per class (default: the run's, "
                "or digits)"
            ),
        )
        command.add_argument(
            "--data-dir", type=Path, help="default: DATA_DIR, else the run's, or data"
        )
        command.add_argument(
            "--image-size",
            type=int,
            help=(
                "side to which a folder's images are resized (default: the run's, or the preset's)"
            ),
        )
    train.add_argument(
        "--preset", choices=PRESETS, help="default: the run's, or the one made for the data set"
    )
    train.add_argument(
        "--run",
        type=Path,
        help="folder of the run (default: runs/, named after data set and preset)",
    )
    train.add_argument("--seed", type=int, help="of weights, batches and crops (default: 0)")
    train.add_argument(
        "--start-from",
        type=Path,
        metavar="CHECKPOINT",
        help="begin with the weights of another run",
    )
    train.add_argument(
        "--teacher", type=Path, metavar="CHECKPOINT", help="also learn the scores of a larger model"
    )
    train.add_argument("--ce-epochs", type=int, help="of cross-entropy (default: the preset's)")
    train.add_argument("--duphil-epochs", type=int, help="of DuPHiL (default: the preset's)")
    train.add_argument(
        "--rate",
        type=float,
        metavar="NATS",
        help=(
            "a last stage makes a bit of each image worth so much cross-entropy; with --start-from "
            "it is the only one (default: the preset's)"
        ),
    )
    train.add_argument(
        "--label-corruption",
        type=float,
        metavar="RATIO",
        help="draw this ratio of the training labels anew",
    )
    train.add_argument(
        "--corruption-seed", type=int, help="which labels, and which classes they get"
    )
    for command in (train, distributed):
        command.add_argument(
            "--split-by",
            choices=SPLITS_BY,
            help=(
                "how a folder's splits are drawn: no series of photos in two of them, or at random "
                "(default: series)"
            ),
        )
        command.add_argument(
            "--flip",
            type=yes_or_no,
            metavar="yes|no",
            help="mirror images left to right in training (default: by data set and class names)",
        )
        command.add_argument(
            "--rotation",
            dest="rotation_degrees",
            type=float,
            metavar="DEGREES",
            help="rotate them at most so far (default: the data set's)",
        )
        command.add_argument(
            "--crop",
            type=float,
            metavar="SHARE",
            help="crop them at random, to at least this share of the side (default: the preset's)",
        )
    train.add_argument("--threads", type=int, help="CPU threads (default: the preset's, else all)")
    train.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="cpu or cuda (default: cuda where there is one)",
    )
    replay.add_argument("--run", type=Path, help="of which run: its data set, as it was trained on")
    replay.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="test",
        help="of the images (default: test)",
    )
    replay.add_argument("--limit", type=int, help="only so many of them")
    replay.add_argument("--out", type=Path, help=f"default: {REPLAY} in the run's folder")
    return top


def yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"it is yes or no, not {text!r}")
    return text == "yes"


def command_train(options: argparse.Namespace) -> int:
    wanted = Wanted(**{each.name: getattr(options, each.name) for each in fields(Wanted)})
    run_dir = options.run or Source.of(wanted.dataset or DEFAULT_DATASET).run_dir(wanted.preset)
    with held(run_dir):
        run = trained(wanted, run_dir, options)
        if run is None:
            print(
                (
                    f"interrupted; everything so far is in {run_dir}, the same command goes on "
                    "from there"
                ),
                file=sys.stderr,
            )
            return EXIT_CODE
        best = Checkpoint.read(run_dir / f"{run.stage}.pt")
    print(
        json.dumps(
            {
                "run": str(run_dir),
                "stage": best.stage,
                "epoch": best.epoch,
                "validation": asdict(best.validation),
            }
        )
    )
    return 0


def trained(wanted: Wanted, run_dir: Path, options: argparse.Namespace) -> Run | None:
    """The finished run of that folder, begun or gone on with here; None when it was interrupted."""
    known = read_run(run_dir)
    if known is None:
        wanted = with_what_a_checkpoint_says(wanted, run_dir)
        source = Source.of(wanted.dataset or DEFAULT_DATASET)
        source.check_preset(wanted.preset or source.preset)
        for sentence in missing_weights(wanted, source):
            print(sentence, file=sys.stderr)
    else:
        wanted.require(known, run_dir)
        source = require_pictures(known, run_dir, wanted.dataset)
        if known.is_finished and not (run_dir / f"{known.stage}.pt").is_file():
            raise RunError(
                f"{run_dir} has lost its {known.stage}.pt; delete that folder and train again"
            )
        if known.is_finished:
            return known
    pictures = Listing.of(source.folder) if known is None and source.folder is not None else None
    data, run = prepare(source, wanted, known, options.data_dir)
    with noted_interruptions() as interrupted:
        trainer = make_trainer(data, run, run_dir, options)
        trainer.resume()
        if known is None:
            (run_dir / REPLAY).unlink(missing_ok=True)  # of whatever was here before
            write_run(run, run_dir, pictures)
        trainer.train(until=lambda: bool(interrupted))
        if not trainer.is_finished:
            return None
    best = Checkpoint.read(run_dir / f"{run.stage}.pt", options.device)
    by_class = class_accuracies(best.model, data.validation, data.classes, options.device)
    print(f"validation: {by_class.describe()}", file=sys.stderr)
    if data.siblings is not None:
        aside = class_accuracies(best.model, data.siblings, data.classes, options.device)
        print(
            f"kept aside: {aside.accuracy:.2%} of {aside.n_images:,} photos of series that were "
            "trained on; validation and test are of others, and harder",
            file=sys.stderr,
        )
    run = replace(run, is_finished=True)
    write_run(run, run_dir, None)
    return run


def missing_weights(wanted: Wanted, source: Source) -> Iterator[str]:
    """What a new run's preset builds on and nobody named, a sentence for each."""
    name = wanted.preset or source.preset
    for kind, purpose in (("teacher", "learn from"), ("start_from", "begin with")):
        other = getattr(PRESETS[name], kind)
        if other is not None and getattr(wanted, kind) is None:
            checkpoint = source.run_dir(other) / "ce.pt"
            yield (
                f"{name} was measured with a run of {other} to {purpose} "
                f"({kind.upper()}={checkpoint}); without it, it reaches less"
            )


@contextmanager
def noted_interruptions() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM are only put into the list, so that an update is finished and saved."""
    numbers: list[int] = []
    noted = (signal.SIGINT, signal.SIGTERM)
    before = [
        signal.signal(number, lambda number, frame: numbers.append(number)) for number in noted
    ]
    try:
        yield numbers
    finally:
        for number, handler in zip(noted, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def held(run_dir: Path) -> Iterator[None]:
    """The folder for this process alone; one that is made for it and stays empty goes again."""
    is_new = not run_dir.exists()
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FolderLock(run_dir):
            yield
    except HeldError:
        raise RunError(
            f"another process is training in {run_dir}; wait for it, or train into another folder "
            "(RUN=…)"
        ) from None
    finally:
        if is_new:
            with suppress(OSError):  # not empty
                run_dir.rmdir()


def with_what_a_checkpoint_says(wanted: Wanted, run_dir: Path) -> Wanted:
    """Also what is not said of a run from the time when there was no run.json; that it is one, is
    told.
    """
    last = run_dir / "last.pt"
    if not last.exists():
        return wanted
    origin = Provenance.from_dict(checkpoint.load(last))
    preset, changes = preset_of(origin.recipe)
    print(
        f"{run_dir} has no {RUN}, as an earlier version wrote none; its checkpoint says: data set "
        f"{origin.data_set}, preset {preset or 'unknown'}. It goes on as what it is, and then says "
        "so itself",
        file=sys.stderr,
    )
    drawn = {"split_by": origin.recipe.split_by}
    said = {"dataset": origin.data_set, "preset": preset, **drawn, **changes}
    return replace(
        wanted, **{name: value for name, value in said.items() if getattr(wanted, name) is None}
    )


def preset_of(saved: Recipe) -> tuple[str | None, dict[str, Any]]:
    """The preset of a checkpoint's recipe, and what was told otherwise; batch and learning rate
    follow the images.
    """
    for name, preset in PRESETS.items():
        changes = {
            key: value
            for key, value in vars(saved).items()
            if value != getattr(preset.recipe, key) and key not in ("batch_size", "learning_rate")
        }
        if changes.keys() <= set(CHANGES):
            return name, changes
    return None, {}


def prepare(
    source: Source, wanted: Wanted, known: Run | None, data_dir: Path | None
) -> tuple[DataSet, Run]:
    """The images, and the run that learns them; `known` is the one that goes on."""
    data_dir = data_folder(data_dir, known)
    preset = wanted.preset or source.preset if known is None else known.preset
    image_size = (
        known.image_size
        if known is not None and known.image_size
        else wanted.image_size or PRESETS[preset].image_size
    )
    usual = {} if source.folder is None else {"split_by": USUAL.split_by}
    changes = usual | wanted.changes if known is None else known.changes
    chosen = recipe(preset, **changes)
    data = load(source.argument, data_dir, image_size, PhotoChoices.of(chosen))
    if chosen.label_corruption:
        data = with_corrupted_labels(data, chosen.label_corruption, chosen.corruption_seed)
    n_images = sum(map(len, data.splits))
    if known is not None:
        if known.data_sha256 != data.sha256:
            raise RunError(
                f"{known.describe()}: the images or labels are others now ({n_images} images); "
                "train into another folder (RUN=…)"
            )
        return replace(data, name=known.data_set), known
    start_from, start_from_sha256 = builds_on(wanted.start_from)
    teacher, teacher_sha256 = builds_on(wanted.teacher)
    return data, Run(
        data_set=source.name,
        folder=None if source.folder is None else str(source.folder),
        data_dir=str(data_dir.resolve()) if source.folder is None else None,
        image_size=None if source.folder is None else image_size,
        n_images=n_images,
        data_sha256=data.sha256,
        preset=preset,
        changes=changes,
        stage=result_stage(preset, chosen),
        start_from=start_from,
        start_from_sha256=start_from_sha256,
        teacher=teacher,
        teacher_sha256=teacher_sha256,
    )


def builds_on(path: Path | None) -> tuple[str | None, str | None]:
    """A checkpoint that a run begins with or learns from: its path, absolute, and its SHA-256."""
    return (None, None) if path is None else (str(path.resolve()), sha256(path))


def make_trainer(data: DataSet, run: Run, run_dir: Path, options: argparse.Namespace) -> Trainer:
    chosen = recipe(run.preset, **run.changes)
    if threads := options.threads or chosen.cpu_threads:
        torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    start_from, teacher = (
        None if path is None else Path(path)
        for path in (options.start_from or run.start_from, options.teacher or run.teacher)
    )
    return Trainer(data, chosen, run_dir, torch.device(options.device), start_from, teacher)


def command_global(options: argparse.Namespace) -> int:
    source = Source.of(options.dataset or DEFAULT_DATASET)
    kind = "central" if options.central else "global"
    run_dir = options.run or RUNS / f"{source.key}-{kind}"
    preset = options.preset or command_line.usual_preset(source.name)
    source.check_preset(preset)
    if PRESETS[preset].recipe.model.backbone is not None:
        raise RunError(
            f"preset '{preset}' starts from a pretrained backbone, which no device learns; take "
            "another, such as narrow-5"
        )
    with held(run_dir):
        epochs = max(1, round(command_line.epochs_of(options)))
        wanted = Wanted(
            options.dataset,
            preset,
            options.image_size,
            seed=options.seed or 0,
            split_by=options.split_by,
            flip=options.flip,
            rotation_degrees=options.rotation_degrees,
            crop=options.crop,
            ce_epochs=0 if options.start_from else epochs,
            duphil_epochs=epochs if options.start_from else 0,
            start_from=options.start_from,
        )
        known = read_run(run_dir)
        if known is not None:
            wanted.require(known, run_dir)
        data, run = prepare(source, wanted, known, options.data_dir)
        with noted_interruptions() as interrupted:
            is_done = command_line.learn(data, preset, options, run_dir, lambda: bool(interrupted))
        if not is_done:
            print(f"interrupted; the same command goes on in {run_dir}", file=sys.stderr)
            return EXIT_CODE
        pictures = Listing.of(source.folder) if source.folder is not None else None
        write_run(replace(run, is_finished=True), run_dir, pictures)
        best = Checkpoint.read(run_dir / f"{run.stage}.pt")
    print(json.dumps({"run": str(run_dir), "validation": asdict(best.validation)}))
    return 0


def command_replay(options: argparse.Namespace) -> int:
    if options.run is None and options.out is None:
        raise RunError("say where the images go: --out FILE.npz, or --run FOLDER")
    known = None if options.run is None else read_run(options.run)
    if options.run is not None and known is None:
        raise RunError(f"{options.run} is no run: it has no {RUN}; `make train` makes one")
    if known is None:
        source = Source.of(options.dataset or DEFAULT_DATASET)
    else:
        wanted = Wanted(dataset=options.dataset, image_size=options.image_size)
        wanted.require(known, options.run)
        source = require_pictures(known, options.run, options.dataset)
    data, _ = prepare(source, Wanted(image_size=options.image_size), known, options.data_dir)
    out = options.out or options.run / REPLAY
    write_replay(getattr(data, options.split), data.classes, out, options.limit)
    return 0
