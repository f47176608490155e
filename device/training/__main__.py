"""latentlink learn node.toml: learn from a node's own images, as its [learn] says.

latentlink learn shard --run RUN --out SHARD photos/ writes what it learns from.

exit codes: 0 it was told to end; 1 it cannot go on, and said why; 2 the command line is wrong.
"""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from device.console import plain
from device.ending import Ending
from device.training import labels, shard
from device.training.far import Far
from device.training.labels import LabelError
from device.training.learn_config import LearnConfig, LearnConfigError, load_learn
from device.training.learner import Learner
from device.training.learning import Learning
from device.training.run_folder import RunFolder, RunFolderError
from device.training.shard import Shard, ShardError
from link.base import FolderLock, HeldError, durable
from link.messages import Exchange, ExchangeError
from link.output import Notifier, program, readable_output
from link.picture import PillowMissingError
from link.security import KeyStateError, signature
from link.update.device_end import DeviceEnd, max_message_bytes

EXPLAINED = (
    ExchangeError,
    KeyStateError,
    HeldError,
    LabelError,
    LearnConfigError,
    OSError,
    PillowMissingError,
    RunFolderError,
    ShardError,
)
SHARD = "shard"


def main(argv: list[str] | None = None) -> int:
    readable_output()
    words = sys.argv[1:] if argv is None else argv
    command = _write_shard if words[:1] == [SHARD] else _learn
    try:
        _end_on(signal.default_int_handler)
        command(words)
    except KeyboardInterrupt:
        return 0
    except EXPLAINED as error:
        print(f"learn: {plain(str(error))}", file=sys.stderr)
        return 1
    return 0


def _learn(words: list[str]) -> None:
    parser = program.Parser(
        prog="python -m device.training",
        description="Learn from a node's own images, as [learn] of its node.toml says.",
        epilog=f"`latentlink learn {SHARD} --help`: how images and labels are given to it.",
    )
    parser.add_argument("config", type=Path, metavar="node.toml", help="with a section [learn]")
    config = load_learn(parser.parse_args(words).config)
    with ExitStack() as stack:
        stack.enter_context(Ending())
        durable.make_folder(config.state_dir, 0o700)
        stack.enter_context(FolderLock(config.state_dir))
        learning, run, longest = _learning(config)
        if config.far is not None:
            stack.enter_context(Far(config.far, run, learning.answer, say))
            place: Path | str = config.far.link.port
        else:
            assert config.socket is not None
            place = config.socket
            stack.enter_context(Exchange(config.socket, longest, learning.answer))
        Notifier().ready()
        say(f"device {config.device} learns; messages come in at {place}")
        learning.run()


def _learning(config: LearnConfig) -> tuple[Learning, bytes, int]:
    """What the settings say, the run's name, and the longest message that may come."""
    run = RunFolder(config.run)
    settings, network, layout = run.settings, run.network, run.layout
    key = signature.make_key(config.key)
    durable.write(config.key.with_suffix(".pub"), signature.signer_text(key))
    images = Shard(
        config.shard,
        network.image.shape,
        network.n_classes,
        settings.batch_images,
        (settings.seed, config.device),
        settings.crop_pixels,
        settings.has_flips,
    )
    server, initial = run.server, run.initial
    end = DeviceEnd(settings, layout, config.device, key, server, initial, config.state_dir)
    learner = Learner(network, images, settings, config.state_dir, config.limits)
    for damage in filter(None, (end.damage, learner.damage)):
        say(damage)
    return Learning(end, learner, say), settings.run_id, max_message_bytes(layout)


def _write_shard(words: list[str]) -> None:
    parser = program.Parser(
        prog="python -m device.training",
        usage=f"{program.NAME} learn {SHARD} --run RUN --out SHARD [--labels CSV] photos",
        description="Write the shard that a node learns from; the images stay where they are.",
    )
    parser.add_argument("--run", type=Path, required=True, help="the folder from the run's host")
    parser.add_argument("--out", type=Path, required=True, metavar="SHARD", help="its folder")
    parser.add_argument(
        "--labels", type=Path, metavar="CSV", help="a list with columns image and label"
    )
    parser.add_argument(
        "--node", type=int, metavar="N", help="whose answers of a host's list count"
    )
    parser.add_argument(
        "photos",
        type=Path,
        help="a folder for each class; with --labels a folder, or what a node printed as JSON",
    )
    given = parser.parse_args(words[1:])
    run = RunFolder(given.run)
    shape = run.network.image.shape
    if not given.labels:
        found = labels.images(labels.of_folders(given.photos, run.classes), shape, say)
    else:
        listed = labels.read_list(given.labels, run.classes, given.node)
        if given.photos.is_dir():
            found = labels.images(labels.of_list(given.photos, listed), shape, say)
        else:
            found = labels.of_console(given.photos, listed, shape)
    n_images = shard.write(given.out, shape, found)
    print(f"{given.out}: {n_images} images of {shape[0]} × {shape[1]}")


def say(sentence: str) -> None:
    print(f"learn: {plain(sentence)}", file=sys.stderr, flush=True)


def _end_on(handler: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
