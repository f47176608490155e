"""[team] of node.toml: which of a team's members this node is, and how it reaches the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from link.settings import check_addresses, setting, shown

MAX_MEMBERS = 32
MODES = ("exchange", "replica")
SLOW_BPS = 600_000
"Below it what crosses an exchange is range-coded: that takes less time than its bytes would."
USUAL_BPS = 115_200
FIRST_GROUP, LAST_GROUP = 224, 239
"First byte of a multicast group's address."


@dataclass(frozen=True, kw_only=True)
class TeamConfig:
    """One member of a team; the team is one node to its host."""

    member: int = setting.key(
        setting.whole(0, MAX_MEMBERS - 1).explained("this member's number, from 0")
    )
    members: int = setting.key(setting.whole(2, MAX_MEMBERS).explained("how many there are"))
    mode: str | None = setting.key(
        setting.text(MODES).explained(
            "`exchange`: every member has its own part; `replica`: so many have each that the "
            "answer stays the same although some die",
            usual="`exchange`, or as the placement says",
        ),
        None,
    )
    placement: Path | None = setting.key(
        setting.PATH.explained(
            "JSON file: for each segment and each group in it the members that compute it, the "
            "first first"
        ),
        None,
    )
    camera: str = setting.key(
        setting.text(("each", "shared")).explained("every member sees for itself, or one for all"),
        "each",
    )
    port: str = setting.key(
        setting.text().explained(
            'the UDP address to receive at, `"0.0.0.0:4310"`, or a serial port that all share'
        )
    )
    peers: tuple[str, ...] = setting.key(
        setting.TEXTS.explained(
            "where the members receive: all of them by their numbers, or all others", usual="none"
        ),
        (),
    )
    multicast: str | None = setting.key(
        setting.text().explained(
            'instead of `peers`: a group that all are in, `"239.77.0.1:4310"`; one datagram '
            "reaches all"
        ),
        None,
    )
    bitrate_bps: int | None = setting.key(
        setting.whole(50, 4_000_000).explained(
            "of a serial port; what is slow is coded shorter", usual=str(USUAL_BPS)
        ),
        None,
    )
    patience_ms: int = setting.key(
        setting.whole(1, 60_000).explained("how long a segment waits for what is missing"), 50
    )
    silent_modem_s: int = setting.key(
        setting.whole(1, 86_400).explained(
            "after so long in which the host is not known to have got anything another member's "
            "modem has its turn"
        ),
        300,
    )

    @property
    def is_serial(self) -> bool:
        return self.port.startswith("/")

    @property
    def is_slow(self) -> bool:
        """Whether bytes cost more time than coding them."""
        return self.bitrate_bps is not None and self.bitrate_bps < SLOW_BPS

    @property
    def addresses(self) -> dict[int, str]:
        """The peers' addresses by member, this one's left out."""
        others = [number for number in range(self.members) if number != self.member]
        numbers = range(self.members) if len(self.peers) == self.members else others
        by_member = dict(zip(numbers, self.peers, strict=False))
        return {number: by_member[number] for number in others if number in by_member}


def read_team(table: Mapping[str, Any], folder: Path) -> TeamConfig:
    """ValueError with a sentence when it says something that cannot be. Paths are relative to
    `folder`.
    """
    usual: dict[str, Any] = (
        {"bitrate_bps": USUAL_BPS} if str(table.get("port")).startswith("/") else {}
    )
    if "placement" not in table:
        usual["mode"] = MODES[0]
    team = setting.read(TeamConfig, {**usual, **table}, "[team] ", folder)
    if team.mode and team.placement:
        raise ValueError("[team] has both mode and placement; leave one of them out")
    if team.member >= team.members:
        raise ValueError(
            f"[team] member is {team.member}, and {team.members} members are numbered from 0 to "
            f"{team.members - 1}"
        )
    try:
        _check_ways(team)
    except ValueError as error:
        raise ValueError(f"[team] {error}") from None
    return team


def _check_ways(team: TeamConfig) -> None:
    """That frames have somewhere to go: a serial line, peers or a group."""
    if team.is_serial:
        if team.peers or team.multicast:
            raise ValueError(
                f"port is {shown(team.port)}: on a serial line everybody hears everything, leave "
                "peers and multicast out"
            )
        return
    if bool(team.peers) == bool(team.multicast):
        raise ValueError(
            "needs peers, the addresses at which the others receive, or a multicast group: write "
            'for example peers = ["10.0.0.2:4310", "10.0.0.3:4310"] or '
            'multicast = "239.77.0.1:4310"'
        )
    check_addresses(team.port, team.peers)
    if team.peers and len(team.peers) not in (team.members, team.members - 1):
        raise ValueError(
            f"has {len(team.peers)} peers and {team.members} members: give the address of every "
            "member in the order of their numbers, or of every other"
        )
    if team.multicast is not None:
        _check_group(team.multicast, team.port)


def _check_group(group: str, port: str) -> None:
    try:
        check_addresses(port, [group])
        first, number = int(group.partition(".")[0]), group.rpartition(":")[2]
    except ValueError:
        first, number = 0, ""
    if not FIRST_GROUP <= first <= LAST_GROUP:
        raise ValueError(
            f"multicast is {shown(group)}, which is no group: write for example 239.77.0.1:4310"
        )
    if number != port.rpartition(":")[2]:
        raise ValueError(
            f"port is {shown(port)} and multicast is {shown(group)}: a group is heard at its own "
            "port, give both the same number"
        )
