"""python -m device.flash: make a node's image, prepare its card, boot it in an emulator."""

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from device.config import ConfigError
from device.encoder.interpreter import RuntimeMissingError
from device.encoder.model import EncoderError
from device.flash.tools import FlashError, UnreachableError
from link.base import durable
from link.bundle import BundleError
from link.output import program, readable_output
from link.security import KeyStateError
from link.settings import host_folder

EXPLAINED = (
    FlashError,
    ConfigError,
    BundleError,
    KeyStateError,
    EncoderError,
    RuntimeMissingError,
    OSError,
)
"""Errors whose message is for the person; any other is a fault of this program and shows its
traceback.
"""
WORK = Path("runs/flash")
ANSWERS = ("yes", "no")
UNREACHABLE = 3
"Exit code when packages cannot be had: it says nothing about this program."


def main(argv: list[str] | None = None) -> int:
    readable_output()
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv, argparse.Namespace(argv=argv))
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except EXPLAINED as error:
        print(f"flash: {error}", file=sys.stderr)
        return UNREACHABLE if isinstance(error, UnreachableError) else 1
    finally:
        _give_back(getattr(arguments, "work", None))


def _image(arguments: argparse.Namespace) -> int:
    from device.flash.image import as_root, make_image
    from device.flash.release import make_release
    from device.flash.rootfs import Debian

    code = as_root(arguments.argv)
    if code is not None:
        return code
    started_s = time.monotonic()
    debian = Debian(arguments.suite, arguments.mirror)
    durable.make_folder(arguments.work)
    release = make_release(debian.python, arguments.work, arguments.source)
    image = arguments.out or arguments.work / f"latentlink-{arguments.suite}.img"
    make_image(debian, release, arguments.work, image)
    taken_mb = 512 * image.stat().st_blocks / 1e6
    print(f"{image}: {taken_mb:.0f} MB, release {release.id}, {time.monotonic() - started_s:.0f} s")
    return 0


def _card(arguments: argparse.Namespace) -> int:
    from device.flash.card import CardOptions, flash_card
    from device.flash.member import TeamOptions
    from device.flash.team import flash_team, is_team

    durable.make_folder(arguments.work)
    options = CardOptions(
        target=arguments.target,
        settings=arguments.settings,
        host=_host(arguments.host),
        work=arguments.work,
        image=arguments.system_image,
        bundle=arguments.bundle,
        node=arguments.node,
        hostname=arguments.hostname,
        user=arguments.user_name,
        ssh_key=arguments.ssh_key,
        is_confirmed=arguments.confirm == "yes" and arguments.dry_run != "yes",
        replaces=arguments.replace == "yes",
        host_port=arguments.host_port,
    )
    asked = TeamOptions(
        members=arguments.fog,
        peers=tuple(arguments.peers),
        multicast=arguments.multicast,
        cameras=arguments.cameras,
        modems=arguments.modems,
        placement=arguments.placement,
    )
    if asked == TeamOptions() and arguments.member is None and not is_team(arguments.settings):
        flash_card(options, print, _show)
    else:
        flash_team(options, asked, arguments.member, print, _show, _ask)
    return 0


def _ask(sentence: str) -> None:
    print(f"{sentence}, then press Enter: ", end="", flush=True)
    try:
        input()
    except EOFError:
        raise FlashError(
            "nobody is there to change the cards; the same command goes on with the next one"
        ) from None


def _deploy(arguments: argparse.Namespace) -> int:
    from device.flash.deploy import Node, deploy_bundle, deploy_release
    from device.flash.deploy_team import deploy_team

    durable.make_folder(arguments.work)
    nodes = [Node(address, arguments.ssh_options) for address in arguments.address]
    told = (arguments.bundle, _host(arguments.host), arguments.work, print)
    if not arguments.bundle:
        for node in nodes:  # one after the other: of a team the others go on
            deploy_release(node, arguments.work, arguments.source, print)
    elif len(nodes) == 1 and not arguments.without:
        deploy_bundle(nodes[0], *told)
    else:
        deploy_team(nodes, *told, arguments.without)
    return 0


def _host(named: Path | None) -> Path:
    """host.toml of the folder that is meant; one left here by an earlier version is pointed at."""
    if named is None and Path(host_folder.HOST_TOML).exists():
        print(
            f"note      the host folder is {host_folder.default_folder()}; "
            f"{host_folder.HOST_TOML} here is used with HOST_DIR=. only"
        )
    return host_folder.host_toml((named or host_folder.default_folder()).expanduser())


def _give_back(work: Path | None) -> None:
    """What was kept under sudo is the caller's, for the next command without sudo."""
    if work is not None and (caller := durable.sudo_caller()):
        for path in (work, *work.rglob("*")):
            if path.lstat().st_uid == 0:
                os.lchown(path, *caller)


def _target(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError(
            "name the card: TARGET=/dev/sdX, an image file or a boot folder"
        )
    return Path(text)


def _address(text: str) -> str:
    if not text or text.startswith("-"):
        raise argparse.ArgumentTypeError("name the node: its ADDRESS, as ssh takes it")
    return text


def _members(text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of members, such as 0,1")
    return tuple(map(int, words))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of words as a shell takes it ({error})"
        ) from None


def _show(share: float) -> None:
    if sys.stderr.isatty():
        print(
            f"\r{100 * share:3.0f} %", end="\n" if share >= 1 else "", file=sys.stderr, flush=True
        )


def _boot(arguments: argparse.Namespace) -> int:
    from device.flash.boot import start

    with tempfile.TemporaryDirectory() as folder:
        console = arguments.console or Path(folder)
        process = start(
            arguments.image,
            console,
            arguments.line,
            arguments.machine,
            arguments.keep,
            arguments.network,
        )
        try:
            return process.wait()
        finally:
            process.terminate()
            process.wait()


def _parser() -> argparse.ArgumentParser:
    from device.flash.boot import MACHINES
    from device.flash.registry import HOST_PORT
    from device.flash.release import SOURCE_WHEELS
    from device.flash.rootfs import PYTHON_OF

    parser = program.Parser(prog="python -m device.flash", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        prog = f"python -m device.flash {name}"
        added = program.add_command(commands, name, text, prog=prog)
        added.set_defaults(run=run)
        return added

    def add_host(parser: argparse.ArgumentParser, text: str) -> None:
        named = parser.add_mutually_exclusive_group()
        named.add_argument(
            "--host-dir",
            dest="host",
            type=Path,
            metavar="DIR",
            help=f"{text} (default ~/{host_folder.NAME})",
        )
        named.add_argument(
            "--host-toml",
            dest="host",
            type=Path,
            metavar="FILE",
            help="host.toml in it, when it is called otherwise",
        )

    image = command(
        "image", _image, "make a whole Debian arm64 image with our runtime for Pi 3, 4 and Zero 2 W"
    )
    image.add_argument(
        "--suite", choices=PYTHON_OF, default="bookworm", help="of Debian (bookworm)"
    )
    image.add_argument(
        "--mirror", default="", help="serves /debian and /debian-security (default: mmdebstrap's)"
    )
    image.add_argument(
        "--source", choices=SOURCE_WHEELS, default="", help="add what this image source needs"
    )
    image.add_argument(
        "--work", type=Path, default=WORK, help="keeps downloads (default %(default)s)"
    )
    image.add_argument(
        "--out", type=Path, metavar="FILE.img", help="default: WORK/latentlink-SUITE.img"
    )

    card = command("card", _card, "make a node of a card, an image file or a mounted boot folder")
    card.add_argument(
        "target",
        type=_target,
        help="/dev/sdX, FILE.img, or the folder where a boot partition is mounted",
    )
    card.add_argument(
        "--settings",
        type=Path,
        required=True,
        metavar="node.toml",
        help="as python -m device takes it",
    )
    add_host(card, "the host folder")
    card.add_argument(
        "--host-port",
        default=HOST_PORT,
        metavar="PORT",
        help="of the host's modem, for a new host.toml",
    )
    card.add_argument(
        "--system-image",
        type=Path,
        metavar="FILE.img",
        help="write this image to the whole target first",
    )
    card.add_argument(
        "--bundle", type=Path, metavar="DIR", help="instead of the one that node.toml names"
    )
    card.add_argument("--node", type=int, metavar="N", help="instead of the number in node.toml")
    card.add_argument("--hostname", help="default: latentlink-N")
    card.add_argument(
        "--user-name",
        default="",
        metavar="NAME",
        help="make this account (with --ssh-key; Raspberry Pi OS)",
    )
    card.add_argument("--ssh-key", type=Path, metavar="FILE.pub", help="may log in")
    card.add_argument(
        "--work", type=Path, default=WORK, help="keeps downloads (default %(default)s)"
    )
    card.add_argument(
        "--confirm", choices=ANSWERS, default="no", help="without yes nothing is written"
    )
    card.add_argument(
        "--dry-run",
        choices=ANSWERS,
        nargs="?",
        const="yes",
        default="no",
        help="write nothing, whatever CONFIRM says",
    )
    card.add_argument(
        "--replace",
        choices=ANSWERS,
        default="no",
        help="the host forgets that number's former card",
    )

    team = card.add_argument_group("of a team, whose encoder is cut over several nodes")
    team.add_argument("--fog", type=int, metavar="N", help="its members; one card for each")
    team.add_argument(
        "--member", type=int, metavar="M", help="only this one, of 0 to N-1; also made again"
    )
    team.add_argument(
        "--peers",
        type=_words,
        default=[],
        metavar="ADDRESSES",
        help="host:port of each member in one argument, or once with %% for its number",
    )
    team.add_argument("--multicast", metavar="GROUP:PORT", help="that all members join instead")
    team.add_argument("--cameras", type=_members, metavar="0,1", help="members with one (all)")
    team.add_argument("--modems", type=_members, metavar="0,1", help="members with one (all)")
    team.add_argument(
        "--placement", type=Path, metavar="FILE.json", help="which members compute what"
    )

    deploy = command(
        "deploy", _deploy, "give a running node this checkout's programs, or a bundle, over SSH"
    )
    deploy.add_argument(
        "address",
        type=_address,
        nargs="+",
        metavar="ADDRESS",
        help="as ssh takes it, of a team each; the account is root or may sudo",
    )
    deploy.add_argument(
        "--bundle", type=Path, metavar="DIR", help="deploy this bundle instead of the programs"
    )
    deploy.add_argument(
        "--without",
        type=_members,
        default=(),
        metavar="0,1",
        help="members of a team that are away, and get the bundle later",
    )
    add_host(deploy, "folder of the host that hears it")
    deploy.add_argument(
        "--source", choices=SOURCE_WHEELS, default="", help="add what this image source needs"
    )
    deploy.add_argument(
        "--ssh-options", type=_words, default=[], help="more options for ssh, in one argument"
    )
    deploy.add_argument(
        "--work", type=Path, default=WORK, help="keeps downloads (default %(default)s)"
    )

    boot = command("boot", _boot, "start an image in QEMU until Ctrl-C")
    boot.add_argument("image", type=Path, help="as `latentlink image` writes it")
    boot.add_argument(
        "--line",
        type=Path,
        metavar="TERMINAL",
        help="join the node's serial port to it (default: a new one)",
    )
    boot.add_argument("--machine", choices=MACHINES, default="virt", help="what is emulated (virt)")
    boot.add_argument("--keep", action="store_true", help="what the node writes stays in the image")
    boot.add_argument("--console", type=Path, metavar="DIR", help="write console.log there")
    boot.add_argument(
        "--network",
        default="",
        metavar="OPTIONS",
        help="of QEMU's user network (default: no network)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
