"""python -m device node.toml: run one node.

exit codes: 0 all is sent, or it was told to end; 1 it cannot go on, and said why, or a fault was
mended and the node is to be started anew; 2 the command line is wrong; 78 with --last-good: what is
wrong needs a person, and the host could not be told.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from device.capture.source import SourceError
from device.config import ConfigError, NodeConfig, load_config
from device.console import Console, JsonConsole, TextConsole, plain
from device.encoder.interpreter import RuntimeMissingError
from device.encoder.model import EncoderError
from device.running import run
from device.safe_mode import SafeMode, keep_good, voices
from device.state_dir import StateError, StateHeldError
from link.base import boot_s
from link.bundle import BundleError
from link.output import Notifier, forget_output, open_outlets, program, readable_output
from link.security import KeyHeldError, KeyStateError

FAULTS = (ConfigError, KeyStateError, StateError, BundleError, SourceError, RuntimeMissingError)
"What a person has to mend; a new start would find it again."
HELD = (KeyHeldError, StateHeldError)
"Another process does this node's work, or another node's."
EXPLAINED = (*FAULTS, EncoderError, OSError)
"""Errors whose message is for the person; any other is a fault of this program and shows its
traceback.
"""
SPEECHLESS_CODE = os.EX_CONFIG
SPEECHLESS_S = 240.0
"""So long a node waits for a person before its service manager may start it anew; that one has less
patience than 300 s.
"""
WATCH_S = 1.0
READER_S = 0.5
"""For somebody who reads what was printed, and takes none of it, a node that has ended waits no
longer.
"""


class SpeechlessError(Exception):
    """Something is wrong, and there is no way to tell the host."""

    def __init__(self, safe_mode: SafeMode, sentence: str) -> None:
        super().__init__(sentence)
        self.safe_mode = safe_mode


def main(argv: list[str] | None = None) -> int:
    readable_output()
    arguments = _parser().parse_args(argv)
    try:
        with open_outlets("device", READER_S):
            return _main(arguments)
    except BrokenPipeError:  # whoever read our lines has had enough
        forget_output()
        return 1
    except OSError as error:
        with suppress(OSError):
            print(
                f"device: what it printed could not be written ({error.strerror})", file=sys.stderr
            )
        return 1


def _main(arguments: argparse.Namespace) -> int:
    console = CONSOLES[arguments.console]
    n_images, code = 0, 0
    try:
        _end_on(signal.default_int_handler)
        n_images, code = _run(arguments, console)
    except KeyboardInterrupt:
        pass  # before the first image
    except SpeechlessError as error:
        return _wait_for_a_person(error)
    except EXPLAINED as error:
        print(f"device: {plain(str(error))}", file=sys.stderr)
        return 1
    finally:
        _end_on(signal.SIG_IGN)  # it is ending already
    console.done(n_images)
    return code


def _run(arguments: argparse.Namespace, console: Console) -> tuple[int, int]:
    """How many images were captured, and the exit code. In safe mode when something must be
    mended.
    """
    config = None
    try:
        config = load_config(arguments.config)
        for notice in config.notices:
            console.notice(notice)
        on_proved = None
        if arguments.last_good is not None:
            on_proved = partial(_keep_good, arguments.config, arguments.last_good, config, console)
        return run(config, console, not arguments.once, on_proved=on_proved), 0
    except HELD:
        raise
    except FAULTS as error:
        if arguments.last_good is None:
            raise
        safe_mode = SafeMode.because(error, arguments.config, config)
        console.notice(str(error))
    return _run_safely(arguments, console, safe_mode), 1


def _run_safely(arguments: argparse.Namespace, console: Console, safe_mode: SafeMode) -> int:
    """With the first settings that give the node a voice."""
    for config in voices(arguments.config, arguments.last_good, safe_mode.config):
        try:
            return run(config, console, not arguments.once, safe_mode)
        except HELD:
            raise
        except (KeyStateError, StateError):
            continue
    if safe_mode.config is None:
        raise SpeechlessError(
            safe_mode, "No settings have worked on this node before, so the host is not told"
        )
    if safe_mode.config.team:
        raise SpeechlessError(
            safe_mode, "The team goes on without this member, which has no voice of its own"
        )
    raise SpeechlessError(
        safe_mode, "Without a key and a place for its state a node does not speak: nobody is told"
    )


def _wait_for_a_person(error: SpeechlessError) -> int:
    """A service manager would start it again at once, over and over; a person at a console need not
    wait.
    """
    print(f"device: {plain(str(error))}", file=sys.stderr, flush=True)
    notifier, until_s = Notifier(), boot_s() + SPEECHLESS_S
    notifier.status(f"speechless: {error.safe_mode.fault}")
    with suppress(KeyboardInterrupt):
        while notifier.is_heard and boot_s() < until_s and not error.safe_mode.is_over:
            time.sleep(WATCH_S)
    return SPEECHLESS_CODE


def _keep_good(path: Path, last_good: Path, config: NodeConfig, console: Console) -> None:
    try:
        keep_good(path, last_good, config)
    except OSError as error:
        console.notice(
            f"{last_good} cannot be written ({error}), so there is no safe mode with these settings"
        )


def _end_on(handler: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


CONSOLES: dict[str, Console] = {
    "text": TextConsole(),
    "json": JsonConsole(),
    "none": Console(),
}


def _parser() -> argparse.ArgumentParser:
    about, _, codes = (__doc__ or "").partition("\n\n")
    parser = program.Parser(prog="python -m device", description=about, epilog=codes)
    parser.add_argument(
        "config", type=Path, metavar="node.toml", help="docs/node.md lists its keys"
    )
    parser.add_argument(
        "--console", choices=CONSOLES, default="text", help="what to print of each image and packet"
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="end with an error when the port vanishes, instead of waiting for it",
    )
    parser.add_argument(
        "--last-good",
        type=Path,
        metavar="FILE",
        help=(
            "keep settings that work there; where this node cannot work, tell the host with them "
            "(safe mode)"
        ),
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
