"""Arguments: what each command of the host may be given."""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from host_decoder.teach.options import add_arguments
from host_decoder.view.moment import parse_moment
from link.output import program, results
from link.settings import host_folder

DIGITS = Path(__file__).parent / "live" / "digits"
"A released bundle with its test images; in a checkout models/digits."
Run = Callable[[argparse.Namespace, float], int]
"What does a command; given when it began, too."


def make_parser(description: str, runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """`runs`: what does each command, by its name."""
    parser = program.Parser(prog="python -m host_decoder", description=description)
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        prog = f"python -m host_decoder {name}"
        added = program.add_command(commands, name, text, prog=prog)
        added.set_defaults(run=runs[name])
        return added

    listen = command(
        "listen",
        "receive, classify and store what comes from a port; JSON lines, or --view",
    )
    listen.add_argument(
        "config",
        type=Path,
        nargs="*",
        metavar="host.toml",
        help=(
            f"or the folder with it (default ~/{host_folder.NAME}); docs/host.md lists its keys; "
            "of a fleet's worker, that of each site"
        ),
    )
    listen.add_argument(
        "--view",
        action="store_true",
        help="the live view (plain lines without a terminal) instead of JSON lines",
    )
    listen.add_argument(
        "--count",
        type=_positive(int),
        metavar="N",
        help="end after N images of which no further chunk is wanted",
    )
    listen.add_argument(
        "--idle-timeout",
        type=_positive(float),
        metavar="S",
        help="end after S seconds without a packet",
    )

    listen.add_argument(
        "--role",
        choices=("host", "web"),
        default="host",
        help="web: only the page, of a fleet's database, without any key (default: host)",
    )
    listen.add_argument(
        "--web",
        action="store_true",
        help="a page for a browser at this machine too; [web] of host.toml says more of it",
    )

    live = command(
        "live",
        "an emulated line, a node or a team, and this host: classify a replay file and measure",
    )
    live.add_argument(
        "--bundle",
        type=Path,
        default=DIGITS,
        metavar="DIR",
        help="that both ends have (default: digits, which came with the programs)",
    )
    live.add_argument(
        "--replay",
        type=Path,
        metavar="FILE.npz",
        help="images uint8 (N,H,W,C), labels, classes (default: the bundle's, or its run's)",
    )
    live.add_argument(
        "--link", default="lora-sf7", metavar="PROFILE", help="a name of `python -m link profiles`"
    )
    live.add_argument(
        "--loss",
        default="none",
        help="of frames (radio) or bytes (serial): none, mild, mid, edge, 0.1, ge:p,r",
    )
    live.add_argument(
        "--bit-errors", type=float, default=0.0, metavar="RATE", help="share of flipped bits"
    )
    live.add_argument(
        "--images",
        type=_positive(int),
        metavar="N",
        help="only N of the replay file, drawn by the seed",
    )
    live.add_argument(
        "--interval",
        dest="interval_s",
        type=float,
        default=0.0,
        metavar="S",
        help="at least S seconds from one capture to the next",
    )
    live.add_argument(
        "--seed", type=_seed, default=0, help="of losses, bit errors and drawn images"
    )
    live.add_argument(
        "--downlink",
        dest="has_downlink",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the host answers (default), or not",
    )
    live.add_argument(
        "--verdict",
        type=_confidence,
        metavar="C",
        help=(
            "calibrated confidence, such as 0.95, at which the host wants no further chunk of an "
            "image"
        ),
    )
    live.add_argument(
        "--first-chunk-bytes",
        type=_positive(int),
        metavar="N",
        help="of a bitstream in its first packet (else all)",
    )
    live.add_argument(
        "--chunk-bytes",
        type=_positive(int),
        metavar="N",
        help="of a bitstream in each later packet",
    )
    live.add_argument(
        "--fog",
        type=_positive(int),
        metavar="N",
        help="members of the team that the bundle is cut for (else as it says)",
    )
    live.add_argument(
        "--kill",
        type=_positive(int),
        default=0,
        metavar="K",
        help="kill K members at a time, drawn by the seed, and start them again, over and over",
    )
    live.add_argument("--plain", action="store_true", help="plain lines even in a terminal")
    live.add_argument(
        "--dataset", metavar="NAME", help="for the results file's name (else as the bundle says)"
    )
    live.add_argument(
        "--results",
        type=Path,
        default=results.OWN,
        metavar="DIR",
        help="of figures (default: %(default)s)",
    )
    live.add_argument(
        "--store",
        type=Path,
        metavar="FILE.sqlite",
        help="keep what is received (else it goes with the run)",
    )

    begin = command("init", "make a host folder that is ready for nodes")
    _add_folder(begin)
    begin.add_argument(
        "--link",
        required=True,
        metavar="PROFILE",
        help="the line, as the nodes have it: a name of `latentlink link profiles`",
    )
    begin.add_argument("--port", help="of the modem (default: the only one that is plugged in)")
    begin.add_argument("--region", help="whose rules the host's radio keeps, such as eu868")
    begin.add_argument("--frequency-hz", type=_positive(int), metavar="N", help="of the nodes")

    unit = command("unit", "print the systemd unit of a host folder")
    _add_folder(unit)

    retire = command("retire", "take a node out: its key is never believed again")
    retire.add_argument("node", type=_positive(int), metavar="N", help="its number")
    _add_folder(retire)

    alerts = command("alerts", "which alerts are raised")
    _add_folder(alerts)
    alerts.add_argument("--json", action="store_true", help="for programs: a line for each")

    add_arguments(
        command("teach", "learn a new question from examples, and ask it of all that is stored"),
        _place,
    )

    decode = command(
        "decode", "decode stored packets again with a bundle's present decoder; JSON lines"
    )
    decode.add_argument(
        "store", type=_place, metavar="STORE.sqlite", help="of a host; or a server's address"
    )
    decode.add_argument(
        "--bundle", type=Path, required=True, metavar="DIR", help="that the images were made with"
    )
    decode.add_argument(
        "--task", default="label", metavar="NAME", help="one of the bundle's tasks (default: label)"
    )
    decode.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="write what a thumbnail task decodes there, as PNG files",
    )

    decode.add_argument(
        "--since",
        type=_moment,
        default=0.0,
        metavar="WHEN",
        help=(
            "only images that came since then: 90m, 2h or 3d ago, a date such as 2026-11-30, or a "
            "date and time"
        ),
    )
    decode.add_argument(
        "--csv", action="store_true", help="lines for a spreadsheet instead of JSON"
    )
    decode.add_argument(
        "--keep", action="store_true", help="write it into the store, beside what was told"
    )
    decode.add_argument(
        "--show", action="store_true", help="show what was kept, for all that came until now"
    )
    decode.add_argument("--as-told", action="store_true", help="show what was told at first again")

    token = command("token", "let somebody see the page: makes a token; none: lists whose")
    token.add_argument("name", nargs="?", metavar="NAME", help="of a person or a program")
    token.add_argument(
        "--role",
        choices=("viewer", "operator", "admin"),
        default="viewer",
        help="sees; labels images too; or runs jobs and reads the audit too (default: viewer)",
    )
    token.add_argument("--days", type=_positive(float), metavar="N", help="until it ends")
    token.add_argument("--revoke", action="store_true", help="take that token back")
    token.add_argument(
        "--folder",
        type=Path,
        default=host_folder.default_folder(),
        metavar="FOLDER",
        help=f"the host folder (default ~/{host_folder.NAME})",
    )

    stats = command("stats", "what a store holds")
    stats.add_argument(
        "store", type=_place, metavar="STORE.sqlite", help="of a host; or a server's address"
    )
    stats.add_argument("--json", action="store_true", help="for programs")
    return parser


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=host_folder.default_folder(),
        metavar="FOLDER",
        help=f"the host folder (default ~/{host_folder.NAME})",
    )


def _place(text: str) -> Path | str:
    from host_decoder.store.database.settings import is_server

    return text if is_server(text) else Path(text)


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:  # nor is "not a number"
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return parse


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _moment(text: str) -> float:
    try:
        return parse_moment(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _confidence(text: str) -> float:
    value = _positive(float)(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text} is above 1")
    return float(value)
