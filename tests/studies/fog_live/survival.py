"""Survival: members are killed at random and started again while the team works; which images the
host has in the end, and how often.
"""

import time
from dataclasses import dataclass
from random import Random

import numpy as np

from tests.studies.fog_live.running import Running, Wish, running

AWAY = 3
"One of so many members at most is dead or on its way back."
IMAGES_DEAD = 6
"Images from a kill until the member is started again, at most."
ORPHANS_S = 60.0
"""What an aggregator took with it another claims after a while (orphan_s of link.fog.interface):
then it is to be there.
"""
HANGS_S = 30.0
"Without an image for so long nobody answers any more."
LATE = 1.5
"Times the median: an image that takes longer waited for somebody."
SHORTLY = 8
"Images after a death in which it may show."


@dataclass(frozen=True)
class Survival:
    """What became of images and members."""

    n_images: int
    n_unanswered: int
    n_counted_twice: int
    "The host took one as new again."
    n_taken_twice: int
    "Two leaders took it, each under an id of its own, and the host has both."
    n_kills: int
    n_leaders: int
    "Killed ones that led."
    n_senders: int
    "Killed ones that sent to the host."
    n_whole: int
    "Images that came with all groups."
    late_per_kill: float
    longest_gap_s: float
    "Without a new image at the host."
    duration_s: float
    lost: list[dict]
    "What members told of images that the host never had."


@dataclass
class _Kill:
    member: int
    sequence: int
    was_leader: bool
    was_sender: bool


def survived(wish: Wish, images: np.ndarray, n_images: int, n_kills: int) -> Survival:
    """While so many images are taken at least, and until so many were killed. AssertionError: the
    team hangs.
    """
    began_s = time.monotonic()
    with running(wish, images) as one:
        first = one.n_through() + 1
        kills, gap_s = _kill(one, first, n_images, n_kills, Random(wish.seed))
        numbers = range(first, one.n_through())
        deadline_s = time.monotonic() + ORPHANS_S
        while (missing := one.missing(numbers)) and time.monotonic() < deadline_s:
            time.sleep(0.5)
        one.stop()
        ids, came = one.ids(), one.host.updates.keys()
        n_twice = sum(len(ids.get(number, set()) & came) > 1 for number in numbers)
        return Survival(
            n_images=len(numbers),
            n_unanswered=len(missing),
            n_counted_twice=one.host.n_updates - len(one.host.updates),
            n_taken_twice=n_twice,
            n_kills=len(kills),
            n_leaders=sum(kill.was_leader for kill in kills),
            n_senders=sum(kill.was_sender for kill in kills),
            n_whole=sum(bool(symbols[: wish.members].all()) for _, symbols in one.symbols(numbers)),
            late_per_kill=_late(one, numbers, kills) / max(len(kills), 1),
            longest_gap_s=gap_s,
            duration_s=time.monotonic() - began_s,
            lost=_lost(one, missing, kills),
        )


def _kill(
    one: Running, first: int, n_images: int, n_kills: int, draw: Random
) -> tuple[list[_Kill], float]:
    """While so many images pass at least. The longest time without a new one at the host, too."""
    kills: list[_Kill] = []
    dead: dict[int, int] = {}
    "Member, and the image from which it is started again."
    n_came, came_s, gap_s = 0, time.monotonic(), 0.0
    while (n_through := one.n_through()) < first + n_images or len(kills) < n_kills or dead:
        now_s = time.monotonic()
        if len(one.host.updates) > n_came:
            n_came, came_s = len(one.host.updates), now_s
        gap_s = max(gap_s, now_s - came_s)
        assert gap_s < HANGS_S, f"no image for {gap_s:.0f} s: {one.team.errors}"
        for member in [m for m, image in dead.items() if n_through >= image]:
            del dead[member]
            one.team.newest.pop(member, None)
            one.team.start(member)
        away = [m for m in one.members if m in dead or m not in one.team.newest]
        due = first + (len(kills) + 0.5) * n_images / n_kills
        if len(away) < len(one.members) // AWAY and len(kills) < n_kills and n_through >= due:
            victim = draw.choice([m for m in one.members if m not in away])
            newest = one.team.newest[victim]
            kills.append(
                _Kill(victim, n_through, newest["leader"] == victim, newest["aggregator"] == victim)
            )
            one.team.kill(victim)
            dead[victim] = n_through + draw.randrange(1, IMAGES_DEAD + 1)
        time.sleep(0.01)
    return kills, gap_s


def _late(one: Running, numbers: range, kills: list[_Kill]) -> int:
    """Images shortly after a death that took much longer than others, as their leaders measured."""
    took_ms = one.took_ms(numbers)
    usual_ms = float(np.median(list(took_ms.values())))
    after = {n for kill in kills for n in range(kill.sequence, kill.sequence + SHORTLY)}
    return sum(took_ms.get(number, 0.0) > LATE * usual_ms for number in after)


def _lost(one: Running, missing: list[int], kills: list[_Kill]) -> list[dict]:
    told = one.told()
    return [
        {
            "sequence": number,
            "told": [
                [line[key] for key in ("member", "image", "leader", "aggregator")]
                for line in told
                if line["sequence"] == number
            ],
            "killed": [
                [kill.member, kill.sequence]
                for kill in kills
                if abs(kill.sequence - number) < 2 * SHORTLY
            ],
        }
        for number in missing
    ]
