"""latentlink forward forward.toml: a gateway of a fleet: what it hears goes to the fleet's broker,
what workers answer goes to the nodes.

exit codes: 0 it was told to end; 1 it cannot go on, and said why; 2 the command line is wrong.
"""

import os
import signal
import sys
from pathlib import Path
from threading import Event

from link.gateway.config import read_forwarder
from link.gateway.forwarder import forward
from link.output import program, readable_output


def main(argv: list[str] | None = None) -> int:
    readable_output()
    parser = program.Parser(
        prog="python -m link.gateway",
        description="Forward what a gateway hears to a fleet's broker, and bring back the answers.",
    )
    parser.add_argument(
        "config",
        type=Path,
        metavar="forward.toml",
        help="the gateway's line, and its broker; docs/fleet.md lists its keys",
    )
    given = parser.parse_args(argv)
    os.umask(0o077)
    is_over = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    try:
        forward(read_forwarder(given.config), is_over.is_set, say)
    except (OSError, ValueError) as error:
        say(str(error))
        return 1
    return 0


def say(sentence: str) -> None:
    print(f"forward: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
