"""python -m link: emulate a line, watch or record one, provision a node, list the profiles."""

import argparse
import sys
from pathlib import Path

from link.emulator.cable import Cable
from link.emulator.channel import Impairments, parse_loss
from link.emulator.radio import RadioLine
from link.emulator.terminals import emulate
from link.medium.profiles import PROFILES, get_profile
from link.monitor.command import add_commands
from link.output import program
from link.output.terminal import forget_output, readable_output
from link.security.keys import provision
from link.security.team_keys import provision_team

TYPICAL_PACKET_BYTES = 20
"An image of 9 bytes with its 11 bytes of header, seal and place."


def main(argv: list[str] | None = None) -> int:
    readable_output()
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        forget_output()
        return 0
    except OSError as error:
        sentence = str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
    except ValueError as error:
        sentence = str(error)
    else:
        return 0
    print(f"link: {sentence}", file=sys.stderr)
    return 1


def _emulate(arguments: argparse.Namespace) -> None:
    impairments = Impairments(
        loss=parse_loss(arguments.loss),
        bit_error_rate=arguments.bit_errors,
        duplicate_probability=arguments.duplicates,
        delay_s=arguments.delay,
    )
    emulate(_line(arguments, impairments), arguments.link_dir)


def _line(arguments: argparse.Namespace, impairments: Impairments) -> Cable | RadioLine:
    profile = get_profile(arguments.link)
    if profile.is_radio:
        return RadioLine(
            profile,
            impairments,
            arguments.seed,
            arguments.ends,
            listens_before_talking=arguments.listen_before_talk,
        )
    if profile.carrier != "serial":
        raise ValueError(f"{profile.name} needs no emulated line: give both ends an address")
    if arguments.ends != 2 or arguments.listen_before_talk:
        raise ValueError(
            f"{profile.name} is a cable: it has two ends, and both may speak at any time"
        )
    return Cable(profile, impairments, arguments.seed)


def _provision(arguments: argparse.Namespace) -> None:
    if arguments.members is None:
        made = provision(arguments.folder, arguments.node)
        who = f"node {made.node} may speak with the key in {arguments.folder}"
    else:
        made, new = provision_team(arguments.folder, arguments.node, arguments.members)
        members = ", ".join(map(str, new)) or "none, all were there"
        who = f"node {made.node}, made its members ({members}), each in a folder of its own"
    print(f"{who}; give the host the same key")


def _profiles(arguments: argparse.Namespace) -> None:
    print(
        f"{'name':22} {'longest packet':>14} {f'{TYPICAL_PACKET_BYTES}-byte packet':>15} "
        f"{'one per':>11}   duty cycle"
    )
    for profile in PROFILES.values():
        airtime_s = profile.airtime_s(TYPICAL_PACKET_BYTES)
        print(
            f"{profile.name:22} {profile.max_packet_bytes:12} B {1000 * airtime_s:12.1f} ms "
            f"{airtime_s / profile.duty_cycle:9.2f} s {100 * profile.duty_cycle:8.0f} %"
        )


def _parser() -> argparse.ArgumentParser:
    parser = program.Parser(prog="python -m link", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    emulator = program.add_command(
        commands,
        "emulate",
        "join pseudo-terminals by a slow and lossy line until SIGTERM or Ctrl-C",
    )
    emulator.add_argument(
        "--link", required=True, metavar="PROFILE", help="a name of `python -m link profiles`"
    )
    emulator.add_argument(
        "--loss",
        default="none",
        help="of frames (radio) or bytes (serial): none, mild, mid, edge, 0.1, ge:p,r",
    )
    emulator.add_argument(
        "--bit-errors",
        type=float,
        default=0.0,
        metavar="RATE",
        help="share of flipped bits; a radio drops the frame",
    )
    emulator.add_argument(
        "--duplicates",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of frames or bytes that arrive twice",
    )
    emulator.add_argument(
        "--ends", type=int, default=2, metavar="N", help="stations on the channel; a cable has two"
    )
    emulator.add_argument(
        "--listen-before-talk",
        action="store_true",
        help="a station waits while another speaks, instead of colliding",
    )
    emulator.add_argument(
        "--delay", type=float, default=0.0, metavar="SECONDS", help="after the airtime"
    )
    emulator.add_argument(
        "--seed", type=int, default=0, help="the same seed loses and damages the same frames"
    )
    emulator.add_argument(
        "--link-dir",
        type=Path,
        metavar="DIR",
        help="make the symbolic links DIR/a, DIR/b, … to the ends",
    )
    emulator.set_defaults(run=_emulate)

    add_commands(commands)

    provisioning = program.add_command(commands, "provision", "make a node's key and counter")
    provisioning.add_argument("folder", type=Path, help="where node.key and counter.json go")
    provisioning.add_argument("--node", type=int, default=1, help="the node's number, 1 to 254")
    provisioning.add_argument(
        "--members",
        type=int,
        metavar="N",
        help="of a team: one key in folder/0 to folder/N-1; those that are there stay",
    )
    provisioning.set_defaults(run=_provision)

    listing = program.add_command(commands, "profiles", "list the lines by name")
    listing.set_defaults(run=_profiles)
    return parser


if __name__ == "__main__":
    sys.exit(main())
