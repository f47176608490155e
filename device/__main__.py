"""python -m device node.toml: run one node."""

import argparse
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from device.config import ConfigError, NodeConfig, load_config
from device.console import Console, JsonConsole, SilentConsole, TextConsole
from device.encoder import EncoderError
from device.image_source import SourceError
from device.interpreter import RuntimeMissingError
from device.node import run
from device.safe_mode import SafeMode, fall_back, keep_good
from link.bundle import BundleError
from link.keys import KeyStateError

EXPLAINED = (ConfigError, BundleError, KeyStateError, EncoderError, SourceError, RuntimeMissingError, OSError)
"Errors whose message is for the person; any other is a fault of this program and shows its traceback."


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    console = CONSOLES[arguments.console]
    n_images, safe_mode = 0, None
    try:
        _end_on(signal.default_int_handler)
        config, safe_mode = _settings(arguments.config, arguments.last_good, console)
        on_proved = None
        if safe_mode is None and arguments.last_good is not None:
            on_proved = partial(_keep_good, arguments.config, arguments.last_good, config, console)
        n_images = run(config, console, not arguments.once, safe_mode, on_proved)
    except KeyboardInterrupt:
        pass  # before the first image
    except EXPLAINED as error:
        print(f"device: {error}", file=sys.stderr)
        return 1
    finally:
        _end_on(signal.SIG_IGN)  # it is ending already
    console.done(n_images)
    return 0 if safe_mode is None else 1


def _settings(path: Path, last_good: Path | None, console: Console) -> tuple[NodeConfig, SafeMode | None]:
    """What node.toml says; where that cannot be used, the settings that worked last, for safe mode."""
    try:
        return load_config(path), None
    except ConfigError as error:
        if last_good is None:
            raise
        config, safe_mode = fall_back(path, last_good, error)
        console.notice(str(error))
        console.notice(f"safe mode: nothing is captured until {path} is changed; the host is told")
        return config, safe_mode


def _keep_good(path: Path, last_good: Path, config: NodeConfig, console: Console) -> None:
    try:
        keep_good(path, last_good, config)
    except OSError as error:
        console.notice(f"{last_good} cannot be written ({error}), so there is no safe mode with these settings")


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
    parser.add_argument(
        "--last-good",
        type=Path,
        metavar="FILE",
        help="keep settings that work there; where node.toml cannot be used, tell the host with them (safe mode)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
