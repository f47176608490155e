"""Plan: which members of a team hold which parts, who reads what they make, and who publishes it.

    exchange    group g on member g: each death costs a group
    replica     group g on the members that group g reads at the first exchange: in a block design
                k of them, so k - 1 deaths cost nothing
    of          as somebody placed them: in a pipeline, by speed, all on one

The first that holds a part publishes what it makes; the next does where it stays silent.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from link.bundle.manifest import Segment, TeamEntry
from link.settings.toml_file import shown

MAX_MEMBERS = 32
Part = tuple[int, int]
"Segment and group."
Placement = tuple[tuple[tuple[int, ...], ...], ...]
"By segment and group the members that hold the part."


@dataclass(frozen=True)
class Plan:
    """Who does what; the same on every member."""

    groups: int
    n_members: int
    segments: tuple[Segment, ...]
    placement: Placement

    @classmethod
    def exchange(cls, team: TeamEntry) -> "Plan":
        """A group on each member."""
        one_each = tuple((group,) for group in range(team.groups))
        return cls._made(team, (one_each,) * len(team.segments), team.groups)

    @classmethod
    def replica(cls, team: TeamEntry) -> "Plan":
        """Each group on as many members as a node hears others at the first exchange."""
        if len(team.segments) < 2:
            raise ValueError(
                "this bundle's encoder has no exchange, which replicas are placed by; "
                'give mode = "exchange" or a placement'
            )
        return cls._made(team, (team.cut[1].reads,) * len(team.segments), team.groups)

    @classmethod
    def of(cls, team: TeamEntry, placement: Any, n_members: int) -> "Plan":
        """A placement as it stands in a file: lists [segment][group][member, …]. ValueError says
        what does not fit.
        """
        if not 1 <= n_members <= MAX_MEMBERS:
            raise ValueError(f"a team of {n_members} members; it has 1 to {MAX_MEMBERS}")
        rows = _list(placement, len(team.segments), "placement", "segments")
        checked = []
        for segment, row in enumerate(rows):
            groups = _list(row, team.groups, f"placement[{segment}]", "groups")
            checked.append(
                tuple(
                    _members(holders, f"placement[{segment}][{group}]", n_members)
                    for group, holders in enumerate(groups)
                )
            )
        return cls._made(team, tuple(checked), n_members)

    @classmethod
    def _made(cls, team: TeamEntry, placement: Placement, n_members: int) -> "Plan":
        return cls(team.groups, n_members, tuple(team.cut), placement)

    @property
    def last(self) -> int:
        """The segment that makes latents."""
        return len(self.segments) - 1

    def holders(self, part: Part) -> tuple[int, ...]:
        """Members that can compute it, who publishes it first."""
        segment, group = part
        return self.placement[segment][group]

    def sources(self, part: Part) -> tuple[Part, ...]:
        """The parts whose tensors it reads, side by side; of the first segment none."""
        segment, group = part
        return tuple((segment - 1, other) for other in self.segments[segment].reads[group])

    def parts_of(self, member: int) -> tuple[Part, ...]:
        """What it holds, in the order of computing: what others wait for first."""
        held = [part for part in self._parts if member in self.holders(part)]
        return tuple(sorted(held, key=lambda part: (part[0], self.holders(part).index(member))))

    def readers(self, part: Part) -> frozenset[int]:
        """Members that read its tensor and cannot compute it; of latents see the session."""
        return self._readers[part]

    def takes(self, member: int) -> frozenset[Part]:
        """Parts whose tensors it reads or could compute itself."""
        held = self.parts_of(member)
        return frozenset(held) | {source for part in held for source in self.sources(part)}

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return tuple(product(range(len(self.segments)), range(self.groups)))

    @cached_property
    def _readers(self) -> dict[Part, frozenset[int]]:
        found: dict[Part, set[int]] = {part: set() for part in self._parts}
        for part in self._parts:
            for source in self.sources(part):
                found[source] |= set(self.holders(part)) - set(self.holders(source))
        return {part: frozenset(members) for part, members in found.items()}


def _list(value: Any, length: int, name: str, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != length:
        found = len(value) if isinstance(value, list) else shown(value)
        raise ValueError(f"{name} has {found} entries, the bundle has {length} {what}")
    return value


def _members(value: Any, name: str, n_members: int) -> tuple[int, ...]:
    is_whole = isinstance(value, list) and all(type(one) is int for one in value)
    if not is_whole or not value or len(set(value)) < len(value):
        raise ValueError(f"{name} is {shown(value)}; give the members that hold it, each once")
    if not set(value) <= set(range(n_members)):
        raise ValueError(f"{name} is {shown(value)}, the members are 0 to {n_members - 1}")
    return tuple(value)
