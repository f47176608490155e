"""A team as a person sees it: which members live, who leads and who speaks to the host, and what
passed between them.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.text import Text

from link.output import TeamTold

KEPT_IMAGES = 65536
"Images whose overhead is remembered."


@dataclass
class TeamTally:
    """What the members' consoles say, and what was done to them."""

    n_members: int
    labels: Sequence[str | None] = ()
    "The classes of the images that all members replay, in their order."
    dead: set[int] = field(default_factory=set)
    "Members that were killed and not started again."
    leader: int | None = None
    aggregator: int | None = None
    n_kills: int = 0
    published_bytes: int = 0
    "That the members sent each other."
    n_frames: int = 0
    n_closed: Counter[int] = field(default_factory=Counter)
    "Images that each member has closed."
    n_through: int = 0
    "Images of the replay up to the one that was closed last."
    last_image: int = -1
    overhead_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_IMAGES))
    "What each image took beyond its slowest segments, as each member measured it."

    def add(self, told: TeamTold) -> None:
        """A member is done with an image."""
        self.published_bytes += told.published_bytes
        self.n_frames += told.frames
        self.n_closed[told.member] += 1
        if told.sequence is not None:
            self.n_through = max(self.n_through, told.sequence + 1)
        self.overhead_ms.append(told.overhead_ms)
        if told.image >= self.last_image:
            self.last_image = told.image
            self.leader, self.aggregator = told.leader, told.aggregator

    def truth(self, sequence: int | None) -> str | None:
        """The class of that image, where it is known."""
        if sequence is None or sequence >= len(self.labels):
            return None
        return self.labels[sequence]

    def killed(self, member: int) -> None:
        self.dead.add(member)
        self.n_kills += 1

    def revived(self, member: int) -> None:
        self.dead.discard(member)

    def overhead_ms_at(self, percent: float) -> float | None:
        return float(np.percentile(self.overhead_ms, percent)) if self.overhead_ms else None

    @property
    def bytes_per_image(self) -> float | None:
        """Published by a member, per image that it closed."""
        n_closed = self.n_closed.total()
        return self.published_bytes / n_closed if n_closed else None


def members_line(n_members: int, dead: set[int]) -> Text:
    """The members by their numbers, those that are dead in red and marked."""
    line = Text()
    for member in range(n_members):
        if member in dead:
            line.append(f"✗{member} ", "bold red")
        else:
            line.append(f"{member} ", "green")
    return line


def team_line(team: TeamTally) -> Text:
    """All of it in one line."""
    line = Text.assemble(("team  ", "dim"), members_line(team.n_members, team.dead))
    if team.leader is not None:
        line.append(f" leader {team.leader}")
    if team.aggregator is not None:
        line.append(f" · {team.aggregator} speaks to the host")
    line.append(f" · {team.published_bytes / 1000:.1f} kB in {team.n_frames} frames")
    if team.n_kills:
        line.append(f" · {team.n_kills} killed", "red")
    return line


def groups_line(alive: Sequence[bool]) -> Text:
    """What an answer says: of which groups latents came."""
    dead = {group for group, lives in enumerate(alive) if not lives}
    count = f"{sum(alive)} of {len(alive)}  "
    return Text.assemble(count, members_line(len(alive), dead))


def alive_phrase(alive: Sequence[bool]) -> str:
    """The same in words."""
    missing = [str(group) for group, lives in enumerate(alive) if not lives]
    without = f", without {', '.join(missing)}" if missing else ""
    return f"{sum(alive)} of {len(alive)} alive{without}"
