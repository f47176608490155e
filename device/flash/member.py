"""Member: the node.toml that a person writes for a team, made that of each of its members.

One file serves all: [link] and [source] as those have them that have a modem or a camera, and in
[team] what everybody is told, or nothing. Who is who stands on the command line:

    FOG=7                        [team] members; each member gets its own number
    PEERS="10.0.0.2:4310 …"      one address for each, in the order of the members; % is its number
    MULTICAST=239.77.0.40:4310   the group that all of them join; without either, one by the node's
                                 number
    CAMERAS=0,1  MODEMS=0,3      the members that have one (all); a camera of few is shared by all
    PLACEMENT=placement.json     the planner's, instead of a mode
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.flash.tools import FlashError
from link.bundle import manifest
from link.settings import read_text, read_toml, shown, toml_text

PORT = "0.0.0.0:4310"
"Where a member receives when nothing else is said; the group's port is this one too."
PLACEMENT_ON_NODE = "/etc/latentlink/placement.json"
PLACEMENT = "placement"
MAX_MEMBERS = manifest.MAX_GROUPS
NUMBER = "%"
"Stands for a member's number in what is said for all of them at once."


@dataclass(frozen=True)
class TeamOptions:
    """What the person asks for; what is not said is as the file has it."""

    members: int | None = None
    peers: tuple[str, ...] = ()
    multicast: str | None = None
    cameras: tuple[int, ...] | None = None
    modems: tuple[int, ...] | None = None
    placement: Path | None = None


@dataclass(frozen=True)
class Team:
    """What all members are told, and who has what."""

    members: int
    told: Mapping[str, Any]
    "[team], as every member has it."
    peers: tuple[str, ...]
    "An address for each; none: they share a group or a bus."
    cameras: tuple[int, ...]
    modems: tuple[int, ...]
    placement: list[Any] | None

    @property
    def shared(self) -> dict[str, Any]:
        """All that must be the same for every member, however long it takes to make them."""
        return {
            **self.told,
            "peers": list(self.peers) or None,
            "cameras": list(self.cameras),
            "modems": list(self.modems),
            PLACEMENT: self.placement,
        }

    @property
    def placement_text(self) -> str | None:
        """placement.json, where there is one."""
        return None if self.placement is None else json.dumps(self.placement)

    @property
    def uses_ip(self) -> bool:
        return self.port is None

    @property
    def port(self) -> str | None:
        """The serial port of a bus that all share."""
        port: str = self.told["port"]
        return port if port.startswith("/") else None

    def text(self, text: str, member: int) -> str:
        """node.toml of that member, of the text of the whole team's; ValueError where a section
        cannot be told from the others.
        """
        for section, those in (("source", self.cameras), ("link", self.modems)):
            if member not in those:
                text = toml_text.without(text, section)
        own = dict(self.told)
        if self.peers:
            own |= {"port": _at(PORT, self.peers[member]), "peers": list(self.peers)}
        if self.placement is not None:
            own[PLACEMENT] = PLACEMENT_ON_NODE
        section = toml_text.lines({"member": member, **own}, FlashError)
        return toml_text.without(text, "team") + f"[team]\n{section}"


def read_team(path: Path, node: int, options: TeamOptions) -> Team:
    """The team that node.toml and the command line describe; FlashError with what they lack."""
    told = _section(path)
    members = options.members or told.get("members")
    if type(members) is not int or not 2 <= members <= MAX_MEMBERS:
        raise FlashError(
            f"a team has 2 to {MAX_MEMBERS} members, not {shown(members)}: say how many, FOG=7"
        )
    placement = options.placement or (path.parent / told[PLACEMENT] if PLACEMENT in told else None)
    peers = _peers(options.peers or told.pop("peers", ()), members)
    told = {name: item for name, item in told.items() if name not in ("peers", PLACEMENT)}
    told = {"port": PORT, **told, "members": members}
    if options.multicast:
        told |= {"multicast": options.multicast, "port": _at(told["port"], options.multicast)}
    elif options.peers:
        told.pop("multicast", None)
    elif not peers and not told["port"].startswith("/"):
        told.setdefault("multicast", _at(f"239.77.0.{node}:", told["port"]))
    cameras = _those(options.cameras, members, "CAMERAS")
    if len(cameras) < members:
        told.setdefault("camera", "shared")
    return Team(
        members=members,
        told=told,
        peers=() if options.multicast else peers,
        cameras=cameras,
        modems=_those(options.modems, members, "MODEMS"),
        placement=None if placement is None else _placement(placement),
    )


def _section(path: Path) -> dict[str, Any]:
    """[team] of the file, as far as flashing goes by it; the rest is checked as the node does."""
    told = read_toml(path, FlashError).get("team", {})
    if not isinstance(told, dict) or not isinstance(told.get("peers", []), list):
        raise FlashError(f"{path}: [team] is no section, or its peers are no list")
    texts = [told.get("port", PORT), told.get(PLACEMENT, ""), *told.get("peers", [])]
    if not all(isinstance(text, str) for text in texts):
        raise FlashError(f"{path}: [team] port, {PLACEMENT} and peers must be texts in quotes")
    return {name: item for name, item in told.items() if name != "member"}


def numbered(text: str, member: int) -> str:
    """What was said for all, for that member."""
    return text.replace(NUMBER, str(member))


def _at(address: str, other: str) -> str:
    """An address, with the port's number of another."""
    return f"{address.rpartition(':')[0]}:{other.rpartition(':')[2]}"


def _peers(said: Sequence[str], members: int) -> tuple[str, ...]:
    if len(said) == 1 and NUMBER in said[0]:
        said = [numbered(said[0], member) for member in range(members)]
    if said and not len(set(said)) == len(said) == members:
        raise FlashError(
            f"PEERS names {len(set(said))} addresses, and each of {members} members has one of its "
            "own: write them in the order of the members, or once with % for the number"
        )
    return tuple(said)


def _those(said: tuple[int, ...] | None, members: int, name: str) -> tuple[int, ...]:
    those = tuple(range(members)) if said is None else tuple(sorted(set(said)))
    if not those or those[-1] >= members:
        raise FlashError(
            f"{name} names {', '.join(map(str, those)) or 'nobody'}; write who of the members 0 to "
            f"{members - 1} has one, such as {name}=0,1"
        )
    return those


def _placement(path: Path) -> list[Any]:
    """Its lists [segment][group][members]; what they say is checked with the bundle."""
    try:
        placement = json.loads(read_text(path, FlashError))
        if not isinstance(placement, list):
            raise ValueError("no list")
        tomllib.loads(f"placement = {json.dumps(placement)}")
    except (ValueError, RecursionError) as error:
        raise FlashError(
            f"{path} is no placement ({error}); let the planner write it anew"
        ) from None
    return placement
