"""Timing: how long an image takes beyond what its parts and its links take on the way that is
longest.

    least     TICK's way to a member, its first part, the way to each that reads it, the next part
              and so on: of all ways through parts and links the longest, to the leader that has all
              latents
    overhead  what the leader measured from the image's beginning to its last latents, less that

A link's time is from when a datagram came to the mesh until it left it. A part's is the table's, or
what it took by itself on this machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from link.fog.frame import Header, Kind
from link.fog.plan import Plan
from tests.studies.fog_live.running import Running, Wish, running
from tests.worlds.mesh import Passed
from tests.worlds.watched_member import Watched

Way = tuple[int, Kind, tuple[int, int], int]
"Image, kind, segment and group, receiver."


@dataclass(frozen=True)
class Timing:
    """Images that were taken while all members took part."""

    elapsed_ms: np.ndarray
    "What each took."
    overhead_ms: np.ndarray
    "What those took over their least of which every member had all it waits for."
    published_bytes: np.ndarray
    "Per member and image, at its socket; a frame that goes to several counts once."
    cpu_ms: np.ndarray
    """By member, a mean image's processor time beside its parts: what no other program on this
    machine changes.
    """

    def figures(self) -> dict[str, float]:
        """Numbers by name."""
        middle, last = np.percentile(self.elapsed_ms, (50, 99))
        found = {
            "images": len(self.elapsed_ms),
            "images_whole": len(self.overhead_ms),
            "elapsed_ms_p50": float(middle),
            "elapsed_ms_p99": float(last),
            "published_bytes_per_node": float(self.published_bytes.mean()),
            "cpu_ms_least": float(self.cpu_ms.min()),
            "cpu_ms_most": float(self.cpu_ms.max()),
        }
        if len(self.overhead_ms):
            middle, last = np.percentile(self.overhead_ms, (50, 99))
            found |= {"overhead_ms_p50": float(middle), "overhead_ms_p99": float(last)}
        return {name: round(number, 3) for name, number in found.items()}


def timed(wish: Wish, images: np.ndarray, n_images: int, stage_ms: Sequence[float]) -> Timing:
    """Let a team take so many images."""
    with running(wish, images, stage_ms) as one:
        one.mesh.passed()
        numbers = one.go_on(n_images)
        watched = one.end()
        return _timing(one, watched, numbers)


def _timing(one: Running, watched: Sequence[Watched], numbers: range) -> Timing:
    assert one.team.bundle.team is not None
    plan = Plan.exchange(one.team.bundle.team)
    ways = _ways(one.mesh.passed())
    computed = {(i, s, g): t for each in watched for i, s, g, t in each.computed}
    told = [line for line in one.told() if line["sequence"] in numbers]
    led = [line for line in told if line["member"] == line["leader"]]
    least_s = [_least_s(plan, each["image"], each["leader"], ways, computed) for each in led]
    return Timing(
        np.array([line["elapsed_ms"] for line in led]),
        np.array(
            [
                line["elapsed_ms"] - 1000 * least
                for line, least in zip(led, least_s, strict=True)
                if least < inf
            ]
        ),
        np.array([line["published_bytes"] for line in told]),
        np.array([1000 * each.cpu_s / len({run[0] for run in each.computed}) for each in watched]),
    )


def _ways(passed: Sequence[Passed]) -> dict[Way, float]:
    """Seconds that each part's tensor was on its way, with its last piece; TICK's as of no part."""
    found: dict[Way, float] = {}
    for one in passed:
        header = Header.unpack(one.frame)
        assert header is not None
        if header.kind in (Kind.TICK, Kind.TENSOR, Kind.LATENTS):
            part = (0, 0) if header.kind == Kind.TICK else header.part
            way = header.image, header.kind, part, one.receiver
            found[way] = max(one.left_s - one.came_s, found.get(way, 0.0))
    return found


def _least_s(
    plan: Plan,
    image: int,
    leader: int,
    ways: dict[Way, float],
    computed: dict[tuple[int, int, int], float],
) -> float:
    """The longest way from the leader's beginning to its last latents; inf where some of it is
    missing. Group g is member g's.
    """
    members = range(plan.n_members)
    try:
        made_s = {
            (0, g): (0.0 if g == leader else ways[image, Kind.TICK, (0, 0), g])
            + computed[image, 0, g]
            for g in members
        }
        for segment in range(1, plan.last + 1):
            for g in members:
                came_s = [
                    made_s[source] + _way_s(ways, image, Kind.TENSOR, source, g)
                    for source in plan.sources((segment, g))
                ]
                made_s[segment, g] = max(came_s) + computed[image, segment, g]
        last = [(plan.last, g) for g in members]
        return max(made_s[p] + _way_s(ways, image, Kind.LATENTS, p, leader) for p in last)
    except KeyError:
        return inf


def _way_s(ways: dict[Way, float], image: int, kind: Kind, part: tuple[int, int], to: int) -> float:
    return 0.0 if part[1] == to else ways[image, kind, part, to]
