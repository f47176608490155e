"""Forgery: a stranger sends a working team what he made and what he recorded, of today, of an
earlier start and of another team; who takes any of it for genuine, and how long images take
meanwhile.
"""

import time
from collections import Counter
from dataclasses import dataclass
from statistics import median

import numpy as np

from link.fog.frame import Header
from tests.studies.fog_live.running import Running, Wish, running

RECORDED = 12
"Images of an earlier start, and of another team."


@dataclass(frozen=True)
class Forgery:
    """What came of it."""

    n_frames: int
    accepted: list[str]
    "Headers that no member had sent, or that one member took twice."
    n_tried: int
    "Whose tag was tried, at one member or another; no other cost a decryption."
    n_refused: int
    per_s: float
    elapsed_ms: float
    "What a median image took meanwhile."
    quiet_elapsed_ms: float
    "And before."
    n_images: int
    n_unanswered: int


def attacked(wish: Wish, images: np.ndarray, n_frames: int, per_s: float) -> Forgery:
    """A team under attack; AssertionError when it hangs."""
    with running(wish, images) as other:
        other.go_on(RECORDED)
        recorded = [one.frame for one in other.mesh.passed()]
    with running(wish, images, stage_ms=()) as one:
        one.go_on(RECORDED)
        recorded += [passed.frame for passed in one.mesh.passed()]
        one.end()
        one.team.newest.clear()
        one.team.start(*one.members, stage_ms=())
        one.wait_for_team()
        quiet = one.go_on(RECORDED)
        began_s = time.monotonic()
        one.mesh.attack(n_frames, per_s, recorded)
        first = one.n_through() + 1
        one.wait_for(lambda: one.mesh.n_attacks_left() == 0, 60 + 5 * n_frames / per_s)
        took_s = time.monotonic() - began_s
        numbers = range(first, one.n_through())
        one.go_on(2)
        return _judged(one, quiet, numbers, n_frames, took_s)


def _judged(one: Running, quiet: range, numbers: range, n_frames: int, took_s: float) -> Forgery:
    watched = one.end()
    sent = {passed.frame.hex() for passed in one.mesh.passed()}
    taken = [
        frame for each in watched for frame in (Counter(each.accepted) - Counter(sent)).elements()
    ]
    return Forgery(
        n_frames=n_frames,
        accepted=[str(Header.unpack(bytes.fromhex(frame))) for frame in taken],
        n_tried=sum(each.n_forged for each in watched),
        n_refused=sum(each.n_refused for each in watched),
        per_s=n_frames / took_s,
        elapsed_ms=median(one.took_ms(numbers).values()),
        quiet_elapsed_ms=median(one.took_ms(quiet).values()),
        n_images=len(numbers),
        n_unanswered=len(one.missing(numbers)),
    )
