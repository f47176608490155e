"""`python -m export`: turn a checkpoint into a bundle, and measure it on the test split.

`python -m export calibrate --bundle DIR` fits the confidence of a bundle that is there, on the validation split.
`python -m export decoder --bundle DIR --task NAME` adds another decoder to its host side.
`python -m export turn --bundle DIR --out NEW` turns its latents by importance: the same accuracy from fewer bytes.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from export import ExportError
from export.calibration import calibrate
from export.decoder import Request, add_decoder
from export.fold import VIEWS
from export.pipeline import export
from export.settings import ORDERS, Settings
from export.tasks import TASKS
from export.turn import Turning, turn
from host_training.checkpoint import CheckpointError
from host_training.dataset import DataSetError, load
from link.bundle import Bundle
from link.results import FOLDER, write_result
from link.terminal import readable_output


def main(arguments: list[str] | None = None) -> int:
    readable_output()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["calibrate"]:
            run_calibration(calibration_parser().parse_args(arguments[1:]))
        elif arguments[:1] == ["decoder"]:
            run_decoder(vars(decoder_parser().parse_args(arguments[1:])))
        elif arguments[:1] == ["turn"]:
            run_turn(vars(turn_parser().parse_args(arguments[1:])))
        else:
            run_export(vars(parser().parse_args(arguments)))
    except KeyboardInterrupt:
        print("interrupted; what was there before is as it was", file=sys.stderr)
        return 130
    except (ExportError, CheckpointError, DataSetError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run_calibration(options: argparse.Namespace) -> None:
    bundle = Bundle.load(options.bundle, "host")
    data = load(options.dataset or bundle.data_set, options.data_dir, image_size=bundle.image.height)
    calibrated, fitted = calibrate(options.bundle, data, options.threads)
    print(f"calibrate {fitted.describe()}\nbundle    {calibrated.id.hex()} in {options.bundle}, the same id as before")


def run_decoder(options: dict[str, Any]) -> None:
    bundle, name, figures = add_decoder(Request(**options))
    measured = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
    print(f"decoder   {name}: {measured} on the test split")
    print(f"bundle    {bundle.id.hex()} in {bundle.path}, the same id as before; no node need know")


def run_turn(options: dict[str, Any]) -> None:
    results_folder = options.pop("results")
    settings = Turning(**options)
    written, figures = turn(settings, partial(print, flush=True))
    study = f"turn-{written.data_set}-{written.provenance['preset']}-{settings.coarseness:g}"
    extra = {"bundle_id": written.id.hex()}
    path = write_result(
        study, figures, command=settings.command, seeds=[settings.seed], extra=extra, folder=results_folder
    )
    print(f"report    {settings.out / 'report.md'}, {path}")


def run_export(options: dict[str, Any]) -> None:
    results_folder = options.pop("results")
    settings = Settings(**options)
    written, report = export(settings, partial(print, flush=True))
    path = write_result(
        report.study,
        report.figures(),
        command=settings.command,
        seeds=[report.provenance["seed"]],
        extra={
            "bundle_id": written.id.hex(),
            "tables": [candidate.to_dict() for candidate in report.tables.candidates],
        },
        folder=results_folder,
    )
    print(f"report    {settings.out / 'report.md'}, {path}")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = top.add_argument
    add("--checkpoint", type=Path, required=True, help="runs/…/duphil.pt or ce.pt")
    add("--out", type=Path, required=True, help="folder of the bundle; a bundle that is there is replaced at the end")
    add("--latents", type=int, metavar="N", help="send only the N most useful latents (default: all)")
    add("--order", choices=ORDERS, default=ORDERS[0], help="what useful means (default: %(default)s)")
    add("--coarseness", type=float, default=1.0, metavar="C", help="with --order importance: above 1 for fewer bits")
    add("--views", type=int, choices=VIEWS, default=1, help="also look at mirrored and moved images, and send the mean")
    add_data_options(top, "the name in the checkpoint")
    add(
        "--components",
        type=numbers,
        default=Settings.components,
        metavar="K,K,…",
        help="numbers of latent classes to try in the entropy model (default: %(default)s)",
    )
    add(
        "--max-drop-points",
        type=float,
        default=Settings.max_drop_points,
        help="percentage points that int8 may cost on the test split (default: %(default)s)",
    )
    add("--results", type=Path, default=FOLDER, metavar="DIR", help="where the figures go (default: %(default)s)")
    return top


def calibration_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m export calibrate",
        description="Fit the confidence of a bundle's decoder on the validation split and write it into its manifest.",
    )
    top.add_argument("--bundle", type=Path, required=True, help="folder of the bundle; it keeps its id")
    add_data_options(top, "the name in the bundle")
    return top


def decoder_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m export decoder",
        description="Train another decoder on the symbols of a bundle's encoder and add it to the bundle's host side.",
    )
    add = top.add_argument
    add("--bundle", type=Path, required=True, help="folder of the bundle; it keeps its id")
    add("--task", required=True, help=", ".join(TASKS))
    add("--name", default="", help="what the bundle calls it (default: after the task)")
    add("--loss", default=Request.loss, help="of a task with classes: ce, kl (as the bundle's own decoder says), svm")
    add("--examples", default="", help="of a new class: a folder of images, or DATASET:CLASS such as cifar100:bicycle")
    add("--shots", type=int, default=Request.shots, metavar="K", help="how many of them (default: %(default)s)")
    add("--seed", type=int, default=Request.seed)
    add_data_options(top, "the name in the bundle")
    return top


def turn_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m export turn",
        description="Turn the latents of a finished bundle by importance; its encoder is not trained again.",
    )
    add = top.add_argument
    add("--bundle", type=Path, required=True, help="folder of the bundle; it stays as it is")
    add("--out", type=Path, required=True, help="folder of the turned bundle, which has an id of its own")
    add("--coarseness", type=float, default=Turning.coarseness, metavar="C", help="above 1 for fewer bits")
    add("--components", type=numbers, default=Turning.components, metavar="K,K,…")
    add("--seed", type=int, default=Turning.seed)
    add("--results", type=Path, default=FOLDER, metavar="DIR", help="where the figures go (default: %(default)s)")
    add_data_options(top, "the name in the bundle")
    return top


def add_data_options(top: argparse.ArgumentParser, default_name: str) -> None:
    top.add_argument("--dataset", help=f"name or folder of the data set (default: {default_name})")
    top.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR", "data")))
    top.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count(),
        help="threads that run the int8 encoder (default: all)",
    )


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
