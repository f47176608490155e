"""Shares: which partitions are this worker's, and who does what only one may.

Each worker holds a lease on its own name, so that all know how many there are; one that has more
than its share lets go, one that has less takes what nobody has. One of them is the leader besides.
Told what holds and what is held, it says what to take; the leases themselves are the store's.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from link.gateway import topics

LEADER = "leader"
WORKER = "worker/"


def name_of(partition: int) -> str:
    return f"p{partition:02}"


NAMES = tuple(name_of(number) for number in range(topics.PARTITIONS))


@dataclass(frozen=True)
class Plan:
    """What to do about leases now."""

    release: tuple[str, ...]
    take: tuple[str, ...]


def plan(owner: str, own: Mapping[str, int], held: Collection[str]) -> Plan:
    """`own`: this worker's leases; `held`: everybody's, its own among them.

    Of what is free each worker begins to look elsewhere, so that two rarely want the same.
    """
    me = WORKER + owner
    workers = sorted({name for name in held if name.startswith(WORKER)} | {me})
    share = math.ceil(topics.PARTITIONS / len(workers))
    mine = [name for name in NAMES if name in own]
    begin = workers.index(me) * share
    order = [*NAMES[begin:], *NAMES[:begin]]
    free = [name for name in order if name not in held]
    wanted = free[: max(0, share - len(mine))]
    take = [me] if me not in own else []
    take += [LEADER] if LEADER not in held else []
    return Plan(tuple(mine[share:]), (*take, *wanted))
