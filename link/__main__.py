"""python -m link: emulate a line, provision a node, list the profiles."""

import argparse
import sys
from pathlib import Path

from link.channel import Impairments, parse_loss
from link.emulator import emulate
from link.keys import KeyStateError, provision
from link.line import Line
from link.profiles import PROFILES, get_profile

TYPICAL_PACKET_BYTES = 20
"An image of 9 bytes with its 11 bytes of header, seal and place."


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (KeyStateError, ValueError, OSError) as error:
        print(f"link: {error}", file=sys.stderr)
        return 1
    return 0


def _emulate(arguments: argparse.Namespace) -> None:
    impairments = Impairments(
        loss=parse_loss(arguments.loss),
        bit_error_rate=arguments.bit_errors,
        duplicate_probability=arguments.duplicates,
        delay_s=arguments.delay,
    )
    emulate(Line(get_profile(arguments.profile), impairments, arguments.seed), arguments.link_dir)


def _provision(arguments: argparse.Namespace) -> None:
    made = provision(arguments.folder, arguments.node)
    print(f"node {made.node} may speak with the key in {arguments.folder}; give the host the same key")


def _profiles(arguments: argparse.Namespace) -> None:
    print(
        f"{'name':22} {'longest packet':>14} {f'{TYPICAL_PACKET_BYTES}-byte packet':>15} {'one per':>11}   duty cycle"
    )
    for profile in PROFILES.values():
        airtime_s = profile.medium.airtime_s(TYPICAL_PACKET_BYTES)
        print(
            f"{profile.name:22} {profile.max_packet_bytes:12} B {1000 * airtime_s:12.1f} ms "
            f"{airtime_s / profile.duty_cycle:9.2f} s {100 * profile.duty_cycle:8.0f} %"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m link", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    emulator = commands.add_parser(
        "emulate", help="join two pseudo-terminals by a slow and lossy line until SIGTERM or Ctrl-C"
    )
    emulator.add_argument("profile", help="a name of `python -m link profiles`")
    emulator.add_argument(
        "--loss", default="none", help="of frames (radio) or bytes (serial): none, mild, mid, edge, 0.1, ge:p,r"
    )
    emulator.add_argument(
        "--bit-errors", type=float, default=0.0, metavar="RATE", help="share of flipped bits; a radio drops the frame"
    )
    emulator.add_argument(
        "--duplicates", type=float, default=0.0, metavar="SHARE", help="share of frames or bytes that arrive twice"
    )
    emulator.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="after the airtime")
    emulator.add_argument("--seed", type=int, default=0, help="the same seed loses and damages the same frames")
    emulator.add_argument(
        "--link-dir", type=Path, metavar="DIR", help="make the symbolic links DIR/a and DIR/b to the ends"
    )
    emulator.set_defaults(run=_emulate)

    provisioning = commands.add_parser("provision", help="make a node's key and counter")
    provisioning.add_argument("folder", type=Path, help="where node.key and counter.json go")
    provisioning.add_argument("--node", type=int, default=1, help="the node's number, 1 to 254")
    provisioning.set_defaults(run=_provision)

    listing = commands.add_parser("profiles", help="list the lines by name")
    listing.set_defaults(run=_profiles)
    return parser


if __name__ == "__main__":
    sys.exit(main())
