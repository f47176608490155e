"""Roster: who else is there, as one member sees it: who is heard, who has a modem or a camera, who
leads.

A member is dead when nothing was heard of it during three images, and lives again with its next
frame. At first all are believed to live, with modem and camera, until they say otherwise.
"""

from collections.abc import Iterable

from link.fog.frame import Flag

SILENT_IMAGES = 3
SILENT_BEATS = 3
SILENT_AGGREGATOR_BEATS = 6
"More: what it computes may keep it from speaking."


class Roster:
    """A team of `n_members`, in the view of member `me`."""

    def __init__(self, me: int, n_members: int, now_s: float) -> None:
        self.me = me
        self.others = frozenset(range(n_members)) - {me}
        self.heard: set[int] = set()
        "During the present image."
        self.leader: int | None = None
        self.leader_s = now_s
        "When somebody last said to lead."
        self.aggregator: int | None = None
        self.claims: set[int] = set()
        "Members that want to be the aggregator, because they keep what it has passed over."
        self._chosen_s = now_s
        self._n_silent = dict.fromkeys(self.others, 0)
        self._flags: dict[int, Flag] = {}
        self._heard_s: dict[int, float] = {}
        self._salts: dict[int, bytes] = {}

    def hear(self, member: int, flags: Flag, now_s: float, salt: bytes = b"") -> bool:
        """Whether it has started anew since it was heard last."""
        self.heard.add(member)
        self._heard_s[member] = now_s
        before, self._salts[member] = self._salts.get(member, salt), salt
        self._n_silent[member] = 0
        self._flags[member] = flags
        return before != salt

    def end_image(self) -> None:
        """Who was not heard during it was silent."""
        for member in self.others - self.heard:
            self._n_silent[member] += 1

    def lives(self, member: int) -> bool:
        return member == self.me or self._n_silent[member] < SILENT_IMAGES

    def was_heard(self, member: int) -> bool:
        """Whether it lives and has said so: until then it is waited for, and not counted."""
        return member == self.me or (member in self._flags and self.lives(member))

    def alive(self) -> tuple[bool, ...]:
        """By member, this one included; nobody before it was heard."""
        return tuple(self.was_heard(member) for member in sorted({self.me, *self.others}))

    def may_have(self, flag: Flag) -> frozenset[int]:
        """Others that have it or never said."""
        return frozenset(m for m in self.others if flag in self._flags.get(m, flag))

    def follow(self, member: int, now_s: float, leads: bool = False) -> bool:
        """Somebody says that it leads: whether it does; of two the lower number goes on. `leads`:
        this member does.
        """
        if leads and self.me < member:
            return False
        self.leader, self.leader_s = member, now_s
        return True

    def takeover_s(self, beat_s: float) -> float:
        """When this member is to lead if the leader stays silent: one after the other, in their
        order, whatever each believes of the others.
        """
        return self.leader_s + (SILENT_BEATS + self.me / 2) * beat_s

    def choose_aggregator(
        self, has_modem: bool, now_s: float, turn_s: float, silent_s: float
    ) -> int | None:
        """The present one while it lives, else the lowest that lives and has a modem; whoever
        claims it has it first, for `turn_s` at least. An aggregator is heard also between images,
        and not the present one any more if it was silent for `silent_s`.
        """
        able: Iterable[int] = (
            member
            for member, flags in self._flags.items()
            if Flag.MODEM in flags
            and self.lives(member)
            and (member != self.aggregator or now_s < self._heard_s[member] + silent_s)
        )
        candidates = {*able, self.me} if has_modem else set(able)
        claims = self.claims & candidates
        keeps = self.aggregator in candidates
        if keeps and (not claims - {self.aggregator} or now_s < self._chosen_s + turn_s):
            return self.aggregator
        behind = -1 if not claims or self.aggregator is None else self.aggregator
        by_turns = sorted(claims or candidates, key=lambda member: (member <= behind, member))
        self.aggregator, self._chosen_s = next(iter(by_turns), None), now_s
        self.claims -= {self.aggregator}
        return self.aggregator
