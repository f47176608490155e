"""Options of `latentlink teach`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from link.bundle import copies


def add_arguments(parser: argparse.ArgumentParser, place: Callable[[str], Path | str]) -> None:
    """`place`: how a store is written on a command line."""
    add = parser.add_argument
    add(
        "--bundle",
        type=Path,
        required=True,
        metavar="DIR",
        help="whose symbols are learned from; models/universal is made for that",
    )
    add("--name", required=True, metavar="NAME", help="of the question: a-z, 0-9 and '-'")
    add("--folder", type=Path, metavar="DIR", help="photos, a folder for each class")
    add("--store", type=place, metavar="FILE|DSN", help="of a host: learn from what nodes sent")
    add(
        "--label",
        action="append",
        default=[],
        metavar="LABEL=WHICH",
        help="which stored images show what: NODE:IMAGE, NODE:FIRST-LAST or FROM..TO; again for "
        "each",
    )
    add("--csv", type=Path, metavar="FILE", help="the same: node,image,label or from,to,label")
    add("--page", action="store_true", help="also by labels that were given on the page")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="teach a copy there (default: the bundle, or of one that came with the programs "
        f"{copies.COPIES}/NAME)",
    )
    add("--seed", type=int, default=0, help="of what is left out of learning in turn")
