"""`python -m export`: turn a checkpoint into a bundle, and measure it on the test split."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from export import ExportError
from export.pipeline import export
from export.settings import Settings
from host_training.checkpoint import CheckpointError
from host_training.dataset import DataSetError
from link.results import FOLDER, write_result


def main(arguments: list[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    results_folder = options.pop("results")
    try:
        settings = Settings(**options)
        written, report = export(settings, partial(print, flush=True))
    except (ExportError, CheckpointError, DataSetError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
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
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    add = top.add_argument
    add("--checkpoint", type=Path, required=True, help="runs/…/duphil.pt or ce.pt")
    add("--out", type=Path, required=True, help="folder of the bundle; a bundle that is there is replaced at the end")
    add("--latents", type=int, metavar="N", help="send only the N most discriminative latents (default: all)")
    add("--dataset", help="name or folder of the data set (default: the name in the checkpoint)")
    add("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR", "data")))
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
    add(
        "--threads",
        type=int,
        default=os.cpu_count(),
        help="threads that run the int8 encoder (default: all)",
    )
    add("--results", type=Path, default=FOLDER, metavar="DIR", help="where the figures go (default: %(default)s)")
    return top


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
