"""Who works on what: all of it, by whoever is there, in equal shares."""

from host_decoder.fleet.shares import LEADER, NAMES, WORKER, plan
from link.gateway import topics


class Fleet:
    """Workers that do what is planned for them, and leases that end when one is killed."""

    def __init__(self, *owners: str) -> None:
        self.own: dict[str, dict[str, int]] = {owner: {} for owner in owners}

    def beat(self) -> None:
        for owner, own in self.own.items():
            held = [name for others in self.own.values() for name in others]
            todo = plan(owner, own, held)
            for name in todo.release:
                del own[name]
            own |= dict.fromkeys((name for name in todo.take if name not in held), 1)

    @property
    def counts(self) -> list[int]:
        return [sum(name in NAMES for name in own) for own in self.own.values()]


def test_one_worker_has_everything_and_leads():
    fleet = Fleet("a")
    fleet.beat()
    assert fleet.counts == [topics.PARTITIONS]
    assert {LEADER, f"{WORKER}a"} < fleet.own["a"].keys()


def test_who_comes_later_gets_a_share_and_what_a_dead_one_had_is_taken():
    fleet = Fleet("a")
    fleet.beat()
    fleet.own["b"], fleet.own["c"] = {}, {}
    for _ in range(3):
        fleet.beat()
    assert sorted(fleet.counts) == [4, 6, 6]
    assert sum(LEADER in own for own in fleet.own.values()) == 1
    del fleet.own["a"]
    fleet.beat()
    assert sum(fleet.counts) == topics.PARTITIONS
    assert sum(LEADER in own for own in fleet.own.values()) == 1


def test_more_workers_than_partitions_leave_some_in_reserve():
    fleet = Fleet(*(f"w{number:02}" for number in range(topics.PARTITIONS + 3)))
    for _ in range(3):
        fleet.beat()
    assert sorted(fleet.counts) == [0] * 3 + [1] * topics.PARTITIONS
