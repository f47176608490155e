"""python -m device node.toml: run one node."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from device.config import ConfigError, load_config
from device.console import Console, JsonConsole, SilentConsole, TextConsole
from device.encoder import EncoderError
from device.image_source import SourceError
from device.interpreter import RuntimeMissingError
from device.node import run
from link.bundle import BundleError
from link.keys import KeyStateError

EXPLAINED = (ConfigError, BundleError, KeyStateError, EncoderError, SourceError, RuntimeMissingError, OSError)
"Errors whose message is for the person; any other is a fault of this program and shows its traceback."


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    console = CONSOLES[arguments.console]
    n_images = 0
    try:
        _end_on(signal.default_int_handler)
        n_images = run(load_config(arguments.config), console, is_patient=not arguments.once)
    except KeyboardInterrupt:
        pass  # before the first image
    except EXPLAINED as error:
        print(f"device: {error}", file=sys.stderr)
        return 1
    finally:
        _end_on(signal.SIG_IGN)  # it is ending already
    console.done(n_images)
    return 0


def _end_on(handler: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


CONSOLES: dict[str, Console] = {"text": TextConsole(), "json": JsonConsole(), "none": SilentConsole()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m device", description=__doc__)
    parser.add_argument("config", type=Path, metavar="node.toml")
    parser.add_argument("--console", choices=CONSOLES, default="text", help="what to print of each image and packet")
    parser.add_argument(
        "--once", action="store_true", help="end with an error when the port vanishes, instead of waiting for it"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
