"""`python -m host_training train|replay`: train an auto-encoder; write a split's images for a node to replay."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

import torch

from host_training.checkpoint import CheckpointError
from host_training.dataset import DataSetError, load, with_corrupted_labels, write_replay
from host_training.evaluation import class_accuracies
from host_training.presets import DEFAULT_PRESETS, PRESETS, recipe
from host_training.training import Trainer, load_model
from link.terminal import readable_output


def main(arguments: list[str] | None = None) -> int:
    readable_output()
    options = parser().parse_args(arguments)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("interrupted before anything was begun; the same command begins again", file=sys.stderr)
        return 130
    except (CheckpointError, DataSetError, ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m host_training", description=__doc__)
    commands = top.add_subparsers(required=True)
    train = commands.add_parser("train", help="train, or go on where the last run was interrupted")
    train.set_defaults(command=command_train)
    replay = commands.add_parser("replay", help="write a split's images and labels as an .npz for a node to replay")
    replay.set_defaults(command=command_replay)
    for command in (train, replay):
        command.add_argument(
            "--dataset", default="digits", help="digits, cifar10, cifar100 or a folder of images per class"
        )
        command.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR", "data")))
        command.add_argument(
            "--image-size", type=int, default=64, help="side to which a folder's images are resized (default 64)"
        )
    train.add_argument("--preset", choices=PRESETS, help="default: the one made for the data set")
    train.add_argument("--run", type=Path, help="folder of the run (default runs/DATASET-PRESET)")
    train.add_argument("--seed", type=int)
    train.add_argument("--start-from", type=Path, metavar="CHECKPOINT", help="begin with the weights of another run")
    train.add_argument("--teacher", type=Path, metavar="CHECKPOINT", help="also learn the scores of a larger model")
    train.add_argument("--ce-epochs", type=int)
    train.add_argument("--duphil-epochs", type=int)
    train.add_argument(
        "--label-corruption", type=float, metavar="RATIO", help="draw this ratio of the training labels anew"
    )
    train.add_argument("--corruption-seed", type=int)
    train.add_argument("--threads", type=int, help="CPU threads (default: the preset's, else all)")
    train.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    replay.add_argument("--split", choices=("train", "validation", "test"), default="test")
    replay.add_argument("--limit", type=int)
    replay.add_argument("--out", type=Path, required=True)
    return top


def command_train(options: argparse.Namespace) -> int:
    preset = options.preset or DEFAULT_PRESETS.get(options.dataset, "photo-32")
    chosen = recipe(
        preset, seed=options.seed, ce_epochs=options.ce_epochs, duphil_epochs=options.duphil_epochs,
        label_corruption=options.label_corruption, corruption_seed=options.corruption_seed,
    )  # fmt: skip
    data = load(options.dataset, options.data_dir, options.image_size)
    if chosen.label_corruption:
        data = with_corrupted_labels(data, chosen.label_corruption, chosen.corruption_seed)
    if threads := options.threads or chosen.cpu_threads:
        torch.set_num_threads(threads)
    run_dir = options.run or Path("runs") / f"{data.name}-{preset}"
    trainer = Trainer(data, chosen, run_dir, torch.device(options.device), options.start_from, options.teacher)
    interrupted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: interrupted.append(number))
    trainer.train(until=lambda: bool(interrupted))
    if not trainer.is_finished:
        print(f"interrupted; everything so far is in {run_dir}, the same command goes on from there", file=sys.stderr)
        return 130
    model, best = load_model(run_dir / ("duphil.pt" if chosen.duphil_epochs else "ce.pt"), options.device)
    by_class = class_accuracies(model, data.validation, data.classes, options.device)
    print(f"validation: {by_class.describe()}", file=sys.stderr)
    print(
        json.dumps(
            {"run": str(run_dir), "stage": best["stage"], "epoch": best["epoch"], "validation": best["validation"]}
        )
    )
    return 0


def command_replay(options: argparse.Namespace) -> int:
    data = load(options.dataset, options.data_dir, options.image_size)
    write_replay(getattr(data, options.split), data.classes, options.out, options.limit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
