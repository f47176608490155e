"""The crew: the processes of a run's nodes, one or the members of a team, and who is killed.

A team's members are killed by SIGKILL, several at a time, drawn by a seed, and started again a few
images later, over and over until the images are through.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from host_decoder.live.console import NodeConsole
from host_decoder.live.processes import Child, ChildError, node_command
from host_decoder.view.tally import Tally
from host_decoder.view.team import TeamTally
from host_decoder.view.terminal import Screen

IMAGES_WHOLE, IMAGES_REDUCED = 6, 8
"Images from when all members take part to a kill, and from that until they are started again."
LONGEST_PAUSE_S = 20.0
"After so long they are started again although no image has come through."


class Member:
    """One node's process, and what it says."""

    def __init__(self, name: str, config: Path, console: NodeConsole) -> None:
        self.name = name
        self.console = console
        self._config = config
        self.process = self._started()

    def _started(self) -> Child:
        return Child(self.name, node_command(self._config))

    def look(self) -> None:
        """Its lines; ChildError when it ended and was not done."""
        is_running = self.process.is_running
        if is_running:
            self.console.read(self.process)
            return
        why = self.process.why_ended()
        self.console.read(self.process)
        if not self.console.is_done:
            raise ChildError(why)

    def kill(self) -> None:
        self.process.kill()
        with suppress(ChildError):  # it was killed in the middle of its last line
            self.console.read(self.process)

    def revive(self) -> None:
        self.console.is_done = False
        self.process = self._started()


class Crew:
    """All of a run's nodes, ended on leaving."""

    def __init__(
        self,
        configs: Sequence[Path],
        node: int,
        tally: Tally,
        screen: Screen,
        n_kill: int,
        seed: int,
    ) -> None:
        self._screen = screen
        self._team = tally.team
        self._n_kill = n_kill
        self._random = Random(seed)
        self._since_s, self._since_image = time.monotonic(), 0
        self._back = dict.fromkeys(range(len(configs)), 0)
        "Members that were started, and how many images each had closed before."
        self.members: list[Member] = []
        try:
            for number, config in enumerate(configs):
                name = "the node" if tally.team is None else f"member {number}"
                console = NodeConsole(node, tally, screen, name)
                self.members.append(Member(name, config, console))
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Read what they said, then kill and revive whose turn it is; ChildError when one ended by
        itself.
        """
        dead = self._team.dead if self._team else ()
        for number, member in enumerate(self.members):
            if number not in dead:
                member.look()
        if self._team is not None and self._n_kill and not self.is_done:
            self._go_on(self._team)

    @property
    def is_done(self) -> bool:
        """Whether all that live are. One that was started and has not met the others is not waited
        for: it would begin the replay anew, alone.
        """
        apart = self._team.dead | self._late(self._team) if self._team else set()
        there = [member for number, member in enumerate(self.members) if number not in apart]
        return bool(there) and all(member.console.is_done for member in there)

    @property
    def said_s(self) -> float:
        """When one of them said something last, on the monotonic clock."""
        return max(member.console.said_s for member in self.members)

    @property
    def airtime_s(self) -> float:
        """The time on the air of the last packets."""
        return max(member.console.airtime_s for member in self.members)

    def close(self) -> None:
        for member in self.members:
            member.process.end()
        for member in self.members:
            member.process.stop()

    def _go_on(self, team: TeamTally) -> None:
        """Whose turn it is. Nobody is killed before all take part again, or all might be dead."""
        n_images = team.n_through - self._since_image
        if team.dead:
            if n_images >= IMAGES_REDUCED or time.monotonic() > self._since_s + LONGEST_PAUSE_S:
                self._revive(team)
        elif self._back:
            if not self._late(team):
                self._back = {}
                self._turn(team)
        elif n_images >= IMAGES_WHOLE:
            self._kill(team)

    def _late(self, team: TeamTally) -> set[int]:
        """Members that were started and have closed no image since."""
        return {number for number, n in self._back.items() if team.n_closed[number] <= n}

    def _kill(self, team: TeamTally) -> None:
        for number in sorted(self._random.sample(range(len(self.members)), self._n_kill)):
            self.members[number].kill()
            team.killed(number)
            self._screen.notice(f"member {number} is killed")
        self._turn(team)

    def _revive(self, team: TeamTally) -> None:
        for number in sorted(team.dead):
            self.members[number].revive()
            team.revived(number)
            self._back[number] = team.n_closed[number]
            self._screen.notice(f"member {number} is started again")
        self._turn(team)

    def _turn(self, team: TeamTally) -> None:
        self._since_s, self._since_image = time.monotonic(), team.n_through
