"""Deploy to a team: a bundle for all of its members, or for none.

    staged     every member has fetched the bundle and tried it: signature, files, the canary of its
               parts. One that cannot be reached, or refuses it, leaves all on the bundle they have.
    switched   all at once. Each is on trial by itself, and goes back when it fails (device/encoder/
               trial.py).

What members say to each other is sealed with their bundle's id, so in between those of the old
bundle and those of the new one do not hear each other, and each side answers with the groups that
it has. A member that died in the switch, or went back, is brought along by the same command: on the
others the bundle runs already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TypeVar

from device.flash import registry
from device.flash.deploy import Identity, Node, Probe, identity, probe, signed_archive, update
from device.flash.tools import FlashError

RUNS = "runs already"
"What update.sh says of a bundle that a member has."

S = TypeVar("S")
T = TypeVar("T")
UPDATE = b"update"
"What a switch is sent: nothing is read of it, and only an update has so much time."


@dataclass(frozen=True)
class Member:
    """A member that answers."""

    node: Node
    probed: Probe
    identity: Identity

    @classmethod
    def find(cls, node: Node) -> "Member":
        probed = probe(node)
        return cls(node, probed, identity(node, probed))

    def update(self, kind: str, bundle: str, archive: bytes) -> tuple["Member", str]:
        """What update.sh says there."""
        try:
            return self, update(self.node, self.probed, kind, bundle, archive)
        except FlashError as error:  # which begins with the address
            raise FlashError(f"member {self.identity.member} at {error}") from None

    def __str__(self) -> str:
        return f"member {self.identity.member} ({self.node.address})"


def deploy_team(
    nodes: Sequence[Node],
    path: Path,
    host: Path,
    work: Path,
    say: Callable[[str], None],
    without: Sequence[int] = (),
) -> None:
    """`without`: members that are away, and get it later. FlashError with who stays on the former
    bundle, and why.
    """
    bundle, archive = signed_archive(path, host, work)
    found, faults = _each(nodes, Member.find)
    _fail(faults, "nothing was sent")
    crew = sorted(found, key=lambda member: member.identity.member or 0)
    number = _check_crew(crew, without)
    if bundle.team is None:
        raise FlashError(f"bundle {path} is for one node, and node {number} is a team")
    name = bundle.id.hex()
    registry.bundles_of(host, number)

    staged, faults = _each(crew, lambda one: one.update("stage", name, archive))
    _fail(faults, "all members stay on the bundle they have")
    todo = [member for member, said in staged if RUNS not in said]
    say(f"bundle {name} is tried and right on all of {len(crew)}; {len(todo)} switch to it now")
    _set_bundles(host, number, path, say)
    for member, said in staged:
        if member not in todo:
            say(f"{member}: {said}")
    switched, faults = _each(todo, lambda one: one.update("switch", name, UPDATE))
    for member, said in switched:
        say(f"{member}: {said}")
    if faults and len(faults) == len(crew):
        _set_bundles(host, number, path, say, is_first=False)
    _fail(faults, "the others run it, and answer without those" if switched else "nobody runs it")


def _check_crew(crew: Sequence[Member], without: Sequence[int]) -> int:
    """The number of the team whose members, but for those that are left out, these are; FlashError
    when they are not.
    """
    first = crew[0]
    for other in crew:
        if other.identity.member is None:
            raise FlashError(
                f"{other.node.address} is {other.identity}, which is in no team: deploy to it alone"
            )
        if other.identity.node != first.identity.node:
            raise FlashError(
                f"{first.node.address} is of node {first.identity.node}, {other.node.address} of "
                f"node {other.identity.node}: deploy to one team at a time"
            )
    numbers = [member.identity.member for member in crew]
    for place, number in enumerate(numbers[1:]):
        if number == numbers[place]:
            raise FlashError(
                f"{crew[place].node.address} and {crew[place + 1].node.address} are both member "
                f"{number}: flash one of them again, MEMBER="
            )
    away = sorted({*range(first.identity.members)} - {*numbers, *without})
    if away:
        those = ",".join(map(str, away))
        raise FlashError(
            f"node {first.identity.node} has {first.identity.members} members, and member {those} "
            f"is at none of these addresses: give its too, or WITHOUT={those} when it is to get "
            "the bundle later"
        )
    return first.identity.node


def _set_bundles(
    host: Path, number: int, path: Path, say: Callable[[str], None], is_first: bool = True
) -> None:
    """The host decodes the bundle too, as the newest or after the one that goes on."""
    with registry.locked(host):
        known, new = registry.bundles_of(host, number), registry.relative(path, host.parent)
        others = [name for name in known if name != new]
        registry.set_bundles(host, number, [new, *others] if is_first else [*others, new])
    if new not in known:
        say(f"{host}: node {number} may send this bundle too; start the host again if it runs")


def _each(those: Sequence[S], work: Callable[[S], T]) -> tuple[list[T], list[str]]:
    """What the work gives for each, all at the same time, and why it fails for the others.

    In threads that do not keep the program from ending: each waits for ssh, which has its deadline.
    """
    given: list[T | FlashError | None] = [None] * len(those)

    def run(place: int) -> None:
        try:
            given[place] = work(those[place])
        except FlashError as error:
            given[place] = error

    threads = [Thread(target=run, args=[place], daemon=True) for place in range(len(those))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    faults = [str(one) for one in given if isinstance(one, FlashError)]
    return [one for one in given if one is not None and not isinstance(one, FlashError)], faults


def _fail(faults: Sequence[str], so: str) -> None:
    """FlashError when there are any."""
    if faults:
        raise FlashError(
            f"{so}. {'; '.join(faults)}. Put that right and give the same command again: it brings "
            "along who lacks the bundle"
        )
