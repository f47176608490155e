"""Running: a team of real processes on the links of a mesh, its host beside it, over in the end
however it goes.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.worlds.ends import latent_of
from tests.worlds.mesh import Line, Mesh
from tests.worlds.team import TeamHost, TeamOf, wait_until
from tests.worlds.watched_member import Watched

N_MODEMS = 3
START_S, END_S = 60.0, 30.0
FASTEST_BPS = 4_000_000
"That a member may be told; above it all rates are one to it."
SLOWEST_S = 2.0
"A mean image that takes longer is a team that hangs."


@dataclass(frozen=True)
class Wish:
    """What team is to run, on what links."""

    members: int
    line: Line
    interval_s: float
    patience_ms: int
    bundle: Path | None = None
    "None: a small one, untrained."
    seed: int = 1


@dataclass
class Running:
    """A team, its links and its host."""

    team: TeamOf
    mesh: Mesh
    host: TeamHost

    @property
    def members(self) -> range:
        return range(len(self.team.ports))

    def told(self) -> list[dict]:
        """All images that members were done with, member by member."""
        return [line for member in self.members for line in self.team.events(member)]

    def ids(self) -> dict[int, set[int]]:
        """By number of an image the ids under which it was taken, as members told it."""
        found: dict[int, set[int]] = {}
        for line in self.told():
            if line["sequence"] is not None:
                found.setdefault(line["sequence"], set()).add(line["image"])
        return found

    def missing(self, numbers: range) -> list[int]:
        """Images by number that the host has not."""
        ids, came = self.ids(), set(self.host.updates)
        return [number for number in numbers if not ids.get(number, set()) & came]

    def symbols(self, numbers: range) -> list[tuple[int, np.ndarray]]:
        """What the host has of each that came, with its number."""
        ids, came = self.ids(), dict(self.host.updates)
        first = {n: min(ids.get(n, set()) & came.keys(), default=-1) for n in numbers}
        return [(n, latent_of(came[i]).symbols) for n, i in first.items() if i in came]

    def took_ms(self, numbers: range) -> dict[int, float]:
        """By number how long each image took, as its leader measured."""
        return {
            line["sequence"]: line["elapsed_ms"]
            for line in self.told()
            if line["sequence"] in numbers and line["member"] == line["leader"]
        }

    def n_through(self) -> int:
        """Images that have begun, as far as members told of it."""
        newest = list(self.team.newest.values())
        return 1 + max((line["sequence"] or 0 for line in newest), default=-1)

    def take_part(self) -> bool:
        """Whether all members hear all."""
        newest = [self.team.newest.get(member) for member in self.members]
        return all(line is not None and all(line["alive"]) for line in newest)

    def wait_for(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        wait_until(is_so, timeout_s, lambda: (self.n_through(), self.team.errors))

    def go_on(self, n_images: int) -> range:
        """Let so many images begin and end; their numbers."""
        first = self.n_through() + 1
        limit_s = START_S + SLOWEST_S * n_images
        self.wait_for(lambda: self.n_through() > first + n_images, limit_s)
        return range(first, first + n_images)

    def wait_for_team(self) -> None:
        self.wait_for(self.take_part, START_S)

    def stop(self) -> None:
        """Members end in peace."""
        for process in self.team.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.team.processes.values():
            process.wait(END_S)

    def end(self) -> list[Watched]:
        """What all did, of watched members."""
        self.stop()
        return [Watched.read(self.team.folder / f"watched-{m}.json") for m in self.members]


@contextlib.contextmanager
def running(
    wish: Wish, images: np.ndarray, stage_ms: Sequence[float] | None = None
) -> Iterator[Running]:
    """Its cameras see these images over and over, uint8 (N, H, W, C). Members are watched where
    there are times of segments, or none of them.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        team = stack.enter_context(TeamOf(folder / "team", 1, wish.members, wish.bundle))
        team.show(images)
        mesh = stack.enter_context(Mesh(team.ports, wish.line, wish.seed))
        host = stack.enter_context(TeamHost(team.key, team.bundle))
        for member in range(wish.members):
            peers = ", ".join(f'"{peer}"' for peer in mesh.peers(member))
            team.write(
                member,
                host.port if member < N_MODEMS else None,
                f"interval_s = {wish.interval_s}\nloop = true",
                f"patience_ms = {wish.patience_ms}{_bitrate(wish.line)}",
                way=f"peers = [{peers}]",
            )
        team.start(*range(wish.members), stage_ms=stage_ms)
        one = Running(team, mesh, host)
        one.wait_for_team()
        yield one


def _bitrate(line: Line) -> str:
    """The rate, where there is one, by which a member chooses how tensors travel."""
    return "" if line.rate_bps == inf else f"\nbitrate_bps = {min(line.rate_bps, FASTEST_BPS):.0f}"
