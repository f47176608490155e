"""`latentlink collect`: pictures that a node kept are fetched, and sorted into folders that a
person labels by renaming them. Done again, it fetches and sorts what is new.
"""

import shlex
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from link.output import program, readable_output
from link.settings import host_folder

OUT = Path("to-label")
MOST_CLUSTERS = 200
ABOUT = (
    "Fetch the pictures that a node kept ([collect] of its node.toml), and sort them into folders "
    "of alike ones. Rename a folder to what it shows, and it is a class to train on."
)


def main() -> int:
    readable_output()
    parser = _parser()
    options = parser.parse_args()
    if not options.done and not options.place:
        parser.error("name a node's address or a folder of its pictures, or say --done")
    try:
        if not options.done:
            _fetch(options)
        _sort(options)
    except KeyboardInterrupt:
        print("broken off; the same command goes on from there", file=sys.stderr)
        return 130
    except ModuleNotFoundError:
        raise  # said by latentlink.commands
    except (import_module("device.flash.tools").FlashError, OSError, ImportError) as error:
        print(f"collect: {error}", file=sys.stderr)
        return 1
    return 0


def _fetch(options: Namespace) -> None:
    collect = import_module("device.flash.collect")
    place = collect.place_of(options.place, options.ssh_options)
    into = options.out / import_module("host_decoder.collect.sorting").COLLECTED
    fetched = collect.fetch(place, into, _show)
    print(f"{options.place}: {len(fetched.names)} pictures fetched, {fetched.n_known} were here")
    if fetched.n_torn:
        print(f"{fetched.n_torn} were torn by a power cut or a full card, and are left out")
    if options.remove:
        n_removed = collect.remove_fetched(place, into)
        print(f"{options.place}: {n_removed} pictures that are here are deleted there")


def _sort(options: Namespace) -> None:
    """Also says what there is now, and what is to do next."""
    sorting = import_module("host_decoder.collect.sorting")
    guesses = import_module("host_decoder.collect.guesses")
    pictures, _ = import_module("host_decoder.collect.gathered").gather(
        options.out / sorting.COLLECTED
    )
    host = (options.host_dir or host_folder.default_folder()).expanduser()
    bundles = [*options.bundle, *guesses.known_bundles(host)]

    def guess(some: Any) -> Any:
        return guesses.guesses(some, bundles)

    made = sorting.sort(options.out, pictures, guess, options.clusters)
    if made:
        print(f"sorted into {options.out}: {', '.join(map(str, made))}")
    folders = sorting.folders_of(options.out)
    if not folders:
        print("there is no picture yet: a node keeps what is news to it, [collect] in node.toml")
        return
    sheet = import_module("host_decoder.collect.contact_sheet")
    print(f"all on one page: {sheet.write_sheet(options.out, folders, pictures)}")
    _say_next(options.out, folders)


def _say_next(out: Path, folders: Sequence[Any]) -> None:
    classes = [one for one in folders if one.is_labelled]
    others = [one for one in folders if not one.is_labelled]
    if classes:
        print(f"labelled: {', '.join(map(str, classes))}")
    if others:
        print(
            f"without a label, and left out of training: {', '.join(map(str, others))}; rename "
            "each to what it shows, move the odd pictures, put folders of a kind into one another"
        )
    if len(classes) >= 2:
        print(f"then: make train DATASET={shlex.quote(str(out))}")


def _show(share: float) -> None:
    if sys.stderr.isatty():
        end = "\n" if share >= 1 else ""
        print(f"\r{100 * share:3.0f} %", end=end, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_CLUSTERS:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {MOST_CLUSTERS}")
    return int(text)


def _parser() -> program.Parser:
    parser = program.Parser(prog="latentlink collect", description=ABOUT)
    parser.add_argument(
        "place",
        nargs="?",
        metavar="PLACE",
        help=(
            "the node's address as ssh takes it, ADDRESS:/FOLDER where its state_dir is elsewhere; "
            "or a folder: the root of its card, or a copy of its state_dir"
        ),
    )
    parser.add_argument(
        "--done", action="store_true", help="fetch nothing: say what has labels, and what is next"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help="where the folders are (default: %(default)s)",
    )
    parser.add_argument(
        "--clusters",
        type=_count,
        metavar="N",
        help="of new pictures, at most (default: 10 of a hundred)",
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="names clusters by its labels, if it made the symbols; beside the host's own",
    )
    parser.add_argument(
        "--host-dir",
        type=Path,
        metavar="DIR",
        help=f"whose bundles are known (default: ~/{host_folder.NAME})",
    )
    parser.add_argument(
        "--remove", action="store_true", help="delete on the node what is here, whole"
    )
    parser.add_argument(
        "--ssh-options",
        type=shlex.split,
        default=[],
        metavar="WORDS",
        help="more options for ssh, in one argument",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
