"""Planner: which node computes which part, for nodes of unequal speed and links of unequal rate and
delay, and whether cutting pays at all.

    whole      all of it on one node
    pipeline   whole segments, one after another, each on some node
    branches   the groups shared out, each with all its segments on one node
    replica    branches, each group also where those are that it hears at the first exchange

A latency is that of one image: pixels to the nodes that read them, segments, tensors between them,
latents to the node with the camera, which has the modem. A node sends one frame after another, to
each reader or, by multicast, to all at once; between two nodes the lower rate and the longer delay
count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from export import ExportError
from link.bundle.manifest import TeamEntry

Placement = list[list[list[int]]]
"By segment and group the nodes that hold the part; the first publishes what it makes."
Frame = tuple[int, float, set[int]]
"Sender, bytes, receivers."
KINDS = ("whole", "pipeline", "branches", "replica")
CAMERA = 0
"The node with camera and modem, unless all have a camera."
SYMBOLS_A_BYTE = 2
FRAME_BYTES = 21
"Header and tag of a frame."


@dataclass(frozen=True)
class Machine:
    """A node and its link."""

    macs_per_s: float
    bitrate_bps: float
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        if not (self.macs_per_s > 0 and self.bitrate_bps > 0 and self.delay_s >= 0):
            raise ExportError(
                f"a node of {self.macs_per_s:g} MAC/s with a link of {self.bitrate_bps:g} bit/s "
                f"and {self.delay_s:g} s cannot be: speed and rate are above 0, the delay not "
                "below"
            )


@dataclass(frozen=True)
class Work:
    """A cut encoder as the planner sees it."""

    macs: tuple[tuple[float, ...], ...]
    "By segment and group."
    reads: tuple[tuple[tuple[int, ...], ...], ...]
    "By segment and group the groups that it reads; in the first segment none."
    tensor_bytes: tuple[float, ...]
    "What a group of each segment publishes; in the last, its latents."
    pixel_bytes: float
    "An image; 0: every node has a camera."
    is_multicast: bool = False

    @property
    def n_groups(self) -> int:
        return len(self.macs[0])

    @classmethod
    def of(
        cls,
        entry: TeamEntry,
        macs: Sequence[Sequence[float]],
        pixel_bytes: float,
        is_multicast: bool = False,
    ) -> "Work":
        """A bundle's, its tensors as nibbles."""
        *boundaries, latents = (float(np.prod(segment.shape)) for segment in entry.cut)
        published = (*(n / SYMBOLS_A_BYTE for n in boundaries), latents)
        return cls(
            macs=tuple(map(tuple, macs)),
            reads=tuple(segment.reads for segment in entry.cut),
            tensor_bytes=tuple(n + FRAME_BYTES for n in published),
            pixel_bytes=pixel_bytes and pixel_bytes + FRAME_BYTES,
            is_multicast=is_multicast,
        )


@dataclass(frozen=True)
class Planned:
    """A placement and how long an image takes with it."""

    kind: str
    placement: Placement
    latency_s: float


def latency_s(work: Work, nodes: Sequence[Machine], placement: Placement) -> float:
    """From an image at the camera to all latents at the modem."""
    clock = _computed(work, nodes, placement)
    last = [
        (holders[0], work.tensor_bytes[-1], {CAMERA} - set(holders)) for holders in placement[-1]
    ]
    _send(work, nodes, clock, last)
    return clock[CAMERA]


def _computed(work: Work, nodes: Sequence[Machine], placement: Placement) -> list[float]:
    """When each node has done its parts of the segments that are placed, the first ones."""
    clock = [0.0] * len(nodes)
    if work.pixel_bytes:
        used = {node for holders in placement[0] for node in holders}
        _send(work, nodes, clock, [(CAMERA, work.pixel_bytes, used - {CAMERA})])
    for place, row in enumerate(placement):
        if place:
            _send(work, nodes, clock, _frames(work, placement, place))
        for group, holders in enumerate(row):
            for node in holders:
                clock[node] += work.macs[place][group] / nodes[node].macs_per_s
    return clock


def _frames(work: Work, placement: Placement, place: int) -> list[Frame]:
    """What is published for the parts of a segment, to all that read it and do not hold it."""
    frames = []
    for group, holders in enumerate(placement[place - 1]):
        readers = {
            node
            for reader, others in enumerate(placement[place])
            if group in work.reads[place][reader]
            for node in others
        }
        frames.append((holders[0], work.tensor_bytes[place - 1], readers - set(holders)))
    return frames


def _send(
    work: Work,
    nodes: Sequence[Machine],
    clock: list[float],
    frames: Sequence[Frame],
) -> None:
    """Each node's frames (sender, bytes, receivers) leave one after another; the clock of who
    receives goes on to the last that it waits for.
    """
    free, comes = list(clock), list(clock)
    for sender, n_bytes, receivers in frames:
        lines = [_line(nodes, sender, node) for node in sorted(receivers)]
        if work.is_multicast and lines:
            free[sender] += 8 * n_bytes / min(rate for rate, _ in lines)
        for node, (rate, delay) in zip(sorted(receivers), lines, strict=True):
            free[sender] += 0 if work.is_multicast else 8 * n_bytes / rate
            comes[node] = max(comes[node], free[sender] + delay)
    clock[:] = comes


def _line(nodes: Sequence[Machine], one: int, other: int) -> tuple[float, float]:
    """Rate in bit/s and delay in s between two nodes."""
    ends = nodes[one], nodes[other]
    return min(end.bitrate_bps for end in ends), max(end.delay_s for end in ends)


def plan(work: Work, nodes: Sequence[Machine]) -> list[Planned]:
    """The best of each kind, the fastest first."""
    branches = _branches(work, nodes)
    found = [_whole(work, nodes), _pipeline(work, nodes), branches]
    if len(work.macs) > 1 and len(nodes) > 1:
        found.append(_replica(work, nodes, branches))
    return sorted(found, key=lambda each: each.latency_s)


def verdict(plans: Sequence[Planned]) -> str:
    """Whether cutting pays, in a sentence."""
    [whole] = [each for each in plans if each.kind == "whole"]
    others = [each for each in plans if each.kind in ("pipeline", "branches") and _is_cut(each)]
    node = whole.placement[0][0][0]
    alone = f"whole on node {node} an image takes {1000 * whole.latency_s:.2f} ms"
    if not others:
        return f"Cutting does not pay: {alone}, and no cut is faster"
    best = min(others, key=lambda each: each.latency_s)
    cut = f"{1000 * best.latency_s:.2f} ms as {best.kind}"
    if best.latency_s >= whole.latency_s:
        return (
            f"Cutting does not pay: {alone}, {cut}; cut it only for answers that survive deaths, "
            "for several cameras, or where it fits no single node"
        )
    return f"Cutting pays: {alone}, {cut}, {whole.latency_s / best.latency_s:.1f} times as fast"


def _is_cut(planned: Planned) -> bool:
    return len({node for row in planned.placement for holders in row for node in holders}) > 1


def _planned(work: Work, nodes: Sequence[Machine], kind: str, placement: Placement) -> Planned:
    return Planned(kind, placement, latency_s(work, nodes, placement))


def _whole(work: Work, nodes: Sequence[Machine]) -> Planned:
    each = (_on_nodes(work, [node] * len(work.macs)) for node in range(len(nodes)))
    made = [_planned(work, nodes, "whole", placement) for placement in each]
    return min(made, key=lambda planned: planned.latency_s)


def _on_nodes(work: Work, sequence: Sequence[int]) -> Placement:
    """Segment s on node sequence[s]."""
    return [[[node] for _ in range(work.n_groups)] for node in sequence]


def _pipeline(work: Work, nodes: Sequence[Machine]) -> Planned:
    """By dynamic programming: the best way to have done a segment on each node goes on from the
    best ways to have done the one before.
    """
    ways: list[list[int]] = [[node] for node in range(len(nodes))]
    for _ in work.macs[1:]:
        ways = [
            min(
                ([*way, node] for way in ways),
                key=lambda way: _computed(work, nodes, _on_nodes(work, way))[way[-1]],
            )
            for node in range(len(nodes))
        ]
    made = [_planned(work, nodes, "pipeline", _on_nodes(work, way)) for way in ways]
    return min(made, key=lambda planned: planned.latency_s)


def _branches(work: Work, nodes: Sequence[Machine]) -> Planned:
    """For every number of the fastest nodes, with and without the camera's: how many groups each
    takes by dynamic programming over the slowest's time. Then groups change places, if that helps.
    """
    by_speed = sorted(range(len(nodes)), key=lambda node: -nodes[node].macs_per_s)
    most = min(len(nodes), work.n_groups)
    some = {tuple(by_speed[:n]) for n in range(1, most + 1)}
    some |= {(CAMERA, *(node for node in each if node != CAMERA)) for each in some}
    starts = [_shared_out(work, nodes, each) for each in sorted(some)]
    starts += [[node] * work.n_groups for node in range(len(nodes))]
    made = [_improved(work, nodes, start) for start in starts]
    return min(made, key=lambda planned: planned.latency_s)


def _shared_out(work: Work, nodes: Sequence[Machine], some: Sequence[int]) -> list[int]:
    """Each group's node: as many to each of some nodes as let the slowest end soonest."""
    each = sum(map(sum, work.macs)) / work.n_groups
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    for node in some:
        longer: dict[int, tuple[float, list[int]]] = {}
        for n_before, (slowest, taken) in best.items():
            for n_here in range(work.n_groups - n_before + 1):
                time = max(slowest, n_here * each / nodes[node].macs_per_s)
                made = time, taken + [node] * n_here
                n_done = n_before + n_here
                longer[n_done] = min(longer.get(n_done, made), made)
        best = longer
    return best[work.n_groups][1]


def _improved(work: Work, nodes: Sequence[Machine], of_group: list[int]) -> Planned:
    """Groups change to other nodes, or two with each other, as long as that is faster."""
    best = _planned(work, nodes, "branches", _of_groups(work, of_group))
    while True:
        others = [
            [*of_group[:group], node, *of_group[group + 1 :]]
            for group in range(work.n_groups)
            for node in range(len(nodes))
        ]
        for one, other in combinations(range(work.n_groups), 2):
            swapped = list(of_group)
            swapped[one], swapped[other] = swapped[other], swapped[one]
            others.append(swapped)
        made = [_planned(work, nodes, "branches", _of_groups(work, each)) for each in others]
        first = min(range(len(made)), key=lambda i: made[i].latency_s)
        if made[first].latency_s >= best.latency_s:
            return best
        best, of_group = made[first], others[first]


def _of_groups(work: Work, of_group: Sequence[int]) -> Placement:
    return [[[node] for node in of_group] for _ in work.macs]


def _replica(work: Work, nodes: Sequence[Machine], branches: Planned) -> Planned:
    """As many nodes for each group as it hears groups, its own included, so that one death less
    costs nothing: its own, theirs, and where some of these are one and the same, those that are
    done soonest.
    """
    own = [holders[0] for holders in branches.placement[0]]
    row = [
        list(dict.fromkeys([own[group], *(own[other] for other in work.reads[1][group])]))
        for group in range(work.n_groups)
    ]
    macs = [sum(segment[group] for segment in work.macs) for group in range(work.n_groups)]
    taken = [
        sum(macs[group] for group, holders in enumerate(row) if node in holders)
        for node in range(len(nodes))
    ]
    for group, holders in enumerate(row):
        n_copies = min(len({group, *work.reads[1][group]}), len(nodes))
        while len(holders) < n_copies:
            done_s = {
                node: (taken[node] + macs[group]) / nodes[node].macs_per_s
                for node in range(len(nodes))
                if node not in holders
            }
            node = min(done_s, key=done_s.__getitem__)
            holders.append(node)
            taken[node] += macs[group]
    return _planned(work, nodes, "replica", [row for _ in work.macs])
