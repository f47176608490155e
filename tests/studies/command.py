"""Command: what is typed to run a study, as its results keep it."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from link.bundle.bundle import Bundle
from link.output.results import FOLDER


class MistakeError(Exception):
    """What was asked for cannot be measured; the message says why."""


def command() -> str:
    """As a person would type it, without where this machine keeps its data."""
    words = [word for word in sys.argv[1:] if not word.startswith("--data-dir=")]
    if "--data-dir" in words:
        at = words.index("--data-dir")
        del words[at : at + 2]
    return shlex.join(["python", "-m", "tests.studies", *words])


def bundle_of_one(path: Path) -> Bundle:
    """A bundle with both sides; MistakeError where it is a team's, of which there is no encoder to
    be measured alone.
    """
    bundle = Bundle.load(path, "host")
    if bundle.team is not None:
        raise MistakeError(
            f"bundle {path} is for a team of nodes, and this study is of one; a team's are fog, "
            "fog_live and aarch64"
        )
    return bundle


def add_results(parser: argparse.ArgumentParser, default: Path = FOLDER) -> None:
    parser.add_argument(
        "--results",
        type=Path,
        default=default,
        metavar="DIR",
        help="folder of the result (default: %(default)s)",
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR", "data")))
