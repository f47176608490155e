"""Presence: what a member is to the others: the leader, the aggregator, one that would be it, or
just there; as it says in HERE, and as they say.
"""

from collections.abc import Sequence
from math import inf

from link.fog.custody import Custody
from link.fog.frame import IMAGE_BYTES, PIECE_BYTES, Flag, Header, Kind
from link.fog.interface import Member, Receipt, TeamOptions, Told
from link.fog.roster import SILENT_AGGREGATOR_BEATS, Roster
from link.fog.voice import Voice

NOBODY = 255
"In the place of an aggregator."
LEADS, CLAIMS = 1, 2
"Bits of the first byte of HERE."
RECEIPT_IMAGES = PIECE_BYTES // IMAGE_BYTES - 2
RECEIPTS_AGAIN = 4
"Images that a receipt repeats of those before."


class Presence:
    """One start of one member, among those of its roster."""

    def __init__(
        self,
        member: Member,
        roster: Roster,
        custody: Custody,
        voice: Voice,
        options: TeamOptions,
        told: Told,
        now_s: float,
    ) -> None:
        self.me = member.number
        self.has_modem, self.has_camera = member.has_modem, member.has_camera
        self.may_lead = True
        self.roster, self.custody, self.options = roster, custody, options
        self.least = 0
        "The lowest id that the next image may have, whatever this member has heard of images."
        self.has_joined = False
        "An image was under way since this start."
        self._voice, self._told = voice, told
        self._beat_s = now_s
        "When it said last that it is here."
        self._settled: list[int] = []
        "The last images, to be told once more."

    @property
    def can_lead(self) -> bool:
        return self.has_camera and self.may_lead

    @property
    def leads(self) -> bool:
        return self.can_lead and self.roster.leader == self.me

    @property
    def aggregates(self) -> bool:
        return self.roster.aggregator == self.me

    @property
    def _may_claim(self) -> bool:
        return self.has_modem and not self.aggregates

    def _claims(self, now_s: float) -> bool:
        return self._may_claim and self.custody.due_s <= now_s

    def _has_to_beat(self, now_s: float) -> bool:
        """A leader says that it leads, an aggregator and who has just started that they are here,
        who keeps what nobody sends that it would.
        """
        return self.leads or self.aggregates or not self.has_joined or self._claims(now_s)

    def due_s(self, now_s: float) -> float:
        """When there may be something to say; inf: not before something was heard."""
        times = [self.custody.due_s if self._may_claim and not self._claims(now_s) else inf]
        if self._has_to_beat(now_s):
            times.append(self._beat_s + self.options.heartbeat_s)
        if self.can_lead and not self.leads:
            times.append(self.roster.takeover_s(self.options.heartbeat_s))
        return min(times)

    def is_beat_due(self, newest: int, now_s: float) -> bool:
        """Whether to say that it is here; where the leader has been silent, as the next one. Some
        ids are left out, should that have gone on unheard.
        """
        beat_s = self.options.heartbeat_s
        if self.can_lead and not self.leads and self.roster.takeover_s(beat_s) <= now_s:
            self.least = max(self.least, newest + 1 + self.me)
            self.lead(now_s)
            return True
        return self._has_to_beat(now_s) and self._beat_s + beat_s <= now_s

    # what it says

    def lead(self, now_s: float) -> None:
        self.roster.leader, self.roster.leader_s = self.me, now_s

    def has_spoken(self, now_s: float) -> None:
        """So that no beat is due soon."""
        self._beat_s = now_s

    def say_here(self, to: frozenset[int], now_s: float) -> None:
        claims = self._claims(now_s)
        if self.leads:
            (self.roster.claims.add if claims else self.roster.claims.discard)(self.me)
        choice = self.choice(now_s) if self.leads else b""
        body = bytes([LEADS * self.leads | CLAIMS * claims]) + choice
        self._voice.say_next(Kind.HERE, body, to)

    def choice(self, now_s: float) -> bytes:
        """The aggregator that this leader wants, as a byte."""
        turn_s, silent_s = self.options.orphan_s, SILENT_AGGREGATOR_BEATS * self.options.heartbeat_s
        before = self.roster.aggregator
        chosen = self.roster.choose_aggregator(self.has_modem, now_s, turn_s, silent_s)
        if chosen != before:
            self.custody.pass_over(now_s)
        return bytes([NOBODY if chosen is None else chosen])

    def settle(self, images: Sequence[int], counter: int, now_s: float) -> None:
        """The host has these: a receipt tells who else keeps them, and the leader."""
        self.custody.settle(images, now_s)
        self.least = max(self.least, counter + 1)
        images = [*self._settled, *images]
        self._settled = images[-RECEIPTS_AGAIN:]
        to = self.roster.may_have(Flag.MODEM) | self.other(self.roster.leader)
        for start in range(0, max(len(images), 1), RECEIPT_IMAGES):
            told = (max(counter, 0), *images[start : start + RECEIPT_IMAGES])
            body = b"".join(number.to_bytes(IMAGE_BYTES, "big") for number in told)
            self._voice.say_next(Kind.RECEIPT, body, to)

    def sync_flags(self) -> None:
        flags = Flag.MODEM * self.has_modem | Flag.CAMERA * self.has_camera
        self._voice.flags = Flag(flags)

    def other(self, member: int | None) -> frozenset[int]:
        """That member, if it is one and another."""
        return self.roster.others & {member}

    # what it hears

    def hear_member(self, header: Header, now_s: float) -> None:
        is_anew = self.roster.hear(header.member, header.flags, now_s, header.salt)
        if is_anew and header.member == self.roster.aggregator:
            self.custody.pass_over(now_s)

    def hear(self, header: Header, body: bytes, newest: int, now_s: float) -> None:
        """HERE or RECEIPT."""
        if header.image >= newest:
            self.hear_member(header, now_s)
        self.least = max(self.least, header.image + 1)
        if header.kind == Kind.RECEIPT:
            self._hear_receipt(header.member, body, now_s)
        elif body:
            change = self.roster.claims.add if body[0] & CLAIMS else self.roster.claims.discard
            change(header.member)
            if body[0] & LEADS:
                self.follow(header.member, body[1:], now_s)

    def follow(self, leader: int, choice: bytes, now_s: float) -> None:
        """Somebody says that it leads, and which aggregator it wants."""
        if not self.roster.follow(leader, now_s, self.leads):
            return
        [chosen] = choice[:1] or [NOBODY]
        before = self.roster.aggregator
        self.roster.aggregator = chosen if chosen in {self.me, *self.roster.others} else None
        if self.roster.aggregator != before:
            self.custody.pass_over(now_s)

    def _hear_receipt(self, member: int, body: bytes, now_s: float) -> None:
        numbers = [
            int.from_bytes(body[start : start + IMAGE_BYTES], "big")
            for start in range(0, len(body), IMAGE_BYTES)
        ]
        if numbers:
            counter, *images = numbers
            self.least = max(self.least, counter + 1)
            self.custody.settle(images, now_s)
            self._told.receipts.append(Receipt(member, tuple(images), counter))
