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
from typing import TYPE_CHECKING, Any

from rich.console import Console

from host_decoder.arguments import Run, make_parser
from host_decoder.errors import HostError
from link.bundle import BundleError
from link.output import forget_output, program
from link.security import KeyStateError
from link.settings import host_folder

if TYPE_CHECKING:
    from host_decoder.config import HostConfig
    from host_decoder.web.feed import Page
    from link.bundle import Bundle

# Each command imports what it needs: --help and stats do not wait for ONNX Runtime.

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
    runs: dict[str, Run] = {
        "listen": _listen,
        "live": _live,
        "init": _init,
        "unit": _unit,
        "retire": _retire,
        "alerts": _alerts,
        "teach": _teach,
        "decode": _decode,
        "token": _token,
        "stats": _stats,
    }
    return make_parser(str(__doc__), runs)
