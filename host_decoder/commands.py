"""Listen at a port, classify live over an emulated line, decode again what is stored."""

import argparse
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from host_decoder.errors import HostError
from host_decoder.teach.options import add_arguments
from host_decoder.view.moment import parse_moment
from link.bundle import BundleError
from link.output import forget_output, program, results
from link.security import KeyStateError
from link.settings import host_folder

if TYPE_CHECKING:
    from host_decoder.config import HostConfig
    from host_decoder.web.feed import Page
    from link.bundle import Bundle

# Each command imports what it needs: --help and stats do not wait for ONNX Runtime.

DIGITS = Path(__file__).parent / "live" / "digits"
"A released bundle with its test images; in a checkout models/digits."
REPLAY = "replay.npz"
END_PATIENCE_S = 0.9
"How long a host that was told to end may take to end in order."


def main(argv: list[str] | None = None) -> int:
    started_s = time.monotonic()
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv, argparse.Namespace(argv=argv))
    try:
        return arguments.run(arguments, started_s)
    except KeyboardInterrupt:  # before or after the part that ends in order
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever read our lines has had enough
        forget_output()
        return 0
    except (HostError, BundleError, KeyStateError, OSError) as error:
        _say(str(error))
        return 1


def _listen(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.config import read_config
    from host_decoder.interruption import Interruption
    from host_decoder.outputs.outputs import Outputs
    from host_decoder.receive.listener import Listener
    from host_decoder.receive.orders import Orders
    from link.output import Notifier, open_outlets

    os.umask(0o077)  # what a host writes is its owner's alone
    if arguments.role == "web":
        return _page_alone(arguments)
    places = arguments.config or [host_folder.default_folder()]
    configs = [read_config(path, arguments.web) for path in places]
    if len(configs) > 1 or configs[0].fleet is not None:
        return _work(configs)
    [config] = configs
    with (
        Interruption(END_PATIENCE_S) as interruption,
        open_outlets("host_decoder"),
        Outputs(config) as outputs,
    ):
        orders = Orders()
        pages = _pages(config, arguments, outputs.mute, orders.put)
        listener = Listener(
            config,
            interruption,
            arguments.count,
            arguments.idle_timeout,
            Notifier(),
            onlookers=[
                *(page.tell for page in pages),
                *([outputs.look] if outputs.is_needed else ()),
            ],
            companions=[page.running for page in pages],
            asides=outputs.notices,
            orders=orders,
        )
        if arguments.view:
            listener.show(Console())
        else:
            listener.print_lines(_print_json, _say)
    return 0


def _work(configs: "list[HostConfig]") -> int:
    from host_decoder.fleet.program import work
    from host_decoder.interruption import Interruption
    from link.output import Notifier, open_outlets

    with Interruption() as interruption, open_outlets("host_decoder"):
        work(configs, interruption, _print_json, _say, Notifier())
    return 0


def _page_alone(arguments: argparse.Namespace) -> int:
    from host_decoder.fleet.page import show
    from host_decoder.interruption import Interruption

    if len(arguments.config) > 1:
        raise HostError("a page shows all sites of a store; name one folder, with its [web]")
    [path] = arguments.config or [host_folder.default_folder()]
    with Interruption() as interruption:
        show(path, interruption, _say)
    return 0


def _pages(
    config: "HostConfig",
    arguments: argparse.Namespace,
    mute: "Callable[[int, float], None]",
    order: "Callable[[int, str], None]",
) -> "list[Page]":
    """What is to be seen in a browser, if anything is; the sentence where is said."""
    from host_decoder.web.config import WebConfig
    from host_decoder.web.feed import Page, of_config

    web = config.web or (WebConfig() if arguments.web else None)
    if web is None:
        return []
    page: Page = of_config(web, config, config.path.parent, _say, mute, order)
    _say(f"the page is at {page.url}")
    return [page]


def _token(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.web.door import NAME, Door

    door = Door(host_folder.host_toml(arguments.folder).parent / NAME)
    if arguments.name is None:
        _print_json({"tokens": door.tokens()})
    elif arguments.revoke:
        door.revoke(arguments.name)
        _say(f"the token of {arguments.name} lets nobody in any more")
        if not door.has_tokens():
            _say("there is no token now: whoever is at this machine may do everything at its page")
    else:
        print(door.add_token(arguments.name, arguments.role, arguments.days))
        _say(
            f"this lets {arguments.name} in as {arguments.role}; it stands nowhere else, so give "
            "it to them now"
        )
    return 0


def _live(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.interruption import Interruption
    from host_decoder.live.options import LiveOptions
    from host_decoder.live.report import write_live_result
    from host_decoder.live.run import LiveRun
    from host_decoder.view.statistics_view import link_tables
    from host_decoder.view.summary import summary
    from host_decoder.view.terminal import make_screen

    own = arguments.bundle / REPLAY
    beside = arguments.bundle.resolve().parent / REPLAY
    arguments.replay = arguments.replay or (own if own.is_file() else beside)
    options = LiveOptions(**{one.name: getattr(arguments, one.name) for one in fields(LiveOptions)})
    console = Console()
    with Interruption() as interruption:
        run = LiveRun(options, started_s, interruption)
        with make_screen(run.title, console, is_plain=arguments.plain) as screen:
            outcome = run.run(screen)
        console.print(
            summary(run.title, outcome.tally, outcome.first_label_s, is_interrupted=interruption())
        )
        console.print(*link_tables([outcome.link]))
        if interruption():
            _say(f"ended by {interruption.name}; no results file is written")
            return interruption.exit_code
        if not outcome.tally.n_answered:
            _say(
                f"none of {outcome.tally.n_captured} images came through the line, which says: "
                f"{outcome.line}"
            )
            return 1
        command = shlex.join(["python", "-m", "host_decoder", *arguments.argv])
        dataset = arguments.dataset or run.bundle.data_set
        path = write_live_result(options, run.bundle, outcome, command, arguments.results, dataset)
        console.print(f"figures are in {path}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _decode(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.store.history.redecode import redecode
    from host_decoder.store.store import Store
    from host_decoder.view.csv_lines import csv_lines
    from host_decoder.view.picture import PictureFolder
    from link.bundle import Bundle

    bundle = Bundle.load(arguments.bundle, side="host")
    with Store(arguments.store, must_exist=True) as store:
        n_chunks = store.bundles()
        if bundle.id.hex() not in n_chunks:
            held = ", ".join(n_chunks) or "none"
            raise HostError(
                f"{arguments.store} holds no chunk of bundle {bundle.id.hex()}; it holds chunks "
                f"of: {held}"
            )
        if arguments.keep or arguments.show or arguments.as_told:
            store.close()
            return _redecode(arguments, bundle)
        begun_s = time.monotonic()
        n_images = 0
        pictures = PictureFolder(arguments.pictures) if arguments.pictures else None

        def answers() -> Iterator[dict[str, Any]]:
            nonlocal n_images
            for answer in redecode(store, bundle, arguments.task, arguments.since):
                n_images += 1
                yield pictures.save(answer) if pictures else answer

        if arguments.csv:
            for line in csv_lines(answers()):
                print(line, flush=True)
        else:
            for answer in answers():
                _print_json(answer)
        _say(f"{n_images} images decoded again in {time.monotonic() - begun_s:.2f} s")
        if n_others := sum(n_chunks.values()) - n_chunks[bundle.id.hex()]:
            _say(
                f"{n_others} chunks of other bundles were left: "
                f"{', '.join(set(n_chunks) - {bundle.id.hex()})}"
            )
    return 0


def _teach(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.teach.command import run

    run(arguments)
    return 0


def _redecode(arguments: argparse.Namespace, bundle: "Bundle") -> int:
    from host_decoder import redecoding

    if arguments.as_told:
        redecoding.show_as_told(arguments.store, bundle)
        _say("images are shown as they were told when they came")
        return 0
    code = redecoding.keep(arguments.store, bundle, _say) if arguments.keep else 0
    if arguments.show and not code:
        redecoding.show(arguments.store, bundle)
        _say(f"images that came until now are shown as the decoder of {bundle.path} sees them")
    return code


def _stats(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.store.store import Store
    from host_decoder.view.sheet import wide_console
    from host_decoder.view.statistics_view import statistics_tables

    with Store(arguments.store, must_exist=True) as store:
        statistics = store.statistics()
    if arguments.json:
        _print_json(statistics)
    else:
        wide_console().print(*statistics_tables(statistics), sep="\n")
    return 0


def _init(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.service.beginning import begin

    asked = {
        "port": arguments.port,
        "profile": arguments.link,
        "region": arguments.region,
        "frequency_hz": arguments.frequency_hz,
    }
    notices = begin(arguments.folder, {key: item for key, item in asked.items() if item})
    _say(f"{arguments.folder} is ready for nodes; flashing brings them in")
    for notice in notices:
        _say(notice)
    return 0


def _unit(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.config import read_config
    from host_decoder.service.unit import NAME, PLACE, unit_text

    host = host_folder.host_toml(arguments.folder)
    print(unit_text(host, read_config(host)), end="")
    if sys.stdout.isatty():
        words = f"{program.NAME} host unit {shlex.quote(str(arguments.folder))}"
        _say(f"to have it run from now on: {words} | sudo tee {PLACE}")
        _say(f"and: sudo systemctl daemon-reload && sudo systemctl enable --now {NAME}")
    return 0


def _retire(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.service.retirement import retire

    day = time.strftime("%Y-%m-%d")
    host = host_folder.host_toml(arguments.folder)
    notices = retire(host, arguments.node, day)
    _say(f"node {arguments.node} is retired: its key is revoked, its number is free")
    for notice in notices:
        _say(notice)
    return 0


def _alerts(arguments: argparse.Namespace, started_s: float) -> int:
    from host_decoder.alerts.raised import alert_lines, raised_alerts
    from host_decoder.config import read_config

    host = host_folder.host_toml(arguments.folder)
    config = read_config(host)
    raised, muted_s = raised_alerts(config.state_dir)
    if arguments.json:
        for alert in raised:
            _print_json(alert.to_json())
    else:
        for line in alert_lines(raised, muted_s, bool(config.outputs.alerts), time.time()):
            print(line)
    return 0


def _print_json(content: dict) -> None:
    print(json.dumps(content), flush=True)  # in ASCII: any terminal, pipe and program takes it


def _say(sentence: str) -> None:
    print(f"host_decoder: {sentence}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = program.Parser(prog="python -m host_decoder", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(
        name: str, run: Callable[[argparse.Namespace, float], int], text: str
    ) -> argparse.ArgumentParser:
        prog = f"python -m host_decoder {name}"
        added = program.add_command(commands, name, text, prog=prog)
        added.set_defaults(run=run)
        return added

    listen = command(
        "listen",
        _listen,
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
        _live,
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

    begin = command("init", _init, "make a host folder that is ready for nodes")
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

    unit = command("unit", _unit, "print the systemd unit of a host folder")
    _add_folder(unit)

    retire = command("retire", _retire, "take a node out: its key is never believed again")
    retire.add_argument("node", type=_positive(int), metavar="N", help="its number")
    _add_folder(retire)

    alerts = command("alerts", _alerts, "which alerts are raised")
    _add_folder(alerts)
    alerts.add_argument("--json", action="store_true", help="for programs: a line for each")

    add_arguments(
        command(
            "teach", _teach, "learn a new question from examples, and ask it of all that is stored"
        ),
        _place,
    )

    decode = command(
        "decode", _decode, "decode stored packets again with a bundle's present decoder; JSON lines"
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

    token = command("token", _token, "let somebody see the page: makes a token; none: lists whose")
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

    stats = command("stats", _stats, "what a store holds")
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
