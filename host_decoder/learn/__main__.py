"""latentlink gateway gateway.toml: carry messages between a run's server and devices that learn
behind a narrow link. latentlink gateway --days: how long that takes on LoRa.

exit codes: 0 it was told to end; 1 it cannot go on, and said why; 2 the command line is wrong.
"""

import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event as Flag

from host_decoder.errors import HostError
from host_decoder.learn import duration
from host_decoder.learn.config import LearnGatewayConfig, load
from host_decoder.learn.mail_store import MailStore
from host_decoder.learn.post import Post
from host_decoder.receive.gateways import governors_of, listen, timing_of
from link.base import FolderLock, HeldError, boot_s
from link.messages import Exchange, ExchangeError
from link.output import program, readable_output

MAX_MESSAGE_BYTES = 1 << 20
"What is longer does not go over such a link in any time."
EXPLAINED = (ExchangeError, HeldError, HostError, OSError, ValueError)


def main(argv: list[str] | None = None) -> int:
    readable_output()
    parser = program.Parser(
        prog="python -m host_decoder.learn",
        description="Carry messages between a run's server and devices that learn behind a narrow "
        "link.",
    )
    parser.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="gateway.toml",
        help="the line, the devices behind it and the run's folder",
    )
    parser.add_argument(
        "--days", action="store_true", help="only print how long an exchange takes on LoRa"
    )
    given = parser.parse_args(argv)
    if given.days:
        print(duration.table())
        return 0
    if given.config is None:
        parser.error("gateway.toml is missing: give it, or --days")
    is_over = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    try:
        serve(load(given.config), is_over.is_set, say)
    except EXPLAINED as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    return 0


def serve(
    config: LearnGatewayConfig, should_stop: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Until that says so."""
    config.state_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(FolderLock(config.state_dir))
        run = config.run.run_id
        store = stack.enter_context(closing(MailStore(config.state_dir / "mail.sqlite", run)))
        timing = timing_of(config.links)
        assert timing is not None
        governors = governors_of(config.links, config.state_dir)
        post = Post(config.devices, run, timing.with_messages(), governors, store)
        for device in config.devices:
            stack.enter_context(_socket(config.sockets, device.number, post, say))
        say(f"{len(config.devices)} devices; their sockets are in {config.sockets}")
        for event in listen(post, config.links, should_stop):
            if sentence := getattr(event, "sentence", None):
                say(sentence)


def _socket(folder: Path, device: int, post: Post, say: Callable[[str], None]) -> Exchange:
    def answer(message: bytes, is_there: Callable[[], bool]) -> bytes:
        try:
            return post.exchange(device, message, boot_s())
        except ValueError as error:
            say(f"device {device}: {error}")
            return b""

    return Exchange(folder / str(device), MAX_MESSAGE_BYTES, answer)


def say(sentence: str) -> None:
    print(f"gateway: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
