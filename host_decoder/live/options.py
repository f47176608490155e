"""What one live run is made of, and what its node is told."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from host_decoder.errors import HostError
from link.bundle import Bundle
from link.emulator import parse_loss
from link.medium import LinkProfile, get_profile
from link.picture import Replay, ReplayError
from link.settings import toml_text

DRAWN_REPLAY = "replay.npz"


class LiveError(HostError):
    """The run cannot begin or go on; the message says why and what to do."""


@dataclass(frozen=True)
class LiveOptions:
    """What one live run is made of."""

    bundle: Path
    replay: Path
    "Images uint8 (N, H, W, C), labels and classes in an .npz file."
    link: str = "lora-sf7"
    loss: str = "none"
    "The loss of frames (radio) or bytes (serial), as link.emulator.channel.parse_loss reads it."
    bit_errors: float = 0.0
    images: int | None = None
    "So many, drawn from the replay file by the seed; None: all of it, in its order."
    interval_s: float = 0.0
    seed: int = 0
    has_downlink: bool = True
    "The host answers; without it every image is sent once and what is lost is lost."
    verdict: float | None = None
    """Calibrated confidence at which the host tells the node that an image needs no further chunk;
    None: never.
    """
    first_chunk_bytes: int | None = None
    chunk_bytes: int | None = None
    """Bytes of an image's bitstream in its chunk 0 and in later ones; None: as much as a packet
    takes.
    """
    fog: int | None = None
    "Members of a team, each with a modem at the same channel; None: one node."
    kill: int = 0
    "Members that are killed at a time, again and again, and started anew."
    store: Path | None = None
    "None: in the run's folder, gone at the end."


@dataclass(frozen=True)
class Team:
    """Which member of a team a node is, and where all of them receive."""

    member: int
    addresses: Sequence[str]


def profile_of(options: LiveOptions) -> LinkProfile:
    """The line that a run emulates; LiveError when that, or what is wanted of it, cannot be."""
    if options.link.startswith("/"):
        raise LiveError(
            f"live emulates its line and cannot use the port {options.link}; name a link profile, "
            "or run `python -m host_decoder listen` here and `python -m device` on the node"
        )
    if options.verdict is not None and not options.has_downlink:
        raise LiveError(
            "a verdict needs a downlink, or the node never hears it; leave one of the two options "
            "out"
        )
    try:
        profile = get_profile(options.link)
        parse_loss(options.loss)
    except ValueError as error:
        raise LiveError(str(error)) from None
    if profile.carrier == "udp":
        raise LiveError(
            "live emulates its line, and udp needs none; run `python -m host_decoder listen` here "
            "and `python -m device` on the node, both with profile udp, this host being one of the "
            "node's peers"
        )
    return profile


def with_team(options: LiveOptions, bundle: Bundle, profile: LinkProfile) -> LiveOptions:
    """The options with as many members as the bundle's team has; LiveError where that cannot be."""
    if bundle.team is None:
        if options.fog is not None or options.kill:
            raise LiveError(
                f"bundle {bundle.path} is for one node, and only a team has members; make one with "
                "PRESET=branch-7 (make live FOG=7)"
            )
        return options
    n_members = bundle.team.groups
    if options.fog not in (None, n_members):
        raise LiveError(
            f"bundle {bundle.path} is cut for {n_members} members, not {options.fog}; say that "
            "number, or train another"
        )
    if options.kill >= n_members:
        raise LiveError(
            f"{options.kill} of {n_members} members cannot be killed at a time: at least one must "
            "live"
        )
    if not profile.is_radio:
        raise LiveError(
            f"{profile.name} is a cable with two ends, and every member of a team has a modem; "
            "name a radio, such as lora-sf7"
        )
    return replace(options, fog=n_members)


def node_toml(
    options: LiveOptions, node: int, port: str, frequency_hz: int | None, team: Team | None = None
) -> str:
    """What a node is told; an emulated line does not radiate."""
    source: dict[str, object] = {
        "kind": "replay",
        "path": str(options.replay.resolve()),
        "interval_s": options.interval_s,
        "limit": options.images,
    }
    link: dict[str, object] = {
        "port": port,
        "profile": options.link,
        "region": "wire",
        "frequency_hz": frequency_hz,
        "downlink": options.has_downlink,
        "first_chunk_bytes": options.first_chunk_bytes,
        "chunk_bytes": options.chunk_bytes,
    }
    key_dir = "keys" if team is None else f"keys/{team.member}"
    entries = {"node": node, "bundle": str(options.bundle.resolve()), "key_dir": key_dir}
    sections = {"source": source, "link": link}
    if team is not None:
        sections["team"] = {
            "member": team.member,
            "members": len(team.addresses),
            "mode": "exchange",
            "camera": "each",
            "port": team.addresses[team.member],
            "peers": list(team.addresses),
        }
    return toml_text.lines(entries) + "".join(
        f"[{name}]\n{toml_text.lines(section)}" for name, section in sections.items()
    )


def free_addresses(n: int) -> list[str]:
    """UDP addresses on this machine that nobody receives at."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(n)
        ]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def draw_replay(options: LiveOptions, replay: Replay, folder: Path) -> LiveOptions:
    """The options of a run with a part of its replay, drawn into a file in `folder`."""
    if options.images is None or options.images >= len(replay):
        return replace(options, images=None)
    replay.drawn(options.images, options.seed).write(folder / DRAWN_REPLAY)
    return replace(options, replay=folder / DRAWN_REPLAY, images=None)


def read_replay(path: Path, bundle: Bundle) -> Replay:
    """Checked to be labelled in the words of the bundle, or every answer would be wrong."""
    if not path.is_file():
        raise LiveError(
            f"there is no replay file {path}; `python -m host_training replay` writes one"
        )
    try:
        replay = Replay.read(path)
    except (ReplayError, OSError) as error:
        raise LiveError(str(error)) from None
    if unknown := [name for name in replay.classes if name not in bundle.classes]:
        raise LiveError(
            f"replay file {path} has the class '{unknown[0]}', bundle {bundle.path} knows "
            f"{', '.join(bundle.classes[:12])}; replay the data set that the bundle was made for"
        )
    return replay
